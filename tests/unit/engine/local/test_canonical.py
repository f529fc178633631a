"""Sessions of known clients begin alike; nothing that the model needs is gone, nobody else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.engine.local.canonical import CLIENTS, RULES, canonical

RULES_OF_WORK = "Read before you write. " * 40
LAST = "# Style\nBe brief."


def session(number: int, *, parts: bool) -> list[dict[str, Any]]:
    """A session as Claude Code begins it: only what differs between sessions depends on `number`."""
    billing = f"x-anthropic-billing-header: cc_version=2.1.{number}.abc; cc_entrypoint=cli; cch=0{number}f;"
    env = (
        "Here is useful information about the environment you are running in:\n<env>\n"
        f"Working directory: /src/{number}\nIs directory a git repo: Yes\n"
        f"Platform: linux\nToday's date: 2026-11-{number:02}\n</env>"
    )
    git = (
        "gitStatus: This is the git status at the start of the conversation.\n"
        f"Current branch: b{number}\n\nMain branch (you will usually use this for PRs): main\n\n"
        f"Status:\n M file{number}.py\n\nRecent commits:\nabc{number} one\ndef two"
    )
    text = f"You are Claude Code, made to help.\n{RULES_OF_WORK}\n\n{env}\n\n{git}\n\n{LAST}"
    asked = f"Do the thing number {number}."
    if not parts:
        return [
            {"role": "system", "content": f"{billing}\n{text}"},
            {"role": "user", "content": asked},
        ]
    return [
        {"role": "system", "content": [{"type": "text", "text": billing}, {"type": "text", "text": text}]},
        {"role": "user", "content": [{"type": "text", "text": asked}]},
    ]


def said(message: Any) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@pytest.mark.parametrize("parts", [False, True])
def test_two_sessions_have_the_same_words_of_the_system(parts: bool) -> None:
    first, second = (canonical(session(number, parts=parts)) for number in (1, 2))
    assert first[0] == second[0]
    assert said(first[0]) == f"You are Claude Code, made to help.\n{RULES_OF_WORK}\n\n{LAST}"
    assert said(session(1, parts=parts)[0])[:60] != said(session(2, parts=parts)[0])[:60]


def newer_session(project: str) -> list[dict[str, Any]]:
    """How versions from 2.1 on begin; the names of project and folder differ."""
    text = (
        f"You are Claude Code, made to help.\n{RULES_OF_WORK}\n\n# Memory\n\n"
        f"You have a persistent file-based memory at `/notes/{project}/memory/`. It exists already.\n\n"
        f"# Environment\nYou have been invoked here:\n - Primary working directory: /src/{project}\n"
        f" - Platform: linux\n\n{LAST}"
    )
    return [{"role": "system", "content": text}, {"role": "user", "content": "Go on."}]


def test_two_projects_of_a_newer_version_begin_alike() -> None:
    first, second = canonical(newer_session("one")), canonical(newer_session("two"))
    assert first[0] == second[0]
    assert said(first[0]).endswith(f"# Memory\n\nIt exists already.\n\n{LAST}")
    for words in ("memory at `/notes/one/memory/`.", "directory: /src/one", "Platform: linux"):
        assert said(first[1]).count(words) == 1
    assert said(first[1]).endswith("\n\nGo on.")


@pytest.mark.parametrize("parts", [False, True])
def test_what_the_model_needs_stands_before_the_users_first_words(parts: bool) -> None:
    user = said(canonical(session(7, parts=parts))[1])
    for words in ("Working directory: /src/7", "2026-11-07", "Current branch: b7", "M file7.py", "def two"):
        assert user.count(words) == 1
    assert user.endswith("\n\nDo the thing number 7.")
    everything = "".join(map(said, canonical(session(7, parts=parts))))
    assert "billing" not in everything
    assert "cch=" not in everything


def test_the_next_turn_of_a_session_begins_with_the_one_before() -> None:
    turn = session(3, parts=False)
    later = [*turn, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "More."}]
    assert canonical(later)[:2] == canonical(turn)
    assert canonical(later)[2:] == later[2:]


def test_a_message_that_was_nothing_but_billing_is_gone() -> None:
    messages = [
        {"role": "system", "content": "x-anthropic-billing-header: cc_version=1;"},
        {"role": "system", "content": "You are Claude Code."},
        {"role": "user", "content": "hi"},
    ]
    assert canonical(messages) == messages[1:]


def test_without_words_of_a_user_what_was_moved_stays_with_the_system() -> None:
    only = canonical(session(1, parts=False)[:1])
    assert [message["role"] for message in only] == ["system", "system"]
    assert "Working directory: /src/1" in said(only[1])


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": "x-anthropic-billing-header: cch=1;\n<env>\nx\n</env>"}],
        [{"role": "system", "content": "I say: x-anthropic-billing-header: cch=1;\n<env>\na\n</env>\n"}],
        [{"role": "system", "content": [{"type": "text", "text": "gitStatus: clean"}]}],
        [{"role": "system", "content": None}, {"role": "user", "content": "You are Claude Code"}],
    ],
)
def test_who_is_not_known_is_left_alone(messages: list[dict[str, Any]]) -> None:
    assert canonical(messages) == messages


def test_every_rule_belongs_to_a_client_and_says_why() -> None:
    assert {rule.client for rule in RULES} == set(CLIENTS)
    assert all(len(rule.why) > 20 for rule in RULES)
