"""How a page or a fragment becomes HTML. Knows no page.

Invariants: every text reaches HTML through Jinja2's escaping; every answer carries the policy.
"""

from __future__ import annotations

from functools import cache

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from nexus.cortex.cortex import Cortex

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def html(template: str, *, caching: str = "no-store", **values: object) -> Response:
    """A template of this package, rendered."""
    text = _templates().get_template(template).render(**values)
    headers = {**HEADERS, "Cache-Control": caching}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def cortex_of(request: Request) -> Cortex:
    """Knowledge and memory. Raises `BusyError` while the service is starting."""
    cortex: Cortex = request.app.state.daemon.cortex
    return cortex


def size(count: int | None) -> str:
    """Bytes for a person: `980 B`, `12.5 kB`, `1.12 GB`."""
    if count is None:
        return "size not known"
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}" if count < 1000 * unit else f"{count / unit:,.0f} {name}"
    return f"{count} B"


def ago(seconds: float) -> str:
    """How long ago something was, for a person."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name} ago"
    return "just now" if seconds < 5 else f"{seconds:.0f} s ago"


def plural(count: int, noun: str) -> str:
    """`1 passage`, `3,000 passages`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("nexus.service.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size, ago=ago, plural=plural)
    return environment
