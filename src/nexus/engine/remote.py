"""Any OpenAI-compatible server as an engine: Ollama, vLLM, llama.cpp, a gateway.

Does not know which it is beyond what `server_facts` found out. Invariant: a server that is down
is a state, not a crash: it is asked again when it is needed, and by `maintain`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from threading import Event, Lock, Thread

from nexus.core.errors import EngineError, InvalidInputError, NexusError
from nexus.engine.base import (
    AnswerEvent,
    ChatRequest,
    EngineHealth,
    EngineState,
    Finish,
    Likelihood,
    Usage,
    refuse_overflow,
)
from nexus.engine.chat_client import ChatClient, message_objects, tool_fields
from nexus.engine.completion import CompletionRequest
from nexus.engine.server_facts import ServerFacts, api_path, check_llamacpp, discover, server_root
from nexus.engine.wire import ConnectionLostError, ServerRefusedError, Wire

READ_SECONDS = 600.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# The estimate leans upwards: English has 4 to 5 bytes a token, code 3 to 4. A prompt refused too
# early is said to the user; one that the server cuts is not.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8


class RemoteEngine:
    """An `Engine` on `url`, with or without `/v1` at its end.

    `model` may be empty where the server has exactly one. `context` in tokens, 0 to ask the
    server; the smaller of both holds. Raises `InvalidInputError` for a URL that is none.
    """

    def __init__(self, url: str, *, api_key: str, model: str, context: int) -> None:
        self._root = server_root(url)
        self._api = api_path(url)
        self._label = f"the model server at {url}"
        self._key = api_key
        self._model = model
        self._asked_context = context
        self._wire: Wire | None = None
        self._facts: ServerFacts | None = None
        self._lock = Lock()
        self._state: EngineState = "stopped"
        self._detail = ""
        self._failures = 0
        self._next_try = 0.0
        self._prober: Thread | None = None

    @property
    def name(self) -> str:
        return self._facts.model if self._facts else self._model

    @property
    def context(self) -> int:
        return self._facts.context if self._facts else self._asked_context

    def start(self) -> None:
        """Ask the server what it is. One that does not answer is reported by `health`."""
        with self._lock:
            if self._wire is None:
                self._wire = Wire(self._root, label=self._label, api_key=self._key, read_seconds=READ_SECONDS)
                self._state = "starting"
        self._probe()

    def stop(self) -> None:
        """Close the connection pool. Answers in flight end with an `EngineError`."""
        with self._lock:
            wire, self._wire = self._wire, None
            self._state, self._detail, self._facts = "stopped", "", None
        if wire is not None:
            wire.close()

    def health(self) -> EngineHealth:
        return EngineHealth(self._state, self._detail)

    def maintain(self) -> None:
        """Ask a failed server again, after growing pauses, in a thread: it may take seconds."""
        with self._lock:
            busy = self._prober is not None and self._prober.is_alive()
            if self._state != "failed" or busy or time.monotonic() < self._next_try:
                return
            self._prober = Thread(target=self._probe, name="engine-probe", daemon=True)
            self._prober.start()

    def count_tokens(self, text: str) -> int:
        """Exact where the server has a tokenizer to ask, otherwise bytes / 3 rounded up."""
        wire, facts = self._require()
        exact = facts.count_text(wire, text)
        return _estimate(text) if exact is None else exact

    def count_prompt(self, request: ChatRequest | CompletionRequest) -> int:
        """Exact where the server applies its template for us, otherwise an upper estimate."""
        return self._count(*self._require(), request)

    def likelihood(self, text: str, continuation: str) -> Likelihood:
        raise InvalidInputError(
            f"{self.name} is on another server, which does not tell how likely a text is",
            hint="use a model on this machine",
        )

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
        if cancel.is_set():
            usage = Usage(0, 0, exact=False)
            yield Finish("cancelled", usage, None, time.monotonic() - started)
            return
        wire, facts = self._require()
        chat = isinstance(request, ChatRequest)
        if facts.dialect == "llamacpp":
            check_llamacpp(wire, request)
        prompt = self._count(wire, facts, request)
        exact = facts.dialect != "openai"
        refuse_overflow(prompt, request.max_tokens, facts.context, exact=exact)
        path = f"{self._api}/chat/completions" if chat else f"{self._api}/completions"
        client = ChatClient(wire, model=facts.model, path=path, extra=facts.extra)
        try:
            yield from client.chat(request, cancel, prompt_tokens=prompt, started=started)
        except ConnectionLostError as error:
            self._failed(error)
            raise
        except ServerRefusedError as error:
            if error.status != 404:
                raise
            if not chat:
                raise InvalidInputError(
                    f"{self._label} has no {path} for the model {facts.model!r}: {error.message}",
                    hint="ask /v1/chat/completions, or take a model of this machine",
                ) from error
            raise ServerRefusedError(
                f"{self._label} does not have the model {facts.model!r}: {error.message}",
                hint=f"set engine.model to one of: {', '.join(facts.models) or 'none listed'}",
                status=404,
            ) from error

    def _count(self, wire: Wire, facts: ServerFacts, request: ChatRequest | CompletionRequest) -> int:
        if isinstance(request, CompletionRequest):
            text = request.prompt + (request.suffix or "")
            counted = facts.count_text(wire, text)
            return (_estimate(text) if counted is None else counted) + TOKENS_PER_MESSAGE
        messages, tools = request.messages, tool_fields(request)
        exact = facts.count_chat(wire, message_objects(messages), tools)
        if exact is not None:
            return exact
        texts = [message.content for message in messages]
        texts += [call.name + call.arguments for message in messages for call in message.tool_calls]
        texts += [json.dumps(tool, ensure_ascii=False) for tool in tools.get("tools", ())]
        return sum(_estimate(text) + TOKENS_PER_MESSAGE for text in texts)

    def _require(self) -> tuple[Wire, ServerFacts]:
        """What is needed to ask. Raises the reason when the server does not answer now."""
        wire, facts = self._wire, self._facts
        if wire is None:
            raise EngineError(f"the engine on {self._root} is stopped", hint="start it")
        if facts is None:
            error = self._probe()
            wire, facts = self._wire, self._facts
            if error is not None:
                raise error
            if wire is None or facts is None:
                raise EngineError(f"the engine on {self._root} was stopped")
        return wire, facts

    def _probe(self) -> NexusError | None:
        wire = self._wire
        if wire is None or self._facts is not None:
            return None
        try:
            facts = discover(wire, api=self._api, model=self._model, context=self._asked_context)
        except NexusError as error:
            self._failed(error)
            return error
        with self._lock:
            if self._wire is wire:
                self._facts, self._state, self._detail = facts, "ready", facts.remark
                self._failures = 0
        return None

    def _failed(self, error: NexusError) -> None:
        with self._lock:
            if self._state == "stopped":
                return
            self._failures += 1
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1))
            self._next_try = time.monotonic() + pause
            # Another model may be behind the URL when it comes back.
            self._facts = None
            self._state, self._detail = "failed", str(error)


def _estimate(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
