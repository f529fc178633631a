"""Texts and JSON of a request that can be sent on: whole characters, real numbers, no endless nesting.

Knows no interface. Invariant: what passes can be written as UTF-8 JSON and read by any other program.
"""

from __future__ import annotations

import json
from typing import Any

from nexus.core.errors import InvalidInputError


def sound(text: str, where: str) -> str:
    """The text itself. Raises `InvalidInputError` for half a character, which has no bytes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{where} is not valid unicode at character {error.start}", hint="send whole characters"
        ) from None
    return text


def sound_json(value: Any, where: str) -> str:
    """The value as JSON text. Raises `InvalidInputError` for what JSON has no words for."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise InvalidInputError(f"{where} holds a number that is none", hint="leave it out") from None
    except RecursionError:
        raise InvalidInputError(f"{where} is nested too deeply", hint="make it simpler") from None
    return sound(text, where)
