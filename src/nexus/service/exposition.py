"""Figures as Prometheus reads them: the text format, version 0.0.4.

Knows families and samples, not where figures come from. Invariants: base units, and names that say them
(`_seconds`, `_bytes`, `_total`); whatever stands in a label, each sample stays one line. The format is
that of prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, with the labels that tell it from its neighbours."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""  # of the family's name: a histogram has `_bucket` and `_count`


@dataclass(frozen=True, slots=True)
class Family:
    """What is measured. A counter only grows and ends in `_total`; a gauge goes up and down; the buckets of
    a histogram each hold those below it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name!r} is no name of a {self.kind}")

    def lines(self) -> Iterable[str]:
        """As text, without line ends."""
        yield f"# HELP {self.name} {self.help.translate({10: ' ', 92: '/'})}"
        yield f"# TYPE {self.name} {self.kind}"
        for sample in self.samples:
            labels = ",".join(f'{key}="{_label(value)}"' for key, value in sample.labels.items())
            yield (
                f"{self.name}{sample.suffix}{{{labels}}} {_number(sample.value)}"
                if labels
                else (f"{self.name}{sample.suffix} {_number(sample.value)}")
            )


def counter(name: str, about: str, value: float, **labels: str) -> Family:
    """A counter with one sample."""
    return Family(name, "counter", about, (Sample(value, labels),))


def gauge(name: str, about: str, value: float, **labels: str) -> Family:
    """A gauge with one sample."""
    return Family(name, "gauge", about, (Sample(value, labels),))


def by_label(
    kind: Literal["counter", "gauge"], name: str, about: str, label: str, values: Mapping[str, float]
) -> Family:
    """A family with one sample for each value of `label`."""
    return Family(name, kind, about, tuple(Sample(value, {label: key}) for key, value in values.items()))


def text(families: Iterable[Family]) -> str:
    """The whole page."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _label(value: str) -> str:
    # Half a character has no bytes; the page has to be sent all the same.
    return value.encode("utf-8", "backslashreplace").decode().translate(_ESCAPED)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if float(value).is_integer() else repr(float(value))
