"""A GGUF model in a child process: started, watched, restarted, and spoken to over its socket.

Knows the worker and the chat client, not what computes in there: our own engine, which writes several
answers at once, or llama.cpp, which writes one after the other in the order they came. Invariants: at
most one worker at a time; a dead worker costs the answers in flight and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from threading import Event, Lock
from typing import Any

from nexus.core.errors import (
    EngineError,
    InvalidInputError,
    ModelCorruptError,
    ModelMissingError,
    NexusError,
    StorageError,
    revived,
)
from nexus.engine import gguf
from nexus.engine.base import (
    AnswerEvent,
    ChatRequest,
    EngineHealth,
    Finish,
    Likelihood,
    Usage,
    refuse_overflow,
)
from nexus.engine.chat_client import ChatClient, message_objects, tool_fields
from nexus.engine.completion import CompletionRequest
from nexus.engine.server_facts import check_llamacpp
from nexus.engine.supervisor import Life, Supervisor
from nexus.engine.turnstile import Turnstile
from nexus.engine.wire import ConnectionLostError, ServerRefusedError
from nexus.engine.worker_settings import WorkerSettings

_Facts = tuple[int, int, int, int]


class ChildEngine:
    """An `Engine` on one GGUF file. `kinds` are tried in order: the next one only where the model is
    none that the one before computes.

    `run_folder` takes the socket. `threads` 0 means: as many as others leave free, decided anew
    when the load of the machine has changed. `verify` is called before each `start`, and before a worker
    begins with a file that has changed since; it raises when the file is not the one that was meant. A
    model that was missing or broken, or a store that could not be opened, is looked for again at the next
    question, so that one mended meanwhile is found. A file that is removed or replaced while a worker has
    it is used until that one ends; one that is written to is loaded again.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        name: str,
        kinds: Sequence[WorkerSettings],
        run_folder: Path,
        threads: int = 0,
        verify: Callable[[], None] | None = None,
    ) -> None:
        self._path = model_path
        self._verify = verify
        self._name = name
        self._turnstile = Turnstile()
        self._last_used = time.monotonic()
        self._open = 0
        self._opened = Lock()
        self._verified: _Facts | None = None
        self._supervisor = Supervisor(kinds, name, run_folder, threads, self._check)

    @property
    def name(self) -> str:
        return self._name

    @property
    def context(self) -> int:
        """The window the worker really has, the one asked for until it is known."""
        return self._supervisor.context

    def start(self) -> None:
        """Load the model and wait for it.

        Raises `ModelMissingError`, `ModelCorruptError`, `MissingPartError`, `StorageError`,
        `EngineError`.
        """
        try:
            self._verified = None
            self._check()
        except NexusError as error:
            self._supervisor.refuse(error)
            raise
        self._supervisor.start()
        self._supervisor.require_life()

    def stop(self) -> None:
        """End the worker. Answers in flight raise `EngineError`."""
        self._supervisor.stop()

    def health(self) -> EngineHealth:
        return self._supervisor.health()

    def maintain(self) -> None:
        known, now = self._verified, _facts(self._path)
        # Another file under the name changes nothing in what is mapped; another content does.
        if known and now and now != known and now[:2] == known[:2]:
            self._supervisor.renew(f"{self._path} was written to while it was in use")
        idle = 0.0 if self._open else time.monotonic() - self._last_used
        self._supervisor.maintain(idle)

    def _check(self) -> None:
        """Raises when the file may not be loaded. What was read whole is not read again."""
        gguf.check(self._path, self._name)
        facts = _facts(self._path)
        if facts is None or facts != self._verified:
            if self._verify:
                self._verify()
            self._verified = facts

    def count_tokens(self, text: str) -> int:
        life = self._supervisor.require_life()
        body = {"content": text, "add_special": False, "parse_special": False}
        tokens = self._post(life, "/tokenize", body).get("tokens")
        if not isinstance(tokens, list):
            raise EngineError(f"{life.wire.label} counted no tokens")
        return len(tokens)

    def count_prompt(self, request: ChatRequest | CompletionRequest) -> int:
        return self._count(self._supervisor.require_life(), request)

    def likelihood(self, text: str, continuation: str) -> Likelihood:
        life = self._supervisor.require_life()
        if life.worker.settings.kind != "local":
            raise InvalidInputError(
                f"{self._name} is answered by llama.cpp, which does not tell how likely a text is",
                hint="set engine.kind to local, with a model that it computes",
            )
        self._count_open(1)
        try:
            told = self._post(life, "/score", {"prompt": text, "continuation": continuation})
        finally:
            self._last_used = time.monotonic()
            self._count_open(-1)
        return Likelihood(float(told["logprob"]), int(told["tokens"]))

    def chat(self, request: ChatRequest, cancel: Event | None = None) -> Generator[AnswerEvent, None, None]:
        return self._asked(request, cancel or Event())

    def complete(
        self, request: CompletionRequest, cancel: Event | None = None
    ) -> Generator[AnswerEvent, None, None]:
        return self._asked(request, cancel or Event())

    def _asked(
        self, request: ChatRequest | CompletionRequest, cancel: Event
    ) -> Generator[AnswerEvent, None, None]:
        started = time.monotonic()
        if isinstance(self._supervisor.failure, ModelMissingError | ModelCorruptError | StorageError):
            self.start()
        # Counting needs no turn: a prompt that cannot fit is refused at once, not after a wait.
        life = self._supervisor.ready_life(cancel)
        if life is None or cancel.is_set():
            yield _cancelled(0, started)
            return
        if life.worker.settings.kind == "llamacpp":
            check_llamacpp(life.wire, request)
        prompt = self._count(life, request)
        refuse_overflow(prompt, request.max_tokens, self.context)
        with self._turn(life, cancel) as granted:
            self._count_open(1)
            try:
                # The worker may have been replaced during the wait.
                life = self._supervisor.ready_life(cancel) if granted else None
                if life is None or cancel.is_set():
                    yield _cancelled(prompt, started)
                    return
                yield from self._answer(life, request, cancel, prompt, started)
            finally:
                self._last_used = time.monotonic()
                self._count_open(-1)

    def _turn(self, life: Life, cancel: Event) -> AbstractContextManager[bool]:
        """llama.cpp answers one at a time; our own engine keeps its line itself."""
        if life.worker.settings.kind == "llamacpp":
            return self._turnstile.turn(cancel)
        return nullcontext(True)

    def _answer(
        self,
        life: Life,
        request: ChatRequest | CompletionRequest,
        cancel: Event,
        prompt: int,
        started: float,
    ) -> Generator[AnswerEvent, None, None]:
        # The server notices that a client has left only when it writes to it. Progress reports
        # make it write after every batch of the prompt; without them it would read a long prompt
        # to its end for nobody.
        client = ChatClient(
            life.wire,
            model=self._name,
            path="/v1/chat/completions" if isinstance(request, ChatRequest) else "/v1/completions",
            extra={"return_progress": True, "cache_prompt": True},
        )
        events = client.chat(request, cancel, prompt_tokens=prompt, started=started)
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, Finish) and event.reason != "cancelled":
                        self._supervisor.answered()
                    yield event
        except ConnectionLostError as error:
            raise self._supervisor.explain(life, error) from error
        except ServerRefusedError as error:
            raise _in_our_words(error) from error

    def _count_open(self, change: int) -> None:
        with self._opened:
            self._open += change

    def _count(self, life: Life, request: ChatRequest | CompletionRequest) -> int:
        if isinstance(request, CompletionRequest):
            fields = {"content": request.prompt, "add_special": True, "parse_special": True}
            if request.suffix is not None:
                fields["suffix"] = request.suffix
            tokens = self._post(life, "/tokenize", fields).get("tokens")
            if not isinstance(tokens, list):
                raise EngineError(f"{life.wire.label} counted no tokens")
            return len(tokens)
        body = {"messages": message_objects(request.messages), **tool_fields(request)}
        count = self._post(life, "/v1/chat/completions/input_tokens", body).get("input_tokens")
        if not isinstance(count, int):
            raise EngineError(f"{life.wire.label} counted no tokens")
        return count

    def reading(self) -> list[tuple[int, int]]:
        """Of each prompt that is being read: tokens read, and all. Empty with llama.cpp."""
        life = self._supervisor.require_life()
        return [(int(done), int(total)) for done, total in life.wire.get("/props").get("reading", ())]

    def manage(self, **wish: Any) -> dict[str, Any]:
        """Ask our own engine about what it has stored, or change it; see `local.desk.ChatDesk.manage`.

        Raises `InvalidInputError` where llama.cpp answers, which stores nothing.
        """
        life = self._supervisor.require_life()
        if life.worker.settings.kind != "local":
            raise InvalidInputError(
                f"{self._name} is answered by llama.cpp, which stores no contexts",
                hint="set engine.kind to local, with a model that it computes",
            )
        return self._post(life, "/manage", wish)

    def _post(self, life: Life, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return life.wire.post(path, body)
        except ConnectionLostError as error:
            raise self._supervisor.explain(life, error) from error
        except ServerRefusedError as error:
            raise _in_our_words(error) from error


def _facts(path: Path) -> _Facts | None:
    """Device, number, size and time of change of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _cancelled(prompt: int, started: float) -> Finish:
    usage = Usage(prompt, 0, exact=prompt > 0)
    return Finish("cancelled", usage, None, time.monotonic() - started)


def _in_our_words(error: ServerRefusedError) -> NexusError:
    """What our own engine refused, as the error that it was there; llama.cpp's refusals stay theirs."""
    known = error.fields.get("nexus")
    if not isinstance(known, dict):
        return error
    return revived(str(known.get("code")), str(known.get("message")), str(known.get("hint") or ""))
