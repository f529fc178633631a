"""Folded stacks as a picture: a flame graph in SVG, bytes as width.

Needs no script and loads nothing: a reader's browser shows each frame's bytes when it is pointed at. Knows
nothing of agents. Invariants: frames of a row never overlap and lie within the one below them; every text is
escaped. The form is Brendan Gregg's (brendangregg.com/flamegraphs.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_WIDTH, _ROW, _MARGIN, _TOP = 1200, 22, 10, 44
_LEAST_WIDTH = 0.3  # pixels; narrower frames cannot be seen and only make the file long
_LETTER = 6.6  # pixels, about
_COLOURS = ("#e8833a", "#d9a441", "#c96f4a", "#b9903f", "#dd9a66")


@dataclass(slots=True)
class Frame:
    """One name below another, with what lies in it and below."""

    name: str
    size: int = 0
    below: dict[str, Frame] = field(default_factory=dict)


def tree(stacks: Iterable[tuple[str, int]]) -> Frame:
    """The frames of stacks such as `a;b;c`."""
    root = Frame("all")
    for stack, size in stacks:
        root.size += size
        frame = root
        for name in stack.split(";"):
            frame = frame.below.setdefault(name, Frame(name))
            frame.size += size
    return root


def svg(stacks: Iterable[tuple[str, int]], title: str) -> str:
    """The picture, a whole file."""
    root = tree(stacks)
    depth = _depth(root)
    height = _TOP + depth * _ROW + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="monospace" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fffaf3"/>',
        f'<text x="{_WIDTH / 2}" y="24" text-anchor="middle" font-size="16">{escape(title)}</text>',
    ]
    _draw(root, _MARGIN, _WIDTH - 2 * _MARGIN, depth - 1, root.size, lines)
    return "\n".join([*lines, "</svg>", ""])


def _draw(frame: Frame, left: float, width: float, row: int, whole: int, lines: list[str]) -> None:
    top = _TOP + row * _ROW
    share = 100 * frame.size / whole if whole else 100.0
    colour = _COLOURS[sum(frame.name.encode("utf-8", "replace")) % len(_COLOURS)]
    room = int((width - 6) / _LETTER)
    label = frame.name if len(frame.name) <= room else frame.name[: room - 2] + ".." if room > 4 else ""
    lines.append(
        f"<g><title>{escape(frame.name)}: {frame.size:,} bytes, {share:.1f} %</title>"
        f'<rect x="{left:.2f}" y="{top}" width="{width:.2f}" height="{_ROW - 1}" fill="{colour}" rx="2"/>'
        + (f'<text x="{left + 3:.2f}" y="{top + 15}">{escape(label)}</text>' if label else "")
        + "</g>"
    )
    for below in sorted(frame.below.values(), key=lambda f: (-f.size, f.name)):
        part = width * below.size / frame.size if frame.size else 0.0
        if part >= _LEAST_WIDTH:
            _draw(below, left, part, row - 1, whole, lines)
        left += part


def _depth(frame: Frame) -> int:
    return 1 + max((_depth(below) for below in frame.below.values()), default=0)
