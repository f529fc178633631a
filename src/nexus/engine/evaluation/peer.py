"""One engine with one model in a process of its own, told line by line what to do: ours or llama.cpp.

Both are given the same token numbers and take the likeliest token each time. Knows no sockets and no chat:
what is timed is the computation, by a clock inside the process (llama.cpp's own timings). Commands and
answers are one line of JSON each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from nexus.core.errors import EngineError

_CONTEXT = 2048
_STEP = 512


class _Side(Protocol):
    def prompt(self, tokens: list[int]) -> float: ...
    def generate(self, tokens: list[int], count: int) -> float: ...


class Peer:
    """Parent's side. `kind`: nexus or llama.cpp. Raises `EngineError` where the child fails, with its
    words."""

    def __init__(self, kind: str, model: Path, threads: int) -> None:
        self.kind = kind
        command = [sys.executable, "-m", __name__, kind, str(model), str(threads)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def prompt(self, tokens: Sequence[int]) -> float:
        """Tokens a second of reading a prompt that was never seen."""
        return len(tokens) / self._call(do="prompt", tokens=list(tokens))

    def generate(self, tokens: Sequence[int], count: int) -> float:
        """Tokens a second of writing `count` tokens behind a prompt, its reading not counted."""
        return count / self._call(do="generate", tokens=list(tokens), count=count)

    def close(self) -> None:
        """End the child process."""
        self._child.kill()
        self._child.communicate()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, **command: object) -> float:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(command) + "\n")
        self._child.stdin.flush()
        return float(self._read()["seconds"])

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise EngineError(f"{self.kind}: {answer['error']}")
        return answer


class _Ours:
    def __init__(self, model: str, threads: int, folder: str) -> None:
        from nexus import _engine

        self._engine = _engine
        self._model = _engine.Model(model, threads)
        self._store = _engine.Store(str(Path(folder) / "blocks"), self._model, bytes(32), 512 << 20, 1024)
        self._context: Any = None

    def prompt(self, tokens: list[int]) -> float:
        context = self._new_context()
        begun = time.perf_counter()
        self._read(context, tokens)
        return time.perf_counter() - begun

    def generate(self, tokens: list[int], count: int) -> float:
        context = self._new_context()
        sampler = self._engine.Sampler(temperature=0.0)
        logits = self._read(context, tokens)
        begun = time.perf_counter()
        for _ in range(count):
            logits = self._model.step([(context, [sampler.sample(logits[0])], 1)])
        return time.perf_counter() - begun

    def _new_context(self) -> Any:
        """The blocks of the one before go back."""
        slots = [slot for _, slot, _ in self._context.new_blocks()] if self._context else []
        self._context = None
        self._store.sync()
        for slot in slots:
            self._store.release(slot)
        self._context = self._engine.Context(self._model, self._store, 1 << 20)
        return self._context

    def _read(self, context: Any, tokens: list[int]) -> Any:
        logits = None
        for begin in range(0, len(tokens), _STEP):
            part = tokens[begin : begin + _STEP]
            logits = self._model.step([(context, part, int(begin + len(part) == len(tokens)))])
        return logits


class _LlamaCpp:
    def __init__(self, model: str, threads: int, folder: str) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = model
        params.n_ctx, params.n_parallel = _CONTEXT, 1
        params.n_batch = params.n_ubatch = _STEP
        params.fit_params = params.ctx_shift = params.warmup = False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = 0
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    def prompt(self, tokens: list[int]) -> float:
        timings = self._complete(tokens, 1)
        if timings["prompt_n"] != len(tokens):
            raise EngineError(f"{timings['prompt_n']} tokens of {len(tokens)} were read")
        return float(timings["prompt_ms"]) / 1000

    def generate(self, tokens: list[int], count: int) -> float:
        # The first token comes out of the prompt's last step, so one more is asked for.
        timings = self._complete(tokens, count + 1)
        if timings["predicted_n"] != count + 1:
            raise EngineError(f"{timings['predicted_n']} tokens of {count + 1} were written")
        return float(timings["predicted_ms"]) / 1000

    def _complete(self, tokens: list[int], count: int) -> dict[str, Any]:
        request = {
            "prompt": tokens,
            "n_predict": count,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        answer = self._server.handle_completions(request)
        answer = json.loads(answer) if isinstance(answer, str) else answer
        if "timings" not in answer:
            raise EngineError(json.dumps(answer)[:300])
        timings: dict[str, Any] = answer["timings"]
        return timings


def main() -> None:
    """The child process: requests as lines of JSON in, answers out."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what native code prints must not mix with the answers
    kind, model, threads = sys.argv[1:]

    def answer(message: dict[str, object]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        try:
            made = (_Ours if kind == "nexus" else _LlamaCpp)(model, int(threads), folder)
            side: _Side = made
            answer({"ready": True})
            for line in sys.stdin:
                command = json.loads(line)
                if command["do"] == "prompt":
                    answer({"seconds": side.prompt(command["tokens"])})
                else:
                    answer({"seconds": side.generate(command["tokens"], command["count"])})
        except Exception as error:  # the border of the process: the parent words it
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
