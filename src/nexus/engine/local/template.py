"""The model's own chat template: messages in, the prompt's text and tokens out.

Does not know models or streams. Invariant: a control token of the prompt was written by the template,
never by the text of a message; equal beginnings of messages give equal beginnings of tokens.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError
from nexus.engine.local.gaps import Gaps
from nexus.engine.local.markers import Markers
from nexus.engine.local.sandbox import MeteredTemplate
from nexus.engine.local.thoughts import thinks
from nexus.engine.local.tools import format_of

if TYPE_CHECKING:
    from nexus._engine import Tokenizer

log = logging.getLogger(__name__)

# For a model whose file has none: ChatML, which most models have seen.
DEFAULT = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ROLES = ("system", "user", "assistant", "tool")


class ChatTemplate:
    """`source` is jinja as Hugging Face's tokenizers have it; `bos` and `eos` are texts of tokens.

    Raises `InvalidInputError` where it is no template. Rendering is safe from any thread.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        self._template = MeteredTemplate(source)
        self._source = source
        self._bos = bos
        self._eos = eos
        self._markers: tuple[Tokenizer, Markers] | None = None
        # What stands for no tools: as Hugging Face has it, unless the template counts on a list.
        self._no_tools: list[Any] | None = None
        try:
            self._write([{"role": "user", "content": "x"}], [], True)
        except InvalidInputError:
            self._no_tools = []
        self._gaps = Gaps.of(lambda messages, tools: self._write(messages, tools, True))
        # Where the template says nothing of tools, our own words ask for plain JSON.
        self.tool_format = format_of(source) if self._gaps.tools else "json"
        if source == DEFAULT:
            log.warning("the model's file has no chat template; ChatML is used, which it may not know")

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        add_generation_prompt: bool = True,
    ) -> str:
        """The prompt of messages and tools as the chat API writes them.

        Raises `InvalidInputError` for content that is not text, and with the template's own words where
        it refuses.
        """
        filled, tools = self._gaps.fill([_plain(message) for message in messages], tools)
        return self._write(filled, tools, add_generation_prompt)

    def markers(self, tokenizer: Tokenizer) -> Markers:
        """What must not be read as a token inside a message."""
        if self._markers is None or self._markers[0] is not tokenizer:
            self._markers = (tokenizer, Markers(tokenizer, self._source))
        return self._markers[1]

    def thinks(self, tokenizer: Tokenizer) -> bool:
        """Whether the model may think before it answers."""
        return thinks(self._source, tokenizer)

    def _write(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], generate: bool
    ) -> str:
        return self._template.render(
            messages=list(messages),
            tools=list(tools) or self._no_tools,
            documents=None,
            add_generation_prompt=generate,
            bos_token=self._bos,
            eos_token=self._eos,
        )


def encode(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
) -> NDArray[np.int32]:
    """Tokens of the prompt. Texts of control tokens inside messages and tools are read as plain text."""
    return template.markers(tokenizer).encode(template.render, messages, tools)


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates expect it: content as text, arguments of calls as objects."""
    plain = {key: value for key, value in message.items() if value is not None}
    if plain.get("role") == "developer":
        plain["role"] = "system"
    if plain.get("role") not in ROLES:
        raise InvalidInputError(
            f"message role {plain.get('role')!r} is unknown", hint=f"use {', '.join(ROLES)}"
        )
    plain["content"] = _text(plain.get("content", ""))
    calls = plain.pop("tool_calls", None)
    if calls:
        plain["tool_calls"] = [_call(call) for call in calls]
    return plain


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else part
        if not isinstance(text, str):
            raise InvalidInputError(f"content {str(part)[:80]} is not text", hint="send text")
        texts.append(text)
    return "".join(texts)


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidInputError(f"a tool call has no function with a name: {str(call)[:80]}")
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise InvalidInputError(
                f"the arguments of a call of {function['name']!r} are not JSON: {arguments[:80]!r}",
                hint="send them as the model wrote them",
            ) from error
    return {
        "id": str(call.get("id", "")),
        "type": "function",
        "function": {**function, "arguments": arguments},
    }
