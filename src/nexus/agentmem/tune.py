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
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nexus.agentmem import ksm_trial, swap_file, zswap_sample, zswap_trial
from nexus.agentmem.ksm import FOLDER as _KSM
from nexus.agentmem.ksm import Ksm
from nexus.agentmem.ksm_state import KsmState, TurnedOn
from nexus.agentmem.machine import Machine
from nexus.agentmem.switch import Switch, not_in_this_kernel
from nexus.agentmem.zswap_trial import FOLDER as _ZSWAP
from nexus.core import atomic
from nexus.core.errors import InvalidInputError, NexusError

NAMES = ("swap", "zswap", "ksm", "thp", "rights")
FOLDER = "/var/lib/nexusos"
_SHMEM = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
_SHOWN = 8
_SAMPLE_BYTES = 32 * 2**20
_CAPABILITY = "security.capability"
# struct vfs_cap_data, revision 2, effective: CAP_SYS_NICE (23) and no other.
_SYS_NICE = struct.pack("<5I", 0x02000001, 1 << 23, 0, 0, 0)


class Tune:
    """All switches of one machine. `program` is nexus-pageout, where it is built.

    `trial` is how many seconds each setting of KSM is tried for, 0: nothing is measured; `agents` are the
    processes whose pages compressors are tried on, `owner` is the user whose service may turn KSM off.
    """

    def __init__(
        self,
        machine: Machine,
        program: Path | None = None,
        *,
        swap_folder: Path | None = None,
        swap_bytes: int | None = None,
        trial: float = 0.0,
        agents: Sequence[int] = (),
        owner: int | None = None,
    ) -> None:
        self._machine, self._program = machine, program
        self._swap = (swap_folder or machine.path(FOLDER)) / "nexus.swap"
        self._swap_bytes = swap_bytes
        self._trial, self._agents, self._owner = trial, agents, owner
        self.told: dict[str, list[str]] = {}  # by switch: what was measured when it was turned
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
            return not_in_this_kernel("zswap", brings)
        on = machine.read(f"{_ZSWAP}/enabled") == "Y"
        compressor, percent = machine.read(f"{_ZSWAP}/compressor"), machine.read(f"{_ZSWAP}/max_pool_percent")
        found = machine.meminfo()
        held, pool = found.get("Zswapped", 0), found.get("Zswap", 0)
        ratio = f", holds {held >> 20} MB in {pool >> 20}" if pool else ""
        now = f"{'on' if on else 'off'}, {compressor}, at most {percent} % of RAM{ratio}"
        commands = (
            f"echo Y >{_ZSWAP}/enabled",
            f"echo {zswap_trial.USUAL_PERCENT} >{_ZSWAP}/max_pool_percent  # or as measured",
            *([f"echo Y >{_ZSWAP}/shrinker_enabled"] if machine.has(f"{_ZSWAP}/shrinker_enabled") else []),
            f"for name in {' '.join(zswap_trial.USUAL)}; do echo $name >{_ZSWAP}/compressor && break; done"
            "  # or the best that was measured",
        )
        return Switch("zswap", now, on, brings, () if on else commands)

    def _ksm(self) -> Switch:
        machine = self._machine
        brings = "one copy of equal pages that agents have marked (a quarter was measured); costs CPU"
        if not machine.has(f"{_KSM}/run"):
            return not_in_this_kernel("ksm", brings)
        on, ksm = machine.read(f"{_KSM}/run") == "1", Ksm(machine)
        now = "on" if on else "off"
        if on or ksm.figures().sharing:
            begun, cpu = KsmState(machine).turned_on(), ksm.cpu()
            if begun and cpu is not None and begun.cpu >= 0:
                cpu -= begun.cpu
            now += f", saves {ksm.profit() / 2**20:.0f} MB" + (
                "" if cpu is None else f", ksmd took {cpu:.1f} s"
            )
        usual = ksm_trial.settings(machine, advisor=False)[ksm_trial.USUAL]
        commands = (
            *(f"echo {value} >{_KSM}/{name}  # or as measured" for name, value in usual.values),
            f"echo 1 >{_KSM}/run",
        )
        return Switch("ksm", now, on, brings, () if on else commands, notes=tuple(self._ksm_notes(ksm)))

    def _ksm_notes(self, ksm: Ksm) -> list[str]:
        state = KsmState(self._machine)
        on, off = state.turned_on(), state.turned_off()
        notes = [off.words] if off else []
        if on and on.tried:
            notes += on.tried.splitlines()
        marked = ksm.marked()
        # The kernel looks at all that anybody marks; a virtual machine's memory often is.
        notes += [f"marked: {one.bytes >> 20} MB of {one.program} ({one.pid})" for one in marked[:_SHOWN]]
        if len(marked) > _SHOWN:
            notes.append(
                f"marked: {sum(one.bytes for one in marked[_SHOWN:]) >> 20} MB of {len(marked) - _SHOWN} more"
            )
        return notes

    def _thp(self) -> Switch:
        brings = "large pages for what agents share: made and mapped six times cheaper"
        if not self._machine.has(_SHMEM):
            return not_in_this_kernel("thp", brings)
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
        if shrinks:  # where memory is short, what was asked for longest ago goes on to the disk
            self._machine.write(f"{_ZSWAP}/shrinker_enabled", "Y")
        pages, words = b"", "not asked for"
        if self._trial > 0:
            pids = self._agents or [os.getpid()]
            pages = zswap_sample.sample(self._machine, pids, _SAMPLE_BYTES)
            whose = f"{len(pids)} process(es) of agents" if self._agents else "this command: no agent runs"
            words = f"{len(pages) >> 20} MB of the memory of {whose}"
            found = zswap_trial.trial(self._machine, pages, words)
        else:
            found = zswap_trial.unmeasured(self._machine, words)
        self._machine.write(f"{_ZSWAP}/max_pool_percent", str(found.percent))
        self.told["zswap"] = found.lines()

    def _turn_ksm(self, entry: dict[str, Any]) -> None:
        machine, state, ksm = self._machine, KsmState(self._machine), Ksm(self._machine)
        run = f"{_KSM}/run"
        more = {"merged": ksm.figures().sharing, "owner": machine.path(run).stat().st_uid}
        self._remember(entry | more, *ksm_trial.touched(machine))
        cpu = ksm.cpu()
        on = TurnedOn(machine.boot, time.time(), -1.0 if cpu is None else cpu, "")
        # Before anything runs, so that it is looked after even where this ends half-way.
        state.note_on(on, self._owner)
        found = ksm_trial.trial(machine, self._trial)
        self.told["ksm"] = found.lines()
        state.note_on(replace(on, at=time.time(), tried="\n".join(found.lines())), self._owner)
        if self._owner is not None:
            os.chown(machine.path(run), self._owner, -1)

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
        if entry["name"] == "ksm":
            KsmState(self._machine).clear()
        if not same_boot:
            return  # the kernel has begun anew with its own values
        advisor = f"{_KSM}/advisor_mode"
        if advisor in entry["before"] and self._machine.read(advisor) != "none":
            self._machine.write(advisor, "none")  # as long as it advises, nobody else sets the pages
        for name, value in reversed(entry["before"].items()):
            if name == f"{_KSM}/run" and value == "0" and not entry.get("merged"):
                self._machine.write(name, "2")  # pages that are merged now get copies of their own again
            if self._machine.read(name) != value:
                self._machine.write(name, value)
        if "owner" in entry and self._machine.path(f"{_KSM}/run").stat().st_uid != entry["owner"]:
            os.chown(self._machine.path(f"{_KSM}/run"), entry["owner"], -1)

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
        known = next((one for one in record["turned"] if one["name"] == entry["name"]), None)
        if (
            known and entry["before"]
        ):  # turned again, after somebody turned it off: the first values are what was
            known["before"] = {**entry["before"], **known["before"]}
        else:
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


def _capability_of(path: Path) -> bytes:
    try:
        return os.getxattr(path, _CAPABILITY)
    except OSError:
        return b""
