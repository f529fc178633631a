"""How a run ended, and what it said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

# exited: by itself, also with an uncaught exception; the others: ended by a limit, a fault of its own, or us.
Ending = Literal["exited", "wall", "cpu", "memory", "output", "calls", "crashed", "stopped"]


@dataclass(frozen=True, slots=True)
class Result:
    """One run. `status` is the guest's own exit status, or 128 + 9 where it was ended.

    `memory` as an ending is a guest that could not be given what it needed; a Python program that runs out
    sees MemoryError instead and exits. `detail` says in words why it ended, where it did not exit; for which
    modules the fallback ran it; and what guests have, where Python ended for want of a module.
    """

    ending: Ending
    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    backend: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it exited with status 0."""
        return self.ending == "exited" and self.status == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: output as text, undecodable bytes shown as U+FFFD."""
        return asdict(self) | {
            "stdout": self.stdout.decode(errors="replace"),
            "stderr": self.stderr.decode(errors="replace"),
            "ok": self.ok,
        }
