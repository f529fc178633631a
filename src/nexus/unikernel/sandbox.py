"""Runs code of unknown origin in a guest of its own.

    result = Sandbox(limits=Limits(wall=2)).run("print(6 * 7)")

Knows nothing of how backends work. Invariant: each run has a guest to itself, and nothing of it is left when
`run` returns or raises: no process, thread, descriptor or file.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nexus.core.errors import InvalidInputError
from nexus.unikernel import backends
from nexus.unikernel.grants import Grants
from nexus.unikernel.guest import Guest, Kind, source
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.result import Result
from nexus.unikernel.serving import OnOutput
from nexus.unikernel.tender import Backend

if TYPE_CHECKING:
    from nexus.unikernel.session import Session


class Sandbox:
    """What runs of Python code have in common. May be used by many threads at once.

    `image` None is the Python image of NEXUS_HOME. Backend and image are looked for with the first run.
    """

    def __init__(
        self,
        backend: Backend | Literal["auto"] = "auto",
        limits: Limits | None = None,
        grants: Grants | None = None,
        image: Image | None = None,
    ) -> None:
        self._backend: Backend | Literal["auto"] = backend
        self._image = image
        self.limits = limits or Limits()
        self.grants = grants or Grants()

    @functools.cached_property
    def kind(self) -> Kind:
        """How its guests are started. Raises `MissingPartError` where the backend does not work here, and
        `NotFoundError`, with the command that builds it, where there is no image."""
        image = self._image
        if image is None:
            from nexus.unikernel.builder import python_image

            image = python_image()
        if image.kind != "python":
            raise InvalidInputError(
                f"the image {image.folder} is a program in C, not an interpreter",
                hint="run it with run_image",
            )
        return Kind(backends.chosen(self._backend), image, self.limits, self.grants)

    @property
    def backend(self) -> Backend:
        """What it runs on."""
        return self.kind.tender.name

    def run(
        self,
        code: str | bytes,
        *,
        stdin: bytes = b"",
        words: Sequence[str] = (),
        on_output: OnOutput | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Runs Python source; `words` are sys.argv after the first.

        `on_output(1 or 2, bytes)` is called, in this thread, for each piece of output as it comes; what it
        raises ends the run and is raised here. `cancel`, set by any thread, ends it as "stopped". An
        exception in the code is no error here: it is in the result. Raises `InvalidInputError` for code that
        is not UTF-8, `BusyError` where the machine has no place for one more guest, `SandboxError` where the
        backend failed, and what `kind` and the grants are refused with.
        """
        began = time.monotonic()
        guest = Guest(self.kind, code=source(code), words=words, stdin=stdin)
        return _served(guest, began, on_output, cancel)

    def session(self) -> Session:
        """An interpreter that keeps its state from run to run, to be used by `with`."""
        from nexus.unikernel.session import Session

        return Session(self.kind)


def run_image(
    image: Image,
    words: Sequence[str] = (),
    modules: Sequence[tuple[str, Path]] = (),
    *,
    backend: Backend | Literal["auto"] = "auto",
    limits: Limits | None = None,
    grants: Grants | None = None,
    stdin: bytes = b"",
    on_output: OnOutput | None = None,
) -> Result:
    """Runs an image, of C or Python, with files as its modules. Raises as `Sandbox.run`."""
    began = time.monotonic()
    kind = Kind(backends.chosen(backend), image, limits or Limits(), grants or Grants())
    return _served(Guest(kind, words=words, modules=modules, stdin=stdin), began, on_output)


def _served(
    guest: Guest, began: float, on_output: OnOutput | None, cancel: threading.Event | None = None
) -> Result:
    try:
        return guest.run(began, on_output=on_output, cancel=cancel)
    finally:
        guest.close()
