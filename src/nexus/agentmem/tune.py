"""The system-wide switches that decide what pausing and merging bring on this machine.

They are the whole machine's, not ours: shown to everybody, changed only when asked to, and put back exactly.
Knows nothing of who asks. Invariants: what a switch was is on the disk before it is changed; `revert` puts
back what was changed here and nothing else, in the reverse order; nothing outlives a restart of the machine
but the swap file, which `revert` then removes.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.agentmem import swap_file
from nexus.agentmem.machine import Machine
from nexus.core import atomic
from nexus.core.errors import InvalidInputError, NexusError

NAMES = ("swap", "zswap", "ksm", "thp", "rights")
FOLDER = "/var/lib/nexusos"
_ZSWAP = "/sys/module/zswap/parameters"
_KSM = "/sys/kernel/mm/ksm"
_SHMEM = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
# The best ratio first, of those that decompress a page in a few microseconds.
_COMPRESSORS = ("zstd", "lzo-rle", "lz4")
_POOL_PERCENT = "40"
_PAGES_TO_SCAN = "1000"
_CAPABILITY = "security.capability"
# struct vfs_cap_data, revision 2, effective: CAP_SYS_NICE (23) and no other.
_SYS_NICE = struct.pack("<5I", 0x02000001, 1 << 23, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch as it is now, and what turning it would bring."""

    name: str
    now: str
    good: bool  # it is as agents need it
    brings: str
    commands: tuple[str, ...] = ()  # exactly what `apply` does, as a shell would
    cannot: str = ""  # why it cannot be turned here


