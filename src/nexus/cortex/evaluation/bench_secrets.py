"""Section `secrets`: whether the gate finds credentials, leaves the rest alone, and keeps up.

Own shapes are what our rules were written for. Published ones are drawn from the patterns of a list of
rules in gitleaks' format that the caller has; its odd rules by name were developed on, its even ones
were held out. Knows no real credential: all are drawn at random.
"""

from __future__ import annotations

import platform
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.cortex import secrets
from nexus.cortex.evaluation.credentials import HIGH, LOW, Maker
from nexus.cortex.evaluation.measures import interval
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.published_shapes import rules, samples
from nexus.cortex.evaluation.report import OnProgress, Row, Section

DRAWS = 20
_MOST_BYTES = 40_000_000
_SKIPPED = frozenset({"test", "tests", "site-packages", "__pycache__"})


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it. Raises `InvalidInputError` for a list of rules that cannot be read."""
    section = Section("secrets", "Secrets: recall in percent, false hits, speed")
    on_progress("drawing credentials", 0, 0)
    section.rows += [Row("kinds", len(secrets.KINDS), goal=100.0), _own()]
    lists = published(options.data)
    if not lists:
        section.missing.append("a published list of rules: *.toml in gitleaks' format, with [[rules]]")
    for path, found in lists.items():
        section.data.append(options.named(path))
        section.rows += [
            _drawn("published shapes, held out (even rules)", found[1::2], 99.0),
            _drawn("published shapes, developed on (odd rules)", found[0::2], None),
        ]
    library = Path(sysconfig.get_path("stdlib"))
    for what, folder in (
        ("the given data", options.data),
        (f"the library of Python {platform.python_version()}", library),
    ):
        on_progress(f"reading {what}", 0, 0)
        section.rows += _texts(what, folder)
        section.data.append(f"{what}: UTF-8 text, up to {_MOST_BYTES // 1_000_000} MB")
    section.notes += [
        "a hit in a text counts as false, whatever it is: real credentials in it make the figure worse",
        f"{DRAWS} draws of each shape; a published sample counts as found when four fifths of its value are"
        " taken out",
    ]
    return section


def published(data: Path) -> dict[Path, list[dict[str, Any]]]:
    """The lists of rules below a folder, each by name. Raises `InvalidInputError` for a damaged one."""
    found = {}
    for path in sorted(data.rglob("*.toml")) if data.is_dir() else ():
        try:
            if "[[rules]]" in path.read_text(encoding="utf-8"):
                found[path] = rules(path)
        except (ValueError, KeyError, OSError) as error:
            raise InvalidInputError(f"{path} cannot be read as a list of rules: {error}") from error
    return found


def covered(text: str, value: str) -> bool:
    """Whether findings take out four fifths of `value`; of a URL or command line, any of it."""
    start = text.find(value)
    for finding in secrets.find(text):
        inside = min(finding.end, start + len(value)) - max(finding.start, start)
        if inside >= 0.8 * len(value) or (inside > 0 and ("://" in value or "curl" in text)):
            return True
    return False


def _own() -> Row:
    hits, missed = [], Counter[str]()
    for kind, make in {**HIGH, **LOW}.items():
        for seed in range(DRAWS):
            hit = any(found.kind == kind for found in secrets.find(f"see {make(Maker(seed))}\n"))
            hits.append(float(hit))
            missed[kind] += not hit
    note = f"{len(HIGH) + len(LOW)} shapes{_named(missed)}"
    return Row.of("own shapes, found as their kind", interval(hits), 100, unit="%", goal=99.0, note=note)


def _drawn(what: str, chosen: Sequence[dict[str, Any]], goal: float | None) -> Row:
    hits, missed, empty = [], Counter[str](), 0
    for rule in chosen:
        drawn = samples(rule, DRAWS)
        empty += not drawn
        for sample in drawn:
            hit = covered(sample.text, sample.value)
            hits.append(float(hit))
            missed[str(rule["id"])] += not hit
    if not hits:
        return Row(what, None, "%", goal=goal, note="no rule could be drawn from")
    note = f"{len(chosen) - empty} rules, {empty} cannot be drawn from{_named(missed)}"
    return Row.of(what, interval(hits), 100, unit="%", goal=goal, note=note)


def _named(missed: Counter[str]) -> str:
    """The worst of what was missed."""
    worst = [f"{name} {count}" for name, count in missed.most_common(4) if count]
    return f"; missed: {', '.join(worst)}" if worst else ""


def _texts(what: str, folder: Path) -> Iterable[Row]:
    size, spent, kinds = 0, 0.0, Counter[str]()
    for text in _read(folder):
        begun = time.process_time()
        found = secrets.find(text)
        spent += time.process_time() - begun
        size += len(text.encode())
        kinds.update(finding.kind for finding in found)
    megabytes = size / 1e6
    if not megabytes:
        yield Row(f"false hits in {what}", None, "per MB", goal=1.0, most=True, note="no text there")
        return
    note = f"{kinds.total()} in {megabytes:.1f} MB{_named(kinds).replace('missed', 'most')}"
    yield Row(f"false hits in {what}", kinds.total() / megabytes, "per MB", goal=1.0, most=True, note=note)
    yield Row(f"speed on {what}, CPU", megabytes / max(spent, 1e-9), "MB/s", goal=2.0)


def _read(folder: Path) -> Iterator[str]:
    size = 0
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if size > _MOST_BYTES or not _SKIPPED.isdisjoint(parts) or not path.is_file() or path.is_symlink():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue  # no text, or not ours to read: the gate is shown what Cortex would be shown
        size += len(text.encode())
        yield text
