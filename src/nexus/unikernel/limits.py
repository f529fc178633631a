"""What a sandbox may use."""

from __future__ import annotations

from dataclasses import dataclass

from nexus.core.errors import InvalidInputError
from nexus.unikernel import abi

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a run is ended. All are for one run.

    `wall` and `cpu` are seconds; `memory` bytes of the whole guest (image, stack, heap; rounded up to a
    multiple of 2 MiB); `output` bytes of standard output and standard error together, `calls` calls of host
    functions, `reply` bytes of one such call's answer. Raises `InvalidInputError` naming the value.
    """

    wall: float = 10.0
    cpu: float = 10.0
    memory: int = 64 * MIB
    output: int = MIB
    calls: int = 1000
    reply: int = abi.PAYLOAD_MAX - 1024

    def __post_init__(self) -> None:
        for name, least, most in (
            ("wall", 0.001, 86_400),
            ("cpu", 0.001, 86_400),
            ("memory", 8 * MIB, abi.MEMORY_MAX - abi.BASE),
            ("output", 0, 1 << 40),
            ("calls", 0, 1 << 40),
            ("reply", 1, abi.PAYLOAD_MAX - 1024),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInputError(f"limit {name}: {value} is not between {least} and {most}")
