"""A GGUF model in a child process: started, watched, restarted, and spoken to over its socket.

Does not know llama.cpp's API, only the worker and the chat client. Invariants: at most one worker
at a time; `chat` calls are answered one after the other in the order they came; a dead worker
costs the answers in flight and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

from nexus.core.errors import EngineError, ModelCorruptError, ModelMissingError, NexusError
from nexus.engine import gguf
from nexus.engine.base import (
    ChatMessage,
    ChatRequest,
    Delta,
    EngineHealth,
    Finish,
    Usage,
    refuse_overflow,
)
from nexus.engine.chat_client import ChatClient, message_objects
from nexus.engine.supervisor import Life, Supervisor
from nexus.engine.turnstile import Turnstile
from nexus.engine.wire import ConnectionLostError


class LlamaCppEngine:
    """An `Engine` on one GGUF file. `context` in tokens, 0 for the model's own window.

    `run_folder` takes the socket. `threads` 0 means: as many as others leave free, decided anew
    when the load of the machine has changed. `verify` is called before each `start` and raises when
    the file is not the one that was meant. A model that was missing or broken is looked for again
    when it is next asked something, so that one pulled meanwhile is found.
    """

    counts_exact = True

    def __init__(
        self,
        model_path: Path,
        *,
        name: str,
        context: int,
        run_folder: Path,
        threads: int = 0,
        verify: Callable[[], None] | None = None,
    ) -> None:
        self._path = model_path
        self._verify = verify
        self._name = name
        self._turnstile = Turnstile()
        self._last_used = time.monotonic()
        self._supervisor = Supervisor(model_path, name, context, run_folder, threads)

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
            gguf.check(self._path, self._name)
            if self._verify:
                self._verify()
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
        waiting = self._turnstile.waiting
        idle = 0.0 if waiting else time.monotonic() - self._last_used
        self._supervisor.maintain(idle)

    def count_tokens(self, text: str) -> int:
        life = self._supervisor.require_life()
        body = {"content": text, "add_special": False, "parse_special": False}
        tokens = self._post(life, "/tokenize", body).get("tokens")
        if not isinstance(tokens, list):
            raise EngineError(f"{life.wire.label} counted no tokens")
        return len(tokens)

    def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        return self._count(self._supervisor.require_life(), messages)

    def chat(
        self, request: ChatRequest, cancel: Event | None = None
    ) -> Generator[Delta | Finish, None, None]:
        cancel = cancel or Event()
        started = time.monotonic()
        if isinstance(self._supervisor.failure, ModelMissingError | ModelCorruptError):
            self.start()
        # Counting needs no turn: a prompt that cannot fit is refused at once, not after a wait.
        life = self._supervisor.ready_life(cancel)
        if life is None or cancel.is_set():
            yield _cancelled(0, started)
            return
        prompt = self._count(life, request.messages)
        refuse_overflow(prompt, request.max_tokens, self.context)
        with self._turnstile.turn(cancel) as granted:
            try:
                # The worker may have been replaced during the wait.
                life = self._supervisor.ready_life(cancel) if granted else None
                if life is None or cancel.is_set():
                    yield _cancelled(prompt, started)
                    return
                yield from self._answer(life, request, cancel, prompt, started)
            finally:
                self._last_used = time.monotonic()

    def _answer(
        self, life: Life, request: ChatRequest, cancel: Event, prompt: int, started: float
    ) -> Generator[Delta | Finish, None, None]:
        # The server notices that a client has left only when it writes to it. Progress reports
        # make it write after every batch of the prompt; without them it would read a long prompt
        # to its end for nobody.
        client = ChatClient(
            life.wire,
            model=self._name,
            path="/v1/chat/completions",
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

    def _count(self, life: Life, messages: Sequence[ChatMessage]) -> int:
        body = {"messages": message_objects(messages)}
        count = self._post(life, "/v1/chat/completions/input_tokens", body).get("input_tokens")
        if not isinstance(count, int):
            raise EngineError(f"{life.wire.label} counted no tokens")
        return count

    def _post(self, life: Life, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return life.wire.post(path, body)
        except ConnectionLostError as error:
            raise self._supervisor.explain(life, error) from error


def _cancelled(prompt: int, started: float) -> Finish:
    usage = Usage(prompt, 0, exact=prompt > 0)
    return Finish("cancelled", usage, None, time.monotonic() - started)
