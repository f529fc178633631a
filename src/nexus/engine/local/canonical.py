"""Prompts of known clients, changed so that sessions begin alike.

An answer needs no time for the beginning that its prompt shares with one before, however long that is.
Some clients write what changes from session to session first. Knows what these clients write, not
templates or tokens. Invariant: nothing that tells the model something is left out, and the prompt of a
client that is not known is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with a `part` of the system's words that `client` writes.

    `drop` leaves it out. `move` puts it before the first words of the user: tools are written behind the
    system's words, and would differ with them; the user's words differ anyway, but stay where they are
    from turn to turn.
    """

    client: str
    part: re.Pattern[str]
    action: Literal["drop", "move"]
    why: str


# How the first system text of a client begins, after what the rules take away.
CLIENTS = {
    "claude-code": re.compile(
        r"x-anthropic-billing-header:|You are Claude Code\b|You are a Claude agent, built on Anthropic's"
    ),
}
RULES = (
    Rule(
        "claude-code",
        re.compile(r"\Ax-anthropic-billing-header:[^\n]*\n*"),
        "drop",
        "The client's version and a checksum for its maker's accounts, new with every session or request;"
        " it stands first, so that nothing after it would ever be found again.",
    ),
    Rule(
        "claude-code",
        re.compile(
            r"(?:^Here is useful information about the environment[^\n]*\n)?^<env>\n.*?^</env>\n*",
            re.M | re.S,
        ),
        "move",
        "Folder, platform and date, which the model needs.",
    ),
    Rule(
        "claude-code",
        re.compile(r"^# Environment\n.*?(?=^# |\Z)", re.M | re.S),
        "move",
        "The same as newer versions write it, with the model's name and what else its maker sells.",
    ),
    Rule(
        "claude-code",
        re.compile(r"^You have a persistent file-based memory at `[^`\n]+`\. ?", re.M),
        "move",
        "The folder of the project's notes, named early in the text.",
    ),
    Rule(
        "claude-code",
        re.compile(
            r"^gitStatus: .*?(?=\n\n(?!Current branch:|Main branch|Status:|Recent commits:|Git user:)|\Z)\n*",
            re.M | re.S,
        ),
        "move",
        "The state of the repository when the session began, which the model needs.",
    ),
)


def canonical(messages: Sequence[Message]) -> list[Message]:
    """The messages of the chat API, `content` as text or as a list of parts, in the same form."""
    leading = 0
    while leading < len(messages) and messages[leading].get("role") in ("system", "developer"):
        leading += 1
    first = next((text for message in messages[:leading] for text in _texts(message)), "")
    rules = [rule for rule in RULES if CLIENTS[rule.client].match(first)]
    if not rules:
        return list(messages)
    moved: list[str] = []
    changed = [_changed(message, rules, moved) for message in messages[:leading]]
    kept = [message for message in changed if any(_texts(message))]
    return kept + _with_moved(messages[leading:], moved)


def _texts(message: Message) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]


def _changed(message: Message, rules: Sequence[Rule], moved: list[str]) -> Message:
    """The message after the rules; what they take out to be moved goes into `moved`."""

    def apply(text: str) -> str:
        for rule in rules:

            def take(found: re.Match[str], rule: Rule = rule) -> str:
                if rule.action == "move":
                    moved.append(found.group().strip("\n"))
                return ""

            text = rule.part.sub(take, text)
        return text

    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": apply(content)}
    if not isinstance(content, list):
        return message
    parts = []
    for part in content:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            text = apply(part["text"])
            if not text:
                continue
            part = {**part, "text": text}
        parts.append(part)
    return {**message, "content": parts}


def _with_moved(messages: Sequence[Message], moved: Sequence[str]) -> list[Message]:
    if not moved:
        return list(messages)
    text = "\n\n".join(moved)
    out = list(messages)
    for place, message in enumerate(out):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, list):
            out[place] = {**message, "content": [{"type": "text", "text": f"{text}\n\n"}, *content]}
        else:
            out[place] = {**message, "content": f"{text}\n\n{content or ''}"}
        return out
    # Without words of the user they stay the system's, but last.
    return [{"role": "system", "content": text}, *out]
