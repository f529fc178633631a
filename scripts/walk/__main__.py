"""`python3 -m scripts.walk`: README and every guide, typed line by line in a clean clone with an empty home.

    python3 -m scripts.walk                          all pages, in the order in which README names them
    python3 -m scripts.walk README.md memory.md      some of them
    python3 -m scripts.walk --models FOLDER          take the models from there instead of fetching 1.18 GB
    python3 -m scripts.walk --at FOLDER memory.md    keep clone and models there for the next walk
    python3 -m scripts.walk --long                   what takes longer than a few minutes, too

What a page shows has to come (`scripts/walk/compare.py` says what may differ), with the exit status 0 unless
the page says otherwise. What cannot be typed here is listed at the end with its reason. Ends with 0 when all
is well, 1 after a stumble.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from scripts.walk.compare import malformed, missing, seen
from scripts.walk.newcomer import ROOT, Newcomer
from scripts.walk.page import Block, Command, blocks
from scripts.walk.shell import Ran, StuckError

_SECONDS = 900
_LONG_SECONDS = 3600
_REPEAT_SECONDS = 120
_MODEL_WRITES = re.compile(r"(?:\S*/)?nexus (?:ask|chat)\b")
_ID = re.compile(r"MEM-\d{4}-\d\d-\d\d-\d{3}-[0-9a-f]{8}|NEW-[0-9a-f]{10}\b")


class Walk:
    """One walk: what was typed, what was left out and why, where it stumbled."""

    def __init__(self, newcomer: Newcomer, long: bool, verbose: bool) -> None:
        self.newcomer, self._long, self._verbose = newcomer, long, verbose
        self.typed = 0
        self.left_out: list[str] = []
        self.stumbles: list[str] = []
        self._ids: dict[str, str] = {}
        self._came: list[str] = []

    def page(self, path: Path, name: str) -> None:
        """One page, in a home of its own. Those that do not begin with `make up` are read after it."""
        todo = blocks(path, name)
        print(f"{name}: {sum(len(block.commands) for block in todo)} commands", flush=True)
        self._ids, self._came = {}, []
        self.newcomer.arrive(path.stem)
        try:
            if not any(
                command.text.startswith("make up") for block in todo[:1] for command in block.commands
            ):
                self._prepare("make up", name)
            self._prepare("source .venv/bin/activate", name)
            for block in todo:
                self._block(block)
        except StuckError as error:
            self.stumbles.append(f"{name}: {error}")
        finally:
            self.newcomer.leave()

    def _block(self, block: Block) -> None:
        todo = [command for command in block.commands if not self._reason(command)]
        for command in block.commands:
            if reason := self._reason(command):
                self.left_out.append(f"{command.place}: {command.text.splitlines()[0]}  ({reason})")
        if todo:
            for line in block.given:
                self._prepare(line, block.place)
        for command in todo:
            self._type(command)

    def _reason(self, command: Command) -> str:
        """Why it is not typed; empty when it is."""
        return (command.needs and f"needs {command.needs}") or ("" if self._long else command.long)

    def _prepare(self, line: str, place: str) -> None:
        """What the page takes for granted."""
        ran = self.newcomer.run(line, _SECONDS)
        self._came.append(ran.output)
        if ran.status and not line.startswith("source "):
            self.stumbles.append(
                f"{place}: given {line}\n    ended with {ran.status}:\n{_indented(ran.output)}"
            )

    def _type(self, command: Command) -> None:
        text = _ID.sub(lambda match: self._id(match[0]), command.text)
        until = time.monotonic() + (_REPEAT_SECONDS if command.repeated else 0)
        while True:
            ran = self.newcomer.run(
                text, _LONG_SECONDS if command.long else _SECONDS, command.answer, command.endless
            )
            wrong = self._wrong(command, ran)
            if not wrong or time.monotonic() >= until:
                break
            time.sleep(1)
        self.typed += 1
        self._came.append(ran.output)
        if self._verbose:
            print(f"  {command.place} $ {text}  [{ran.seconds:.1f} s]\n{_indented(ran.output)}", flush=True)
        if wrong:
            lines = "".join(f"    {reason}\n" for reason in wrong)
            self.stumbles.append(f"{command.place}: $ {text}\n{lines}{_indented(ran.output)}")
            print(f"  stumbled at {command.place}", flush=True)
        for shown, came in zip(_ID.findall("\n".join(command.shown)), _ID.findall(ran.output), strict=False):
            self._ids.setdefault(shown, came)

    def _wrong(self, command: Command, ran: Ran) -> list[str]:
        """Where what came is not what the page says."""
        wrong = []
        if ran.status != command.status and not (command.endless and ran.status == 130):
            wrong.append(f"ended with {ran.status}, not {command.status}")
        if "Traceback (most recent call last)" in ran.output:
            wrong.append("a traceback")
        if command.shown and _MODEL_WRITES.match(command.text):
            wrong.append(malformed(command.shown, ran.output, self.newcomer.places))
        else:
            wrong += [
                f"did not come: {line}" for line in missing(command.shown, ran.output, self.newcomer.places)
            ]
        return [reason for reason in wrong if reason]

    def _id(self, shown: str) -> str:
        """The id of this walk for one that the page shows: the newest of its kind that is free."""
        if shown not in self._ids:
            known = [found for found in _ID.findall("\n".join(self._came)) if found[:3] == shown[:3]]
            known = [found for found in known if found not in self._ids.values()]
            if not known:
                return shown
            self._ids[shown] = known[-1]
        return self._ids[shown]


def pages(named: list[str]) -> list[tuple[Path, str]]:
    """(file, name) of the pages to walk: README, the guides as README lists them, those that it does not."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    guides = sorted((ROOT / "docs" / "guides").glob("*.md"))
    order = re.findall(r"\(docs/guides/([\w-]+)\.md\)", readme.partition("## More")[2])
    guides.sort(key=lambda path: order.index(path.stem) if path.stem in order else len(order))
    everything = [(path, str(path.relative_to(ROOT))) for path in (ROOT / "README.md", *guides)]
    if not named:
        return everything
    chosen = [(path, name) for path, name in everything if {name, path.name, path.stem} & set(named)]
    if len(chosen) < len(set(named)):
        sys.exit(f"no such page among README.md and docs/guides: {', '.join(named)}")
    return chosen


