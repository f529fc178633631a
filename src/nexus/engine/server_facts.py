"""What can be found out about a model server: its models, its window, how it counts tokens.

Three dialects are told apart by what they answer: `llamacpp` and `vllm` count tokens for us,
`openai` is every other. Knows nothing of chats in flight. Invariant: the window is a number the
server or the user gave, never a guess of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from nexus.core.errors import EngineError, InvalidInputError
from nexus.engine.base import ChatRequest
from nexus.engine.chat_client import tool_fields
from nexus.engine.completion import CompletionRequest
from nexus.engine.wire import ConnectionLostError, ServerRefusedError, Wire

Dialect = Literal["llamacpp", "vllm", "openai"]
_VERSION = re.compile(r"/v\d+(?:beta|alpha)?$")
_WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One model of one server. `extra` belongs into every chat request to it."""

    model: str
    models: tuple[str, ...]
    context: int
    dialect: Dialect
    api: str
    extra: Mapping[str, Any]
    remark: str = ""

    def count_text(self, wire: Wire, text: str) -> int | None:
        """Tokens of `text`; None where the server cannot say."""
        if self.dialect == "openai":
            return None
        return _counted(wire.post("/tokenize", _tokenize_body(self.model, text)), wire.label)

    def count_chat(self, wire: Wire, messages: list[dict[str, Any]], tools: Mapping[str, Any]) -> int | None:
        """Tokens of the chat after the server's template; None where the server cannot say.

        `tools` are the fields of the request that say which tools there are.
        """
        if self.dialect == "openai":
            return None
        if self.dialect == "vllm":
            body: dict[str, Any] = {"model": self.model, "messages": messages, **tools}
            return _counted(wire.post("/tokenize", body), wire.label)
        path = f"{self.api}/chat/completions/input_tokens"
        body = {"messages": messages, **tools}
        try:
            count = wire.post(path, body).get("input_tokens")
        except ServerRefusedError as error:
            if error.status != 404:
                raise
            # Older builds do not have it, but apply the template and count text.
            prompt = str(wire.post("/apply-template", body).get("prompt", ""))
            body = {"content": prompt, "add_special": True, "parse_special": True}
            return _counted(wire.post("/tokenize", body), wire.label)
        if not isinstance(count, int):
            raise EngineError(f"{wire.label} counted no tokens")
        return count


def server_root(url: str) -> str:
    """`url` without `/v1` at its end. Raises `InvalidInputError` unless it is http or https."""
    bare = url.strip().rstrip("/")
    parts = urlsplit(bare)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInputError(
            f"engine.url={url!r} is not a URL", hint="write it like http://127.0.0.1:11434"
        )
    return _VERSION.sub("", bare)


def api_path(url: str) -> str:
    """Where the API lies below `server_root`: the version the URL ends with, else `/v1`."""
    found = _VERSION.search(url.strip().rstrip("/"))
    return found.group() if found else "/v1"


def discover(wire: Wire, *, api: str, model: str, context: int) -> ServerFacts:
    """Ask the server. `model` empty: the only one it has. `context` 0: what the server says.

    Raises `EngineError` when it cannot be reached, or has no window or no single model to name.
    """
    listed = wire.get(f"{api}/models").get("data")
    entries = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    names = tuple(str(entry.get("id", "")) for entry in entries)
    chosen = model or _only(names, wire.label)
    entry = next((e for e in entries if str(e.get("id")) == chosen), {})
    dialect = _dialect(wire, chosen)
    window = _window(wire, entry, dialect)
    if not window and not context:
        raise EngineError(
            f"{wire.label} does not say how large the window of {chosen} is",
            hint="set engine.context to the context length the server runs with",
        )
    remarks = []
    if names and chosen not in names and f"{chosen}:latest" not in names:
        remarks.append(f"the server does not list {chosen}; it lists {', '.join(names[:10])}")
    if context and window and window < context:
        remarks.append(f"the server's window is {window} tokens, not {context}")
    return ServerFacts(
        model=chosen,
        models=names,
        context=min(context, window) if context and window else context or window,
        dialect=dialect,
        api=api,
        # See ChildEngine: without it llama.cpp reads a cancelled prompt to its end.
        extra={"return_progress": True} if dialect == "llamacpp" else {},
        remark="; ".join(remarks),
    )


def check_llamacpp(wire: Wire, request: ChatRequest | CompletionRequest) -> None:
    """Raise `InvalidInputError` for what a llama.cpp server would leave out without a word."""
    if isinstance(request, ChatRequest):
        check_tools(wire, tool_fields(request))
    elif request.suffix is not None:
        raise InvalidInputError(
            f"suffix: {wire.label} does not fill gaps",
            hint="set engine.kind to local, or write the model's own marks into the prompt",
        )


def check_tools(wire: Wire, tools: Mapping[str, Any]) -> None:
    """See that a llama.cpp server tells its model of `tools`, the fields of a request.

    It leaves them out without a word where the chat template has none. Raises `InvalidInputError` then.
    """
    if not tools or tools.get("tool_choice") == "none":
        return
    able = _optional(wire, "GET", "/props", {}).get("chat_template_caps")
    if isinstance(able, dict) and able.get("supports_tools") is False:
        raise InvalidInputError(
            f"{wire.label} has no words for tools in its chat template",
            hint="leave the tools out, take another model, or set engine.kind to local",
        )


def _only(names: Sequence[str], label: str) -> str:
    if len(names) == 1:
        return names[0]
    raise EngineError(
        f"{label} has {len(names)} models: {', '.join(names[:10]) or 'none'}",
        hint="set engine.model to the one to use" if names else "load a model into it",
    )


def _dialect(wire: Wire, model: str) -> Dialect:
    reply = _optional(wire, "POST", "/tokenize", _tokenize_body(model, "a"))
    if isinstance(reply.get("count"), int):
        return "vllm"
    return "llamacpp" if isinstance(reply.get("tokens"), list) else "openai"


def _window(wire: Wire, entry: Mapping[str, Any], dialect: Dialect) -> int:
    """Tokens; 0 when unknown. What runs comes before what the model was trained for."""
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    found = [entry.get(key) for key in _WINDOW_KEYS] + [meta.get("n_ctx")]
    if dialect == "llamacpp":
        settings = _optional(wire, "GET", "/props", {}).get("default_generation_settings")
        found.insert(0, settings.get("n_ctx") if isinstance(settings, dict) else None)
    found.append(meta.get("n_ctx_train"))
    # JSON's true is an int to Python.
    return next((n for n in found if type(n) is int and n > 0), 0)


def _optional(wire: Wire, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The reply of a path that a server may not have; empty then. A lost connection raises."""
    try:
        return wire.get(path) if method == "GET" else wire.post(path, body)
    except ConnectionLostError:
        raise
    except EngineError:
        return {}


def _tokenize_body(model: str, text: str) -> dict[str, Any]:
    """Both dialects in one body: llama.cpp reads `content`, vLLM `prompt`."""
    return {
        "model": model,
        "content": text,
        "prompt": text,
        "add_special": False,
        "add_special_tokens": False,
    }


def _counted(reply: Mapping[str, Any], label: str) -> int:
    count, tokens = reply.get("count"), reply.get("tokens")
    if isinstance(count, int):
        return count
    if isinstance(tokens, list):
        return len(tokens)
    raise EngineError(f"{label} counted no tokens")
