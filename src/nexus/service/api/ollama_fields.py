"""What every part of a request to Ollama's interface has in common.

Knows no endpoint. Invariant: a field that is not known here is accepted, counted and has no effect; all
that was sent can be written as JSON again, in whole characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import model_validator

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.service.api import fields

_DEEPEST = 100
_LATEST = ":latest"


class Fields(fields.Body):
    """The one base of all bodies and their parts; what they do not know is accepted and counted."""


class Body(Fields):
    """A whole request. Raises `InvalidInputError` for one that could not be written as JSON again."""

    @model_validator(mode="before")
    @classmethod
    def _is_json(cls, value: Any) -> Any:
        checked_json(value, "the body")
        return value


def plain_name(model: str) -> str:
    """The name of a model without the tag that clients add."""
    return model.removesuffix(_LATEST)


def tagged(model: str) -> str:
    """The name of a model as this interface lists it: with a tag."""
    return model if ":" in model else model + _LATEST


def not_found(name: str, known: Iterable[str]) -> NotFoundError:
    """The error that clients of Ollama expect for a model that is not there."""
    return NotFoundError(f"model {name!r} not found", hint=f"there are {', '.join(known)}")


def checked_json(value: Any, where: str) -> str:
    """`value` as JSON. Raises `InvalidInputError` for half characters, NaN, or nesting beyond reason."""
    _check_depth(value, where)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{where} is not valid unicode: {error.reason}", hint="send whole characters"
        ) from None
    except ValueError as error:
        raise InvalidInputError(f"{where}: {error}", hint="send plain JSON") from None
    return text


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise InvalidInputError(f"{where} is nested deeper than {_DEEPEST} levels", hint="flatten it")
