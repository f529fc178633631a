"""`nexus engine bench`: all sections, each model in turn, as one object of results.

Knows the sections' names and order. A section that cannot run for one model says why in its place.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, NexusError
from nexus.engine.evaluation import (
    bench_context,
    bench_prefixes,
    bench_quality,
    bench_speed,
    bitnet_shape,
)
from nexus.engine.evaluation.figures import Report, load

SECTIONS: dict[str, Callable[..., Any]] = {
    "kernels": bench_speed.kernels,
    "speed": bench_speed.beside,
    "context": bench_context.measure,
    "perplexity": bench_quality.perplexity,
    "prefixes": bench_prefixes.measure,
    "needles": bench_quality.needles,
}
BITNET = "bitnet"  # the first three once more, on a file of that shape
SLOW = {"needles"}  # hours: only when named
_READING = ("context", "perplexity", "prefixes", "needles")
# A run that shows that everything works; its figures mean nothing.
_QUICK: dict[str, dict[str, Any]] = {
    "kernels": {"turns": 2},
    "speed": {"rounds": 1, "prompt": 128, "written": 8},
    "context": {"sizes": (16_384,), "ram": 128 << 20},
    "perplexity": {"length": 3072},
    "prefixes": {"tokens": 500, "agents": 2},
    "needles": {"lengths": (2560,), "seeds": 1, "depths": 4},
}


def run(
    models: Sequence[Path],
    only: Collection[str],
    report: Report,
    *,
    book: Path | None = None,
    quick: bool = False,
) -> dict[str, Any]:
    """Measure the sections named in `only`, or all but the slow ones. `book` is read to the models instead of
    Python's language reference. Raises `InvalidInputError` for a section that there is not."""
    known = {*SECTIONS, BITNET}
    for name in only:
        if name not in known:
            raise InvalidInputError(
                f"there is no section {name!r}", hint=f"one of {', '.join(sorted(known))}"
            )
    wanted = set(only) or known - SLOW
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load_before": load()},
        "models": {},
    }
    for model in models:
        sections = [name for name in SECTIONS if name in wanted]
        result["models"][model.name] = _sections(model, sections, report, book, quick)
    if BITNET in wanted:
        report("random weights of the shape of BitNet b1.58 2B-4T")
        with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
            size = {"layers": 2, "words": 4096} if quick else {}
            path = bitnet_shape.write(Path(folder) / "bitnet-2b-4t-shape.gguf", **size)
            parts = ["kernels", "speed", *(["context"] if "context" in wanted else [])]
            result[BITNET] = _sections(path, parts, report, book, quick)
    return result


def _sections(
    model: Path, names: Sequence[str], report: Report, book: Path | None, quick: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        report(f"{model.name}: {name}")
        options = dict(_QUICK[name]) if quick else {}
        if name in _READING:
            options["book"] = book
        begun = time.monotonic()
        try:
            found[name] = SECTIONS[name](model, report, **options)
        except (NexusError, RuntimeError) as error:
            found[name] = {"failed": f"{type(error).__name__}: {error}"}
            report(f"  failed: {error}")
        report(f"  took {time.monotonic() - begun:.0f} s")
    return found
