"""Tool calls and their results as turns: a line for the call, of the result what may be looked for.

A coding session is nine tenths tool output, most of it copies of files that are found better in the
files. Knows the tools by name; unknown ones are treated like a shell. Invariant: what is cut out of a
result is named inside it; a result that is dropped altogether is for the caller to count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from nexus.cortex import secrets
from nexus.cortex.transcripts.transcript import clean, shortened

_CALL, _LOOKED_AT = 300, 20_000
# The argument that says what a call is about, the first that is there.
_TELLING = (
    "command", "cmd", "file_path", "pattern", "path", "notebook_path", "query", "url", "uri", "subject",
    "description", "prompt", "message", "plan", "explanation", "name", "skill", "task_id", "taskId", "text",
)  # fmt: skip
_TOO = {"pattern": ("path", "glob"), "subject": ("description",), "skill": ("args",)}
# Their results are copies of files, lists of names, or say no more than "done".
_QUIET = frozenset(
    "read read_file view_file view_image notebookread edit multiedit notebookedit write write_file "
    "write_to_file edit_file search_replace replace_file_content multi_replace_file_content apply_patch "
    "grep grep_search glob ls list_dir list_directory todowrite todoread taskcreate taskupdate taskget "
    "tasklist update_plan checklist_write manage_task toolsearch tool_search enterplanmode killshell "
    "list_mcp_resources list_mcp_resource_templates tool_search_tool_regex tool_search_tool_bm25 "
    "load_skill skill get_goal create_goal update_goal str_replace_editor codebase_search file_search".split()
)
# They hold what a person answered, so they are kept nearly whole.
_ANSWERS = frozenset("askuserquestion exitplanmode request_user_input ask_user".split())
_REPORTS = frozenset("task agent webfetch websearch web_search taskoutput agentoutputtool review".split())
# What this system gave to the agent must never be stored as said.
_OWN = re.compile(
    r"(?:mcp__)?nexus(?:os)?(?:__|\.|$)|(?:.*__)?(?:memory_(?:search|get|save|forget|status)|context_pack)$"
)
_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_REFUSED = re.compile(r"the user (?:said|provided the following reason[^:\n]*):\s*", re.IGNORECASE)
_EXEC_HEAD = re.compile(
    r"(?:Chunk ID|Exit code|Wall time|Process|Original token count|Total output lines)[^\n]*\n"
)


def call_line(name: str, arguments: object) -> str:
    """What a call is about, on one line of at most 300 characters or so; "" when it does not say."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return line_of(_patched(str(arguments)) or str(arguments))
    if not isinstance(arguments, Mapping):
        return ""
    if name.lower() in _ANSWERS:
        return _question(arguments)
    for key in _TELLING:
        value = arguments.get(key)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = value[-1] if key == "command" and value[0].endswith("sh") else " ".join(value)
        if isinstance(value, str) and value.strip():
            more = [arguments.get(other) for other in _TOO.get(key, ())]
            words = [value, *(part for part in more if isinstance(part, str) and part.strip())]
            return line_of(_patched(value) or " ".join(words))
    tasks = arguments.get("todos", arguments.get("plan"))
    if isinstance(tasks, list):
        return line_of("; ".join(_task(task) for task in tasks if isinstance(task, Mapping)))
    patch = arguments.get("input") or arguments.get("patch")
    if isinstance(patch, str):
        return line_of(_patched(patch) or patch)
    return ""


def result_text(name: str, text: str, *, failed: bool = False) -> str:
    """The part of a result that is kept; "" for one that is left out."""
    low = name.lower()
    if _OWN.match(low):
        return ""
    text = clean(text)
    if low in _ANSWERS:
        return shortened(text, 3000, 1000)
    if failed:
        return shortened(text, 300, 300)
    if low in _QUIET:
        return ""
    if low in _REPORTS:
        return shortened(text, 2500, 1000)
    return shortened(_without_head(text), 120, 240)


def refusal(text: str) -> str:
    """What a person said instead of allowing a tool; "" for any other result."""
    match = _REFUSED.search(text[:1000])
    return clean(text[match.end() :]) if match else ""


def flat(content: object) -> str:
    """The text of message content: a string, or a list of parts of which those with text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        inner = content.get("text", content.get("content", content.get("output", "")))
        return inner if isinstance(inner, str) else ""
    if isinstance(content, list):
        return "\n".join(part for part in (flat(item) for item in content) if part)
    return ""


def _question(arguments: Mapping[str, object]) -> str:
    """The questions put to the person with their options, or the plan laid before them, kept whole."""
    plan = arguments.get("plan")
    if isinstance(plan, str):
        return clean(plan)
    questions = arguments.get("questions")
    lines: list[str] = []
    for item in questions if isinstance(questions, list) else []:
        if not isinstance(item, Mapping):
            continue
        options = item.get("options")
        labels = [
            str(option.get("label", ""))
            for option in (options if isinstance(options, list) else [])
            if isinstance(option, Mapping)
        ]
        lines.append(
            f"{item.get('question', '')} ({' / '.join(labels)})" if labels else str(item.get("question", ""))
        )
    return clean("\n".join(lines))


def _task(task: Mapping[str, object]) -> str:
    words = task.get("content", task.get("step", task.get("subject", "")))
    return f"{words} ({task.get('status', 'open')})"


def _patched(text: str) -> str:
    return ", ".join(_PATCHED.findall(text[:200_000])) if "*** " in text else ""


def line_of(text: str) -> str:
    """`text` on one line of at most 300 characters, without its credentials where it is cut."""
    text = clean(text[:_LOOKED_AT])
    if len(text) > _CALL:
        text = secrets.blacked_out(text)
    words = " ".join(text.split())
    return words if len(words) <= _CALL else words[: _CALL - 1].rstrip() + "…"


def _without_head(text: str) -> str:
    """Codex puts the figures of the process above its output."""
    position = 0
    while match := _EXEC_HEAD.match(text, position):
        position = match.end()
    return text[position:].removeprefix("Output:\n") if position else text
