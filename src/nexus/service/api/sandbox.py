"""Code run in a sandbox, for programs of the user: /api/sandbox."""

from __future__ import annotations

import asyncio
import codecs
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nexus.core.errors import InvalidInputError, NexusError
from nexus.service.api.streaming import as_sse, daemon_of
from nexus.service.sandbox import SandboxRoom
from nexus.service.stream import Stream

router = APIRouter(prefix="/api/sandbox")


class RunBody(BaseModel):
    """Python to run, and what it is granted for this run besides the settings' grants."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=1_000_000)
    stdin: str = Field(default="", max_length=1_000_000)
    seconds: float | None = Field(default=None, gt=0, le=3600)
    memory_mib: int | None = Field(default=None, ge=8, le=2046)
    http: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(default=[], max_length=100)
    read: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(default=[], max_length=100)
    stream: bool = False


@router.get("")
async def state(request: Request) -> dict[str, Any]:
    """What can run here, its limits and grants, and how runs have ended."""
    return await asyncio.to_thread(daemon_of(request).sandbox.as_dict)


@router.post("/run", response_model=None)
async def run(request: Request, body: RunBody) -> Response | dict[str, Any]:
    """Run it and give its output and how it ended; with `stream`, output as it comes (server-sent events)."""
    room = daemon_of(request).sandbox
    read = tuple(Path(name) for name in body.read)
    for path in read:
        if not path.is_absolute() or "\0" in str(path):
            raise InvalidInputError(f"read: {str(path)!r} is not an absolute path", hint="start with /")
    given: dict[str, Any] = {
        "stdin": body.stdin.encode(),
        "read": read,
        "http": body.http,
        "seconds": body.seconds,
        "memory_mib": body.memory_mib,
    }
    if body.stream:
        return as_sse(request, _streamed(room, body.code, given))
    result = await asyncio.to_thread(lambda: room.run(body.code, **given))
    return result.as_dict()


def _streamed(room: SandboxRoom, code: str, given: dict[str, Any]) -> Stream:
    """Output as it comes, then the result without it, or the error. The run ends when nobody reads on."""
    stream = Stream()
    decoders = {fd: codecs.getincrementaldecoder("utf-8")("replace") for fd in (1, 2)}

    def heard(fd: int, data: bytes) -> None:
        if text := decoders[fd].decode(data):
            stream.emit("output", {"fd": fd, "text": text})

    def work() -> None:
        try:
            result = room.run(code, on_output=heard, cancel=stream.cancel, **given)
            for fd, decoder in decoders.items():
                if text := decoder.decode(b"", final=True):
                    stream.emit("output", {"fd": fd, "text": text})
            told = {k: v for k, v in result.as_dict().items() if k not in ("stdout", "stderr")}
            stream.emit("done", told)
        except NexusError as error:
            problem = {"code": error.code, "message": error.message, "hint": error.hint}
            stream.emit("error", {"error": problem})
        finally:
            stream.finish()

    asyncio.get_running_loop().run_in_executor(None, work)
    return stream
