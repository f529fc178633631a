"""Whose session a request belongs to, by what its program says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Scope

from nexus.service.asker import is_background, note_session, project_of, session_of


def scope(**headers: str) -> Scope:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": named}


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({"metadata": {"user_id": "user_9f_account__session_1c-2d"}}, "1c-2d"),
        ({"metadata": {"user_id": '{"device_id": "d", "session_id": "s7"}'}}, "s7"),
        ({"metadata": {"user_id": "{broken"}}, ""),
        ({"metadata": {"user_id": '{"session_id": ["odd"]}'}}, "['odd']"),
        ({"metadata": {"user_id": 7}, "user": "Ada"}, "Ada"),
        ({"prompt_cache_key": "codex-1"}, "codex-1"),
        ({"user": {"odd": 1}}, ""),
        ({}, ""),
    ],
)
def test_the_session_is_taken_from_where_programs_say_it(fields: dict[str, Any], session: str) -> None:
    request = scope()
    note_session(request, fields)
    assert session_of(request) == session


def test_a_header_goes_first_and_a_name_is_short_and_printable() -> None:
    request = scope(nexus_session="a\tb" + "x" * 100)
    note_session(request, {"user": "other"})
    assert session_of(request) == "ab" + "x" * 58
    assert session_of(scope()) == ""


def test_a_project_is_an_absolute_folder_or_none() -> None:
    assert project_of(scope(nexus_project="/srv/caf%C3%A9")) == "/srv/café"
    assert project_of(scope(nexus_project="srv")) == ""
    assert project_of(scope(nexus_project="/srv/%0A")) == ""
    assert project_of(scope()) == ""


def test_what_the_teacher_is_asked_is_nobodys() -> None:
    assert is_background(scope(x_nexus_background="1"))
    assert not is_background(scope())