def _indented(text: str) -> str:
    return "".join(f"        {line}\n" for line in seen(text) if line)


def main() -> int:
    """Walk; the exit status."""
    parser = argparse.ArgumentParser(prog="walk", description="type what the guides say, in a clean clone")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="README.md or a guide; all without")
    parser.add_argument("--models", default="", metavar="FOLDERS", help="with weights of the default models")
    parser.add_argument("--model", default="", metavar="NAME", help="answers, in place of the default one")
    parser.add_argument("--at", type=Path, metavar="FOLDER", help="where clone and models stay")
    parser.add_argument("--long", action="store_true", help="what takes longer than a few minutes, too")
    parser.add_argument("--verbose", action="store_true", help="show what comes")
    options = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing of the walk is left
    with tempfile.TemporaryDirectory(prefix="walk-") as temporary:
        newcomer = Newcomer((options.at or Path(temporary)).resolve(), options.models, options.model)
        walk = Walk(newcomer, options.long, options.verbose)
        print(f"walk: a clone of {newcomer.clone_it()}", flush=True)
        for path, name in pages(options.pages):
            walk.page(path, name)
    for reason in walk.left_out:
        print(f"left out  {reason}")
    for stumble in walk.stumbles:
        print(f"stumble   {stumble}")
    seconds = time.monotonic() - began
    print(
        f"walk: {walk.typed} commands typed, {len(walk.left_out)} left out, {len(walk.stumbles)} stumbles,"
        f" {seconds:.0f} s"
    )
    return 1 if walk.stumbles else 0


if __name__ == "__main__":
    sys.exit(main())
