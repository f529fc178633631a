"""Answers held to a JSON schema, or to a call of a tool: which tokens may come next.

Knows the vocabulary and grammars, not the model. Invariant: a text whose every token was allowed, and
that ended where the end was allowed, fits; a schema that cannot be held to is refused by name.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import EngineError, InvalidInputError
from nexus.engine.base import Tool, ToolChoice

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

    from nexus._engine import Tokenizer

log = logging.getLogger(__name__)

# A model that is forced to write JSON may prefer to write blanks for ever.
_WHITESPACE = {"x-guidance": {"whitespace_pattern": r"[\x20\x0A]{0,32}"}}
# What stands around the calls, between them, and what the arguments are called.
_LAYOUTS = {
    "hermes": ('"<tool_call>\\n" call "\\n</tool_call>"', "arguments"),
    "llama3": ("call", "parameters"),
    "mistral": ('"[" call (", " call)* "]"', "arguments"),
    "json": ("call", "arguments"),
}
# Sets of tools whose grammars are kept.
_MOST_OFFERS = 8
# While a vocabulary is prepared, answers that are being written get a token in.
_OTHERS_TURN = 0.05
# How a call begins that models write who learnt the marks badly, up to the tool's name: <tools> or double
# braces for the mark. Nobody means anything else by these. Blanks are bounded as in _WHITESPACE.
_GAP = r"[ \n]{0,32}"
_BADLY_MARKED = r"\s*(<tool|\{\{" + _GAP + r"\"name\")"
# Our own rules around a schema say nothing to whom its error is told.
_OWN_RULES = re.compile(r"\n\s*\d+ \| .*", re.S)
_PLACE = re.compile(r"^at \d+\(\d+\): (?:failed to compile JSON schema: )?")


class Grammars:
    """Grammars over the vocabulary of `tokenizer`.

    It is prepared at the first use, once, in two parts of 2 to 3 microseconds a token each, during which no
    other Python code of the process runs; between them it does. May be called from several threads.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._prepared: LLTokenizer | None = None
        self._offers: dict[str, LLMatcher] = {}  # by the tools, the oldest first
        self._lock = Lock()

    def json_schema(
        self, schema: Mapping[str, Any], tools: Sequence[Tool] = (), tool_format: str = "json"
    ) -> Grammar:
        """The answer is JSON that fits, its properties in the schema's order, or a call of a tool.

        Raises `InvalidInputError`, naming what cannot be held to.
        """
        answer = f"answer: %json {_schema(schema)}\n"
        self._check(answer.replace("answer", "start", 1), "the schema")
        if not tools:
            return self._grammar(f"start: answer\n{answer}", "the schema")
        calls = self._calls(tools, tool_format)
        return self._grammar(f"start: answer | called\n{answer}{calls}", "the schema and the tools")

    def tool_call(self, tools: Sequence[Tool], choice: ToolChoice, tool_format: str) -> Grammar:
        """The answer is a call of one of the tools, or of the one that `choice` names, and nothing else.

        `tool_format` is one of `tools.format_of`. Raises `InvalidInputError`, naming the tool.
        """
        wanted = [tool for tool in tools if not choice.name or tool.name == choice.name]
        if not wanted:
            raise InvalidInputError("a tool has to be called and there is none", hint="send tools")
        return self._grammar(f"start: called\n{self._calls(wanted, tool_format)}", "the tools")

    def offered(self, tools: Sequence[Tool], tool_format: str) -> Grammar | None:
        """The answer is some text, and one that begins as a call is a whole call of one of the tools.

        A tool whose parameters cannot be held to takes any object. None where there are too many tools
        for a grammar, and for formats whose marks are control tokens: those are learnt well.
        """
        if tool_format not in ("hermes", "json") or not tools:
            return None
        # A client sends the same tools with every request; building takes a millisecond for each of them.
        key = json.dumps([(tool.name, dict(tool.parameters)) for tool in tools])
        if (matcher := self._offers.get(key)) is None:
            try:
                matcher = self._matcher(self._offer(tools), "the tools")
            except InvalidInputError as error:
                log.info("calls of %d tools are not held to any form: %s", len(tools), error)
                return None
            with self._lock:
                self._offers[key] = matcher
                while len(self._offers) > _MOST_OFFERS:
                    del self._offers[next(iter(self._offers))]
        return Grammar(matcher.deep_copy(), self._tokenizer.size)

    def _offer(self, tools: Sequence[Tool]) -> str:
        """The rules of `offered`."""
        names = [json.dumps(tool.name, ensure_ascii=False) for tool in tools]
        any_name = "|".join(_literally(name) for name in names)
        # JSON that begins with a name may be what was asked for, unless it is the name of a tool.
        plain = rf"\s*(```(json)?\s*)?\{{{_GAP}\"name\"{_GAP}:{_GAP}({any_name}){_GAP},{_GAP}\"arguments\""
        rules = [
            "start: TEXT | tagged+ | doubled | fenced | bare",
            rf"TEXT: /\s*\S(?s:.*)/ & ~/({_BADLY_MARKED}|{plain})(?s:.*)/",
            rf"tagged: /\s*<tool_call>{_GAP}\{{{_GAP}\"name\"{_GAP}:{_GAP}/ call"
            rf" /{_GAP}\}}{_GAP}<\/tool_call>/",
            rf"doubled: /\s*\{{\{{{_GAP}\"name\"{_GAP}:{_GAP}/ call /{_GAP}\}}{_GAP}\}}/",
        ]
        for kind, fence, end in (("fenced", r"```(json)?\s*", rf"{_GAP}```"), ("bare", "", "")):
            heads = []
            for number, name in enumerate(names):
                head = rf"\s*{fence}\{{{_GAP}\"name\"{_GAP}:{_GAP}{_literally(name)}{_GAP},{_GAP}"
                heads.append(rf"/{head}\"arguments\"{_GAP}:{_GAP}/ arguments_{number} /{_GAP}\}}{end}/")
            rules.append(f"{kind}: {' | '.join(heads)}")
        rules.append(f"call: {' | '.join(f'call_{number}' for number in range(len(tools)))}")
        for number, (tool, name) in enumerate(zip(tools, names, strict=True)):
            rules.append(
                f'call_{number}: {json.dumps(name)} /{_GAP},{_GAP}"arguments"{_GAP}:{_GAP}/'
                f" arguments_{number}"
            )
            rules.append(f"arguments_{number}: {self._arguments(tool)}")
        return "\n".join(rules) + "\n"

    def _arguments(self, tool: Tool) -> str:
        """As a rule; of any object where the schema cannot be held to."""
        arguments = f"%json {_schema({'type': 'object', **tool.parameters})}"
        try:
            self._check(f"start: {arguments}\n", tool.name)
        except InvalidInputError as error:
            log.info("calls of the tool %r are not held to its schema: %s", tool.name, error)
            return f"%json {_schema({'type': 'object'})}"
        return arguments

    def _calls(self, tools: Sequence[Tool], tool_format: str) -> str:
        """The rules of `called`."""
        around, key = _LAYOUTS[tool_format]
        rules = [f"called: {around}", f"call: {' | '.join(f'call_{n}' for n in range(len(tools)))}"]
        for number, tool in enumerate(tools):
            # One by one, so that an error names the tool.
            arguments = f"%json {_schema({'type': 'object', **tool.parameters})}"
            self._check(f"start: {arguments}\n", f"the parameters of the tool {tool.name!r}")
            head = json.dumps(f'{{"name": {json.dumps(tool.name)}, "{key}": ')
            rules.append(f'call_{number}: {head} arguments_{number} "}}"')
            rules.append(f"arguments_{number}: {arguments}")
        return "\n".join(rules) + "\n"

    def _grammar(self, rules: str, what: str) -> Grammar:
        return Grammar(self._matcher(rules, what), self._tokenizer.size)

    def _matcher(self, rules: str, what: str) -> LLMatcher:
        from llguidance import LLMatcher

        matcher = LLMatcher(self._vocabulary(), LLMatcher.grammar_from_lark(rules), log_level=0)
        if matcher.is_error():
            raise _refusal(what, matcher.get_error())
        return matcher

    def _check(self, rules: str, what: str) -> None:
        from llguidance import LLMatcher

        error = LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(rules))
        if error and not error.startswith("WARNING"):
            raise _refusal(what, error)

    def _vocabulary(self) -> LLTokenizer:
        from llguidance import LLTokenizer, TokenizerWrapper

        with self._lock:
            if self._prepared is None:
                words = _Vocabulary(self._tokenizer)
                plain = LLTokenizer(TokenizerWrapper(words), eos_token=words.ends, slices=[])
                time.sleep(_OTHERS_TURN)
                self._prepared = plain.with_slices(LLTokenizer.general_slices())
            return self._prepared


