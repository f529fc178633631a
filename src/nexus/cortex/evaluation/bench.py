"""All sections of `nexus bench cortex`, and a run of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.evaluation import (
    bench_documents,
    bench_durability,
    bench_extractor,
    bench_locomo,
    bench_secrets,
    bench_service,
    bench_speed,
)
from nexus.cortex.evaluation.options import Measure, Options
from nexus.cortex.evaluation.report import OnProgress, Section

SECTIONS: dict[str, Measure] = {
    "locomo": bench_locomo.measure,
    "documents": bench_documents.measure,
    "speed": bench_speed.measure,
    "secrets": bench_secrets.measure,
    "extractor": bench_extractor.measure,
    "durability": bench_durability.measure,
    "service": bench_service.measure,
}


def run(
    options: Options,
    only: Sequence[str],
    on_progress: OnProgress,
    on_section: Callable[[Section], None] = lambda section: None,
) -> list[Section]:
    """Measure the sections named in `only`, or all; `on_section` is given each when it is done.

    Raises `InvalidInputError` for an unknown name, `NotFoundError` when there is no such data folder,
    and what a section raises that cannot run at all.
    """
    for name in only:
        if name not in SECTIONS:
            raise InvalidInputError(f"there is no section {name!r}", hint=f"one of {', '.join(SECTIONS)}")
    if not options.data.exists():
        raise NotFoundError(
            f"{options.data} is not there", hint="--data names the folder with the judged sets"
        )
    done = []
    for name, measure in SECTIONS.items():
        if not only or name in only:
            done.append(measure(options, on_progress))
            on_section(done[-1])
    return done