class Tune:
    """All switches of one machine. `program` is nexus-pageout, where it is built."""

    def __init__(
        self,
        machine: Machine,
        program: Path | None = None,
        *,
        swap_folder: Path | None = None,
        swap_bytes: int | None = None,
    ) -> None:
        self._machine, self._program = machine, program
        self._swap = (swap_folder or machine.path(FOLDER)) / "nexus.swap"
        self._swap_bytes = swap_bytes
        self._record = machine.path(FOLDER) / "tune.json"

    def switches(self) -> list[Switch]:
        """All of them."""
        return [self._swap_switch(), self._zswap(), self._ksm(), self._thp(), self._rights()]

    def others(self) -> dict[str, str]:
        """What is worth knowing and is not changed."""
        from resource import RLIM_INFINITY, RLIMIT_MEMLOCK, getrlimit

        lock = getrlimit(RLIMIT_MEMLOCK)[0]
        return {
            "vm.swappiness": self._machine.read("/proc/sys/vm/swappiness"),
            "memlock": "unlimited" if lock == RLIM_INFINITY else f"{lock >> 10} KiB",
        }

    def applied(self) -> list[str]:
        """The switches that were turned here and not put back."""
        return [entry["name"] for entry in self._read()["turned"]]

    def apply(self, names: Sequence[str]) -> list[str]:
        """Turn these, where they are not as they should be. Returns which were turned.

        Raises `InvalidInputError`, `StorageError`, `NexusError`; what was turned by then is in the record.
        """
        steps: dict[str, Callable[[dict[str, Any]], None]] = {
            "swap": self._turn_swap,
            "zswap": self._turn_zswap,
            "ksm": self._turn_ksm,
            "thp": self._turn_thp,
            "rights": self._turn_rights,
        }
        unknown = sorted(set(names) - set(NAMES))
        if unknown:
            raise InvalidInputError(
                f"no switch is called {', '.join(unknown)}", hint=f"they are {', '.join(NAMES)}"
            )
        turned = []
        for switch in self.switches():
            if switch.name in names and not switch.good and not switch.cannot:
                steps[switch.name]({"name": switch.name, "before": {}})
                turned.append(switch.name)
        return turned

    def revert(self) -> list[str]:
        """Put everything back that was turned here. Returns what that was.

        Raises `NexusError` where one cannot be put back; it and those before it stay in the record.
        """
        done = []
        while (record := self._read())["turned"]:
            entry = record["turned"][-1]
            self._put_back(entry, same_boot=record["boot"] == self._machine.boot)
            record["turned"].pop()
            self._write(record)
            done.append(entry["name"])
        atomic.remove(self._record)
        with suppress(OSError):  # where somebody else has a file in it, it stays
            self._record.parent.rmdir()
        return done

    # What each is, and how it is turned.

    def _swap_switch(self) -> Switch:
        found = self._machine.meminfo()
        total, used = found.get("SwapTotal", 0), found.get("SwapTotal", 0) - found.get("SwapFree", 0)
        brings = "a place for the memory of paused agents; without it pausing frees nothing"
        if total:
            return Switch("swap", f"{total >> 20} MB, {used >> 20} used", True, brings)
        size = self._size()
        try:
            swap_file.refuse_unfit(self._machine, self._swap.parent, size)
        except InvalidInputError as error:
            return Switch("swap", "none", False, brings, cannot=str(error))
        return Switch(
            "swap",
            "none",
            False,
            brings,
            (
                f"mkdir -m 700 -p {self._swap.parent}",
                f"(umask 077 && fallocate -l {size} {self._swap})",
                f"mkswap {self._swap} && swapon {self._swap}",
            ),
        )

    def _zswap(self) -> Switch:
        machine = self._machine
        brings = "swapped memory stays in RAM, compressed about three times: agents wake without the disk"
        if not machine.has(f"{_ZSWAP}/enabled"):
            return _not_in_this_kernel("zswap", brings)
        on = machine.read(f"{_ZSWAP}/enabled") == "Y"
        compressor, percent = machine.read(f"{_ZSWAP}/compressor"), machine.read(f"{_ZSWAP}/max_pool_percent")
        found = machine.meminfo()
        held, pool = found.get("Zswapped", 0), found.get("Zswap", 0)
        ratio = f", holds {held >> 20} MB in {pool >> 20}" if pool else ""
        now = f"{'on' if on else 'off'}, {compressor}, at most {percent} % of RAM{ratio}"
        commands = (
            f"echo Y >{_ZSWAP}/enabled",
            f"echo {_POOL_PERCENT} >{_ZSWAP}/max_pool_percent",
            *([f"echo Y >{_ZSWAP}/shrinker_enabled"] if machine.has(f"{_ZSWAP}/shrinker_enabled") else []),
            f"for name in {' '.join(_COMPRESSORS)}; do echo $name >{_ZSWAP}/compressor && break; done",
        )
        return Switch("zswap", now, on, brings, () if on else commands)

    def _ksm(self) -> Switch:
        machine = self._machine
        brings = "one copy of equal pages of agents started with --merge (a quarter was measured); costs CPU"
        if not machine.has(f"{_KSM}/run"):
            return _not_in_this_kernel("ksm", brings)
        on = machine.read(f"{_KSM}/run") == "1"
        profit = machine.read(f"{_KSM}/general_profit")
        saved = f", saves {int(profit) >> 20} MB" if profit.lstrip("-").isdigit() and on else ""
        commands = (f"echo {_PAGES_TO_SCAN} >{_KSM}/pages_to_scan", f"echo 1 >{_KSM}/run")
        return Switch("ksm", f"{'on' if on else 'off'}{saved}", on, brings, () if on else commands)

    def _thp(self) -> Switch:
        brings = "large pages for what agents share: made and mapped six times cheaper"
        if not self._machine.has(_SHMEM):
            return _not_in_this_kernel("thp", brings)
        now = self._machine.read(_SHMEM)
        good = now in ("advise", "within_size", "always")
        return Switch("thp", f"shmem {now}", good, brings, () if good else (f"echo advise >{_SHMEM}",))

    def _rights(self) -> Switch:
        brings = "users may pause their own agents; root can without it"
        if self._program is None:
            return Switch("rights", "-", False, brings, cannot="nexus-pageout is not built (make up)")
        good = self._capability() == _SYS_NICE
        now = f"{self._program} {'has' if good else 'has not'} CAP_SYS_NICE"
        return Switch(
            "rights", now, good, brings, () if good else (f"setcap cap_sys_nice=ep {self._program}",)
        )

    def _turn_swap(self, entry: dict[str, Any]) -> None:
        size = self._size()
        swap_file.refuse_unfit(self._machine, self._swap.parent, size)
        if self._swap.exists():
            raise NexusError(f"{self._swap} is there already", hint="nexus tune --revert, or remove it")
        self._note(entry | {"file": str(self._swap)})
        swap_file.make(self._machine, self._swap, size)

    def _turn_zswap(self, entry: dict[str, Any]) -> None:
        names = ["enabled", "max_pool_percent", "compressor"]
        if shrinks := self._machine.has(f"{_ZSWAP}/shrinker_enabled"):
            names.append("shrinker_enabled")
        self._remember(entry, *(f"{_ZSWAP}/{name}" for name in names))
        # First of all: as long as zswap was never on, the kernel takes any compressor and finds out later.
        self._machine.write(f"{_ZSWAP}/enabled", "Y")
        self._machine.write(f"{_ZSWAP}/max_pool_percent", _POOL_PERCENT)
        if shrinks:  # where memory is short, what was asked for longest ago goes on to the disk
            self._machine.write(f"{_ZSWAP}/shrinker_enabled", "Y")
        for name in _COMPRESSORS:
            try:
                self._machine.write(f"{_ZSWAP}/compressor", name)
                break
            except NexusError:
                continue  # not in this kernel; where none is, the one that was there stays

    def _turn_ksm(self, entry: dict[str, Any]) -> None:
        self._remember(entry, f"{_KSM}/pages_to_scan", f"{_KSM}/run")
        self._machine.write(f"{_KSM}/pages_to_scan", _PAGES_TO_SCAN)
        self._machine.write(f"{_KSM}/run", "1")

    def _turn_thp(self, entry: dict[str, Any]) -> None:
        self._remember(entry, _SHMEM)
        self._machine.write(_SHMEM, "advise")

    def _turn_rights(self, entry: dict[str, Any]) -> None:
        assert self._program
        had = self._capability()
        self._note(entry | {"program": str(self._program), "capability": had.hex() if had else ""})
        try:
            os.setxattr(self._program, _CAPABILITY, _SYS_NICE)
        except OSError as error:
            raise NexusError(
                f"{self._program} cannot be given the right: {error.strerror}",
                hint="as root, on a file system with extended attributes",
            ) from error

    def _put_back(self, entry: dict[str, Any], *, same_boot: bool) -> None:
        if "file" in entry:
            swap_file.remove(self._machine, Path(entry["file"]))
        if "program" in entry and Path(entry["program"]).exists():
            had, path = bytes.fromhex(entry["capability"]), entry["program"]
            if had:
                os.setxattr(path, _CAPABILITY, had)
            elif _capability_of(Path(path)):
                os.removexattr(path, _CAPABILITY)
        if not same_boot:
            return  # the kernel has begun anew with its own values
        for name, value in reversed(entry["before"].items()):
            if name == f"{_KSM}/run" and value == "0":
                self._machine.write(name, "2")  # pages that are merged now get copies of their own again
            if self._machine.read(name) != value:
                self._machine.write(name, value)

    def _size(self) -> int:
        return self._swap_bytes or swap_file.default_bytes(self._machine, self._swap.parent)

    def _capability(self) -> bytes:
        return _capability_of(self._program) if self._program else b""

    def _remember(self, entry: dict[str, Any], *names: str) -> None:
        self._note(entry | {"before": {name: self._machine.read(name) for name in names}})

    def _note(self, entry: dict[str, Any]) -> None:
        """What was before is on the disk before anything is changed."""
        record = self._read()
        if record["turned"] and record["boot"] != self._machine.boot:
            raise NexusError(
                "the machine was started anew since the last --apply", hint="nexus tune --revert first"
            )
        record["boot"] = self._machine.boot
        record["turned"].append(entry)
        self._record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(record)

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._record.read_bytes())
        except FileNotFoundError:
            return {"boot": "", "turned": []}
        except PermissionError as error:
            raise NexusError(f"{self._record} cannot be read", hint="sudo") from error
        except ValueError as error:
            raise NexusError(
                f"{self._record} is damaged: {error}", hint="mend it by hand; it is JSON"
            ) from error
        return found

    def _write(self, record: dict[str, Any]) -> None:
        atomic.write_text(self._record, json.dumps(record, indent=2) + "\n")


def _not_in_this_kernel(name: str, brings: str) -> Switch:
    return Switch(name, "not in this kernel", False, brings, cannot="the kernel was built without it")


def _capability_of(path: Path) -> bytes:
    try:
        return os.getxattr(path, _CAPABILITY)
    except OSError:
        return b""
