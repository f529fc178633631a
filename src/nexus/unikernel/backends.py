"""The backends: which there are, which work here, which to take.

Their modules are imported when they are asked for. Knows nothing of running. Invariant: "auto" takes the
first that works, in the order of `ORDER`, which is from fast and strong to slow; one whose program, package
or own module is absent, or whose look fails, is one that does not work, and its `Preflight` says why.
"""

from __future__ import annotations

import functools
import importlib
from typing import Literal, cast, get_args

from nexus.core.errors import InvalidInputError, MissingPartError, NexusError
from nexus.unikernel.tender import Backend, Preflight, Tender

ORDER: tuple[Backend, ...] = ("kvm", "spt", "qemu", "unicorn")


@functools.cache
def tender(backend: Backend) -> Tender:
    """The tender of a backend. Raises `InvalidInputError` for a name that is none."""
    _named(backend)
    module = importlib.import_module(f"nexus.unikernel.tenders.{backend}")
    return cast(Tender, getattr(module, backend.capitalize())())


def preflight(backend: Backend) -> Preflight:
    """What a backend says of this machine. What hinders it from looking is an answer too: it does not work.
    Raises `InvalidInputError` for a name that is none."""
    _named(backend)
    try:
        return tender(backend).preflight()
    except ImportError as error:
        detail = f"it is not a part of this installation: {error}"
        return Preflight(backend, False, detail, "make up", "not_installed")
    except NexusError as error:
        return Preflight(backend, False, error.message, error.hint, error.code)
    except OSError as error:
        return Preflight(backend, False, f"it could not be looked at: {error}", code="preflight_failed")


def preflights() -> list[Preflight]:
    """What each backend says of this machine, in the order in which "auto" tries them."""
    return [preflight(backend) for backend in ORDER]


def chosen(backend: Backend | Literal["auto"]) -> Tender:
    """The tender to run with. Raises `MissingPartError` where it, or with "auto" any, does not work here."""
    looks = []
    for name in ORDER if backend == "auto" else (backend,):
        look = preflight(name)
        if look.works:
            return tender(name)
        looks.append(look)
    if backend != "auto":
        look = looks[0]
        raise MissingPartError(f"the backend {backend} does not work here: {look.detail}", hint=look.mend)
    raise MissingPartError(
        "no sandbox works on this machine: " + "; ".join(f"{look.backend}: {look.detail}" for look in looks),
        hint=next((look.mend for look in looks if look.mend), ""),
    )


def _named(backend: str) -> None:
    if backend not in get_args(Backend):
        raise InvalidInputError(f"backend {backend!r} is not one of auto, {', '.join(ORDER)}")
