"""The backends: which there are, which work here, which to take.

Their modules are imported when they are asked for. Knows nothing of running. Invariant: "auto" takes the
first that works, in the order of `ORDER`, which is from fast and strong to slow.
"""

from __future__ import annotations

import functools
import importlib
from typing import Literal, cast, get_args

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel.tender import Backend, Preflight, Tender

ORDER: tuple[Backend, ...] = ("kvm", "spt", "qemu", "unicorn")


@functools.cache
def tender(backend: Backend) -> Tender:
    """The tender of a backend. Raises `InvalidInputError` for a name that is none."""
    if backend not in get_args(Backend):
        raise InvalidInputError(f"backend {backend!r} is not one of auto, {', '.join(ORDER)}")
    module = importlib.import_module(f"nexus.unikernel.tenders.{backend}")
    return cast(Tender, getattr(module, backend.capitalize())())


def preflights() -> list[Preflight]:
    """What each backend says of this machine, in the order in which "auto" tries them."""
    return [tender(backend).preflight() for backend in ORDER]


def chosen(backend: Backend | Literal["auto"]) -> Tender:
    """The tender to run with. Raises `MissingPartError` where it, or with "auto" any, does not work here."""
    if backend != "auto":
        found = tender(backend)
        look = found.preflight()
        if not look.works:
            raise MissingPartError(f"the backend {backend} does not work here: {look.detail}", hint=look.mend)
        return found
    looks = []
    for name in ORDER:
        found = tender(name)
        look = found.preflight()
        if look.works:
            return found
        looks.append(look)
    raise MissingPartError(
        "no sandbox works on this machine: " + "; ".join(f"{look.backend}: {look.detail}" for look in looks),
        hint=next((look.mend for look in looks if look.mend), ""),
    )
