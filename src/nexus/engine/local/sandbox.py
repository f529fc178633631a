"""Runs a chat template that came with a model file, without trusting it.

Knows jinja and nothing of chats. Invariants: a template reads no file and reaches no Python object; one
that loops for ever or grows without end is stopped by a `Meter`, with an error that says so. Every loop,
call, filter, operator and literal of the template goes through that meter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import wraps
from threading import local
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from nexus.core.errors import InvalidInputError
from nexus.engine.local.meter import Meter, StoppedError

# A prompt of a million tokens takes well under a second.
MOST_SECONDS = 10.0
MOST_INDENT = 16
# Not one of them is used by a template that we have seen, and all can be told to make gigabytes.
_REMOVED_FILTERS = "batch center filesizeformat format pprint random slice urlize wordwrap xmlattr".split()
_REMOVED_METHODS = frozenset("center expandtabs format format_map ljust rjust translate zfill".split())
_WIDE = re.compile(r"\{[^{}]*:[^{}]*(?:\d{4}|\{)")
_LOOP, _VALUE = "metered loop", "metered value"  # no template can write names with a space


class MeteredTemplate:
    """A compiled template. Raises `InvalidInputError` where jinja cannot compile it."""

    def __init__(self, source: str) -> None:
        self._environment = environment = _Environment()
        try:
            tree = environment.parse(source)
            _meter(tree)
            self._template = environment.from_string(tree)
        except (TemplateError, RecursionError, SyntaxError) as error:
            raise InvalidInputError(
                f"the model's chat template cannot be read: {error}", hint="use another file of this model"
            ) from error

    def render(self, *, seconds: float = MOST_SECONDS, **values: Any) -> str:
        """The text with these values.

        Raises `InvalidInputError` with the template's own words where it refuses, or was stopped.
        """
        meter = self._environment.running.meter = Meter(seconds)
        meter.know(values)
        try:
            return "".join([meter.write(part) for part in self._template.generate(values)])
        except Exception as error:  # foreign code: whatever it raises, it is the template's fault
            raise InvalidInputError(
                f"the model's chat template refused the messages: {error}",
                hint="see which roles, in which order, this model takes",
            ) from error


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self) -> None:
        # Optimizing would compute constant expressions while it compiles, without a meter.
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=[loopcontrols, _Generation]
        )
        self.running = local()  # .meter, of the rendering in this thread
        self.concat = lambda parts: self.meter.join(parts)  # type: ignore[method-assign]
        self.finalize = lambda value: self.meter.emit(value)
        for name in _REMOVED_FILTERS:
            del self.filters[name]
        self.filters |= {
            "indent": self._indent,
            "join": self._join,
            "replace": self._replace,
            "tojson": self._to_json,
        }
        self.filters = {name: self._checked(found) for name, found in self.filters.items()}
        self.filters |= {_LOOP: self._loop, _VALUE: self._value}
        del self.globals["lipsum"]
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda pattern: datetime.now().strftime(str(pattern)[:100])

    @property
    def meter(self) -> Meter:
        meter: Meter = self.running.meter
        return meter

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        text = getattr(value, "__self__", "")
        # A width of a billion is a format too.
        return None if isinstance(text, str) and _WIDE.search(text) else super().wrap_str_format(value)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in _REMOVED_METHODS and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            self.meter.repeat(left, right)
            self.meter.repeat(right, left)
        elif operator == "**" and not (isinstance(right, int | float) and abs(right) <= 64):
            raise StoppedError("a number in it grows too large")
        elif operator == "%" and isinstance(left, str):
            raise TemplateError("it formats text with %, which is not supported")
        return self._value(super().call_binop(context, operator, left, right))

    def call(self, context: Context, called: Any, *args: Any, **named: Any) -> Any:
        self.meter.step()
        text = getattr(called, "__self__", None)
        if isinstance(text, str) and called.__name__ == "replace":
            return self._replace(text, *args)
        if isinstance(text, str) and called.__name__ == "join":
            return self.meter.join(args[0] if args else (), text)
        return self._value(super().call(context, called, *args, **named))

    def _checked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # its attributes say what jinja has to pass
        def checked(*args: Any, **named: Any) -> Any:
            self.meter.step()
            return self._value(function(*args, **named))

        return checked

    def _value(self, value: Any) -> Any:
        return self.meter.check(value)

    def _loop(self, items: Iterable[Any]) -> Iterator[Any]:
        meter = self.meter
        for item in items:
            meter.step()
            yield item

    def _replace(self, text: Any, old: str, new: str, count: int = -1) -> str:
        self._value(text)
        text, old, new = str(text), str(old), str(new)
        times = text.count(old) if count < 0 else min(count, text.count(old))
        self.meter.limit(len(text) + times * max(0, len(new) - len(old)))
        changed: str = text.replace(old, new, times)
        return changed

    def _join(self, items: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
        if attribute is not None:
            items = [self.getitem(item, attribute) for item in items]
        return self.meter.join(items, str(d))

    def _indent(self, text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        margin = " " * min(width, MOST_INDENT) if isinstance(width, int) else str(width)
        lines = str(text).split("\n")
        self.meter.limit(len(text) + len(margin) * len(lines))
        kept = [
            margin + line if (number or first) and (line or blank) else line
            for number, line in enumerate(lines)
        ]
        return "\n".join(kept)

    def _to_json(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        """As Hugging Face writes it: without the escapes that HTML needs."""
        if indent is not None:
            indent = min(int(indent), MOST_INDENT)
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )


class _Generation(Extension):
    """`{% generation %}` marks the assistant's words for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _meter(node: nodes.Node) -> None:
    """Put loops, literals and concatenations through the meter."""
    for field in node.fields:
        value = getattr(node, field, None)
        if isinstance(value, nodes.Node):
            _meter(value)
            setattr(node, field, _metered(value))
        elif isinstance(value, list):
            for child in value:
                if isinstance(child, nodes.Node):
                    _meter(child)
            setattr(node, field, [_metered(c) if isinstance(c, nodes.Node) else c for c in value])
    if isinstance(node, nodes.For):
        node.iter = _filtered(node.iter, _LOOP)


def _metered(node: nodes.Node) -> nodes.Node:
    if isinstance(node, nodes.Tuple) and node.ctx != "load":
        return node
    if isinstance(node, nodes.List | nodes.Dict | nodes.Tuple):
        return _filtered(node, _VALUE)
    if isinstance(node, nodes.Concat):
        # Two at a time: what is between them is checked too.
        joined: nodes.Expr = node.nodes[0]
        for other in node.nodes[1:]:
            joined = _filtered(nodes.Concat([joined, other], lineno=node.lineno), _VALUE)
        return joined
    return node


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(
        node,
        name,
        [],
        [],
        None,
        None,
        lineno=node.lineno,
    )


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
