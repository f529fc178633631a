"""Made speech of a developer, an assistant and a shell about real files: varied, and different for every
seed.

The texts are our own. They are made to be unlike each other, not to compress like real talk: figures
taken with them say how the store works, not what it saves for you. Pure functions of the random source.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_ASKED = (
    "{Verb} {name} in {file}; {reason}.",
    "Why does {name} {fails} when {case}? I saw it {when}, and again with {number} {things}.",
    "Please {verb} {file}, but keep {name} as it is: {reason}.",
    "The {part} is slower than {when}: {number} ms for {number} {things}. Look at {name} first.",
    "Can we {verb} {name} without touching {file}? {Reason}.",
    "I changed {file} {when}. Check that {name} still {works} when {case}.",
    "What happens to {things} if {case}? {name} seems to {fails}, at least with {number} of them.",
    "Write a test for {name}: {case}, then {number} {things}, and nothing may {fails}.",
)
_SAID = (
    "I looked at {name} in {file}.",
    "It may {fails} when {case}, because {reason}.",
    "The {part} {works} with {number} {things}, and with {number} it does not.",
    "So the safest is to {verb} {name} and leave the {part} alone.",
    "{Reason}; that is why line {number} of {file} comes first.",
    "Before I {verb} anything I want to see how {name} is used.",
    "There are {number} callers, and {number} of them pass {things} that were {done} {when}.",
    "What makes it {fails} is about {things}, not about the {part}.",
    "I have {done} {name}: it now {works} even when {case}.",
    "Nothing else in {file} depends on it, as far as I can see from {number} {things}.",
    "Two ways are open: {verb} the {part}, or {verb} {name} itself.",
    "I would take the second, since {reason}.",
    "What I do not know yet is whether {things} can be {done} while {case}.",
    "With {number} {things} it takes {number} ms, {number} of them in {name}.",
    "That was {done} {when}, before the {part} had a lock of its own.",
    "If {case}, then {name} has to {verb} what it holds; otherwise it may {fails}.",
)  # fmt: skip
_SLOTS: dict[str, tuple[str, ...]] = {
    "verb": ("rename", "split", "simplify", "measure", "move", "rewrite", "check", "document", "guard",
             "cache", "bound", "test", "trace", "undo", "merge", "narrow", "replay", "seal"),
    "reason": ("it has to stay bounded", "two of us read it differently", "the log grows without it",
               "a reader must never wait", "the order of both matters", "it is called from a worker thread",
               "nobody remembers why it was there", "the message names the wrong value",
               "a full disk must not lose it", "it is cheaper than asking twice",
               "callers rely on the old name", "the second run sees what the first one left"),
    "fails": ("return nothing", "wait for ever", "count one too many", "raise the wrong error",
              "lose the last line", "read a stale copy", "hold the lock too long", "stop half way",
              "answer twice", "skip the empty ones"),
    "case": ("the file is empty", "the disk is full", "two agents ask at once", "the service restarts",
             "a name has spaces", "nothing was found", "the process is killed", "the clock goes back",
             "there is no network", "the folder is gone", "the input is very long",
             "somebody changes it meanwhile"),
    "when": ("yesterday", "this morning", "after the last merge", "on the small machine",
             "in the nightly run", "before lunch", "while it was indexing", "on a cold start",
             "with two cores", "last week"),
    "things": ("chunks", "sessions", "vectors", "units", "requests", "files", "memories", "pages", "tokens",
               "connections", "segments", "proposals", "messages", "records"),
    "part": ("parser", "scheduler", "index", "broker", "cache", "watcher", "reader", "ledger", "queue",
             "template", "guard", "journal", "codec", "listing"),
    "works": ("answers", "finishes", "keeps its order", "gives back what it took", "stays below its limit",
              "finds all of them", "ends cleanly", "says why"),
    "done": ("renamed", "counted", "dropped", "written twice", "checked", "moved", "opened again",
             "measured"),
}  # fmt: skip


class Subject:
    """What is talked about: names and files that exist."""

    def __init__(self, files: Sequence[str], names: Sequence[str]) -> None:
        self._slots = _SLOTS | {"file": tuple(files), "name": tuple(names)}

    def sentence(self, random: Random, templates: Sequence[str]) -> str:
        """One template, filled."""
        words: list[str] = []
        for piece in random.choice(templates).split("{"):
            slot, brace, rest = piece.partition("}")
            if not brace:
                words.append(piece)
                continue
            if slot == "number":
                filled = str(random.randrange(2, 4000))
            elif slot[0].isupper():
                filled = random.choice(self._slots[slot.lower()]).capitalize()
            else:
                filled = random.choice(self._slots[slot])
            words += (filled, rest)
        return "".join(words)

    def question(self, random: Random) -> str:
        """What a user asks."""
        return " ".join(self.sentence(random, _ASKED) for _ in range(random.randrange(1, 4)))

    def answer(self, random: Random) -> str:
        """What an assistant says, in one to four paragraphs."""
        return "\n\n".join(
            " ".join(self.sentence(random, _SAID) for _ in range(random.randrange(2, 7)))
            for _ in range(random.randrange(1, 5))
        )

    def tests(self, random: Random) -> str:
        """What a test run prints."""
        names, lines = self._slots["name"], []
        for _ in range(random.randrange(8, 60)):
            failed = random.random() < 0.06
            lines.append(
                f"tests/unit/test_{random.choice(names).lower()}.py::test_{random.choice(names).lower()}_"
                f"{random.randrange(1, 40)} {'FAILED' if failed else 'PASSED'} [{random.random() * 9:.3f} s]"
            )
            if failed:
                lines.append(f"E   assert {random.randrange(9999)} == {random.randrange(9999)}")
                lines.append(f"E   {self.sentence(random, _SAID)}")
        return "\n".join(lines)

    def change(self, random: Random, lines: Sequence[str]) -> str:
        """An edit of some lines of a file, as a diff."""
        at = random.randrange(max(1, len(lines) - 12))
        names = self._slots["name"]
        out = [f"@@ -{at + 1},{len(lines[at : at + 12])} @@ {random.choice(names)}"]
        for line in lines[at : at + 12]:
            if random.random() < 0.25 and line.strip():
                out += (f"-{line}", f"+{line}  # {self.sentence(random, _SAID)}")
            else:
                out.append(f" {line}")
        return "\n".join(out)