class Grammar:
    """Where one answer stands in its grammar: a `Constraint`. One thread uses it."""

    def __init__(self, matcher: LLMatcher, size: int) -> None:
        self._matcher = matcher
        self._mask = np.zeros((size + 31) // 32, dtype=np.uint32)

    def mask(self) -> NDArray[np.uint32]:
        """One bit for each token; valid until the next call. Raises `EngineError` when the grammar has
        become too large to follow."""
        if self._matcher.is_error():
            raise self._failure()
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        return self._mask

    def accept(self, token: int) -> None:
        """The token was chosen. Raises `EngineError` when it was not allowed."""
        if not self._matcher.consume_token(token):
            raise self._failure()

    @property
    def finished(self) -> bool:
        """Nothing but the end may follow."""
        return self._matcher.is_stopped()

    def _failure(self) -> EngineError:
        return EngineError(
            f"the answer cannot be held to its schema any further: {_in_one_line(self._matcher.get_error())}",
            hint="use a simpler schema",
        )


class _Vocabulary:
    """A tokenizer as the grammars ask for it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        ends = [token for token in range(tokenizer.size) if tokenizer.is_end(token)]
        first = tokenizer.eos if tokenizer.eos is not None else ends[0]
        self.ends = [first, *(token for token in ends if token != first)]
        self.eos_token_id = first
        self.bos_token_id = tokenizer.bos
        self.tokens = tokenizer.pieces()
        self.special_token_ids = [t for t in range(tokenizer.size) if tokenizer.is_control(t)]
        self._tokenizer = tokenizer

    def __call__(self, text: bytes) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text).tolist()
        return tokens


def _literally(text: str) -> str:
    """As a regular expression between slashes."""
    return re.sub(r"[!-/:-@\[-`{-~]", lambda found: "\\" + found.group(), text)


def _schema(schema: Mapping[str, Any]) -> str:
    return json.dumps({**schema, **_WHITESPACE})


def _refusal(what: str, error: str) -> InvalidInputError:
    return InvalidInputError(
        f"an answer cannot be held to {what}: {_in_one_line(error)}",
        hint="leave that keyword out, or describe it in words",
    )


def _in_one_line(error: str) -> str:
    return " ".join(_OWN_RULES.sub("", _PLACE.sub("", error.strip())).split())[:300]
