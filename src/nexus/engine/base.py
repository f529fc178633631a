"""What the house asks of a language model: the `Engine` protocol and the values it speaks in.

Does not know who answers: a child process, a server, one day our own kernels. Invariant: a prompt
is answered whole or refused whole; no implementation cuts it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from nexus.core.errors import ContextOverflowError, InvalidInputError

if TYPE_CHECKING:
    from nexus.engine.completion import CompletionRequest

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "cancelled"]
ToolMode = Literal["auto", "none", "required"]
MOST_SCORED = 128
"""Tokens of a text that `Engine.likelihood` tells of: each takes a row of logits, up to .6 MB."""
EngineState = Literal["starting", "ready", "restarting", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool: an event of an answer, and part of later messages.

    `arguments` is the JSON text of an object.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may call. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model may, must or must not call; `name` demands that one tool."""

    mode: ToolMode = "auto"
    name: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn. Raises `InvalidInputError` for a role that chat templates do not know.

    `tool_calls` belong to the assistant; a message of role tool answers the call `tool_call_id`. `blocks`
    are the texts that `content` was put together from, where there were several; models read `content`.
    """

    role: Role
    content: str
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str = ""
    blocks: Sequence[str] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise InvalidInputError(
                f"message role {self.role!r} is unknown", hint="use system, user, assistant or tool"
            )


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to continue. Raises `InvalidInputError` for a value no engine can use.

    `max_tokens` bounds the answer and is reserved in the window; `stop` texts end the answer and
    are not part of it; the same `seed` with temperature 0 gives the same answer. `schema` is a
    JSON schema that the answer must fit; `top_k` 0 and `min_p` 0 leave nothing out.
    """

    messages: Sequence[ChatMessage]
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 0.95
    stop: Sequence[str] = ()
    seed: int | None = None
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    tools: Sequence[Tool] = ()
    tool_choice: ToolChoice = ToolChoice()
    schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise InvalidInputError("the chat has no messages", hint="send at least one")
        check_sampling(self)
        names = [tool.name for tool in self.tools]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InvalidInputError(f"two tools are called {min(twice)!r}", hint="give each its own name")
        if self.tool_choice.name and self.tool_choice.name not in names:
            raise InvalidInputError(
                f"tool_choice names {self.tool_choice.name!r}, which is not among the tools",
                hint="name one of the tools, or use auto",
            )


def check_sampling(request: ChatRequest | CompletionRequest) -> None:
    """Raise `InvalidInputError` for how an answer is to be drawn, where no engine can draw it so."""
    if request.max_tokens < 1:
        raise InvalidInputError(f"max_tokens is {request.max_tokens}", hint="use 1 or more")
    if not (math.isfinite(request.temperature) and 0 <= request.temperature <= 2):
        raise InvalidInputError(f"temperature is {request.temperature}", hint="use 0 to 2")
    if not (math.isfinite(request.top_p) and 0 < request.top_p <= 1):
        raise InvalidInputError(f"top_p is {request.top_p}", hint="use more than 0, at most 1")
    if any(not text for text in request.stop):
        raise InvalidInputError("a stop text is empty", hint="leave it out")
    if request.top_k < 0:
        raise InvalidInputError(f"top_k is {request.top_k}", hint="use 1 or more, or 0 for all")
    if not (math.isfinite(request.min_p) and 0 <= request.min_p <= 1):
        raise InvalidInputError(f"min_p is {request.min_p}", hint="use 0 to 1")
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(request, name)
        if not (math.isfinite(value) and -2 <= value <= 2):
            raise InvalidInputError(f"{name} is {value}", hint="use -2 to 2")


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer. `reasoning` marks text a thinking model says to itself."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. `cached_tokens` of the prompt were not computed again.

    `exact` is False where the numbers are ours and not the model's: the answer was cancelled, or
    a server did not report them. `completion_tokens` then counts the pieces received.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of an answer. Seconds are wall time since `chat` began to run."""

    reason: FinishReason
    usage: Usage
    seconds_to_first_token: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text of so many tokens is: the natural logarithm of its probability."""

    logprob: float
    tokens: int

    @property
    def mean(self) -> float:
        """Nats a token."""
        return self.logprob / self.tokens


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """How an engine is. `pid`, `threads` and `rss_bytes` are None without a child process.

    `kind` is what computes in the child: "local" (our own engine), "llamacpp", or "" for neither.
    """

    state: EngineState
    detail: str = ""
    pid: int | None = None
    threads: int | None = None
    restarts: int = 0
    rss_bytes: int | None = None
    kind: str = ""


AnswerEvent = Delta | ToolCall | Finish


class Engine(Protocol):
    """A language model. All methods may be called from any thread."""

    @property
    def name(self) -> str:
        """The model's name as users see it."""

    @property
    def context(self) -> int:
        """The window in tokens, prompt and answer together; 0 while it is not known yet."""

    def start(self) -> None:
        """Make the engine ready. A missing or broken model raises; a server that is down does not.

        Blocks while the model is loaded. Calling it on a started engine changes nothing; on a
        failed one it tries again.
        """

    def stop(self) -> None:
        """End answers in flight and leave no process and no socket. Safe to repeat."""

    def chat(self, request: ChatRequest, cancel: Event | None = None) -> Generator[AnswerEvent, None, None]:
        """Stream the answer: deltas and tool calls, then exactly one `Finish`. Blocks between events.

        Closing the generator or setting `cancel` (from any thread) stops the decode; after
        `cancel` the last event is `Finish("cancelled", ...)`. Nothing runs before the first
        `next()`. Raises `ContextOverflowError` before any decoding, `EngineError` otherwise.
        """

    def complete(
        self, request: CompletionRequest, cancel: Event | None = None
    ) -> Generator[AnswerEvent, None, None]:
        """Continue a text as it stands, without the chat template; otherwise as `chat`.

        Raises `InvalidInputError` where this engine or this model cannot do what is asked for.
        """

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without template or begin marks. Raises `EngineError`."""

    def count_prompt(self, request: ChatRequest | CompletionRequest) -> int:
        """Tokens of the whole prompt after the model's chat template, tools included; or of a text as it is.

        Raises `EngineError`.
        """

    def likelihood(self, text: str, continuation: str) -> Likelihood:
        """How likely `continuation` is behind `text`, both as they are.

        Raises `InvalidInputError` where this engine cannot tell, or `continuation` is empty or has more than
        `MOST_SCORED` tokens; `ContextOverflowError`, `EngineError`.
        """

    def health(self) -> EngineHealth:
        """The present state; never blocks on the model."""

    def maintain(self) -> None:
        """Housekeeping, called about once a second: restarts what died. Never blocks for long."""


def refuse_overflow(prompt: int, max_tokens: int, context: int, *, exact: bool = True) -> None:
    """Raise `ContextOverflowError` where `prompt` + `max_tokens` tokens do not fit `context`."""
    if prompt + max_tokens <= context:
        return
    about = "" if exact else "about "
    raise ContextOverflowError(
        f"the prompt has {about}{prompt} tokens and the model's window leaves"
        f" {max(0, context - max_tokens)} ({context} minus {max_tokens} for the answer)",
        hint="shorten the prompt, lower max_tokens or raise engine.context",
    )
