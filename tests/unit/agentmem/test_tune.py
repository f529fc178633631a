"""The system's switches, on a folder that looks like a machine: shown, turned, and put back exactly."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from nexus.agentmem.machine import Machine
from nexus.agentmem.tune import FOLDER, Tune
from nexus.core.errors import InvalidInputError, NexusError

MIB = 2**20
FILES = {
    "/proc/sys/kernel/random/boot_id": "first\n",
    "/proc/sys/vm/swappiness": "60\n",
    "/proc/meminfo": "MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "/proc/swaps": "Filename Type Size Used Priority\n",
    "/sys/module/zswap/parameters/enabled": "N\n",
    "/sys/module/zswap/parameters/compressor": "lzo\n",
    "/sys/module/zswap/parameters/max_pool_percent": "20\n",
    "/sys/module/zswap/parameters/shrinker_enabled": "N\n",
    "/sys/kernel/mm/ksm/run": "0\n",
    "/sys/kernel/mm/ksm/pages_to_scan": "100\n",
    "/sys/kernel/mm/ksm/general_profit": "0\n",
    "/sys/kernel/mm/transparent_hugepage/shmem_enabled": "always within_size advise [never] deny force\n",
}


class Fake:
    """A machine in a folder, and the programs that were run on it."""

    def __init__(self, root: Path) -> None:
        self.root, self.ran = root, [""]
        self.ran.clear()
        self.fails = ""
        for name, text in FILES.items():
            self.put(name, text)
        self.put(
            "/proc/self/mountinfo", f"1 0 8:1 / / rw - ext4 /dev/x rw\n2 1 8:2 / {root} rw - ext4 /dev/y rw\n"
        )
        self.machine = Machine(root, self.run)

    def put(self, name: str, text: str) -> None:
        path = self.root / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def values(self) -> dict[str, str]:
        return {name: self.machine.read(name) for name in FILES}

    def run(self, words: Sequence[str]) -> None:
        if words[0] == self.fails:
            raise NexusError(f"{words[0]} failed")
        self.ran.append(" ".join(words))

    def tune(self, **more: object) -> Tune:
        return Tune(self.machine, **{"swap_bytes": 64 * MIB, **more})  # type: ignore[arg-type]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def swap_file(fake: Fake) -> Path:
    return fake.root / FOLDER[1:] / "nexus.swap"


def test_looking_changes_nothing_and_writes_nothing(fake):
    before = fake.values()
    switches = {switch.name: switch for switch in fake.tune().switches()}
    assert [name for name, switch in switches.items() if switch.commands] == ["swap", "zswap", "ksm", "thp"]
    assert "rights" in switches
    assert switches["rights"].cannot
    assert fake.values() == before
    assert not (fake.root / "var").exists()


def test_everything_is_turned_and_put_back_exactly(fake):
    before = fake.values()
    tune = fake.tune()
    assert tune.apply(["swap", "zswap", "ksm", "thp"]) == ["swap", "zswap", "ksm", "thp"]
    assert fake.values() == before | {
        "/sys/module/zswap/parameters/enabled": "Y",
        "/sys/module/zswap/parameters/compressor": "zstd",
        "/sys/module/zswap/parameters/max_pool_percent": "40",
        "/sys/module/zswap/parameters/shrinker_enabled": "Y",
        "/sys/kernel/mm/ksm/run": "1",
        "/sys/kernel/mm/ksm/pages_to_scan": "1000",
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled": "advise",
    }
    file = swap_file(fake)
    assert fake.ran == [f"mkswap {file}", f"swapon {file}"]
    assert (file.stat().st_size, stat.S_IMODE(file.stat().st_mode)) == (64 * MIB, 0o600)
    assert tune.applied() == ["swap", "zswap", "ksm", "thp"]
    # Another process puts it back.
    fake.put("/proc/swaps", f"Filename Type Size Used Priority\n{file} file 65532 100 -2\n")
    assert fake.tune().revert() == ["thp", "ksm", "zswap", "swap"]
    assert {name: text for name, text in fake.values().items() if name != "/proc/swaps"} == {
        name: text for name, text in before.items() if name != "/proc/swaps"
    }
    assert fake.ran[-1] == f"swapoff {file}"
    assert not (fake.root / FOLDER[1:]).exists()
    assert fake.tune().revert() == []


def test_only_what_was_named_is_turned_and_nothing_that_is_right_already(fake):
    fake.put("/sys/kernel/mm/ksm/run", "1\n")
    assert fake.tune().apply(["ksm", "thp"]) == ["thp"]
    assert fake.tune().applied() == ["thp"]
    with pytest.raises(InvalidInputError, match="called warp"):
        fake.tune().apply(["warp"])


def test_what_was_is_on_the_disk_before_anything_changes(fake):
    fake.fails = "mkswap"
    with pytest.raises(NexusError, match="mkswap failed"):
        fake.tune().apply(["swap"])
    assert not swap_file(fake).exists()
    assert json.loads((fake.root / FOLDER[1:] / "tune.json").read_text())["turned"][0]["name"] == "swap"
    assert fake.tune().revert() == ["swap"]


def test_a_swap_file_of_somebody_else_is_not_touched(fake):
    swap_file(fake).parent.mkdir(parents=True)
    swap_file(fake).write_text("mine")
    with pytest.raises(NexusError, match="there already"):
        fake.tune().apply(["swap"])
    assert fake.tune().revert() == []
    assert swap_file(fake).read_text() == "mine"


def test_after_a_new_start_of_the_machine_only_the_file_is_removed(fake):
    fake.tune().apply(["swap", "thp"])
    fake.put("/proc/sys/kernel/random/boot_id", "second\n")
    fake.put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always\n")
    with pytest.raises(NexusError, match="started anew"):
        fake.tune().apply(["ksm"])
    assert fake.tune().revert() == ["thp", "swap"]
    assert fake.machine.read("/sys/kernel/mm/transparent_hugepage/shmem_enabled") == "always"
    assert not swap_file(fake).exists()


def test_swap_that_ram_cannot_take_back_stays(fake):
    fake.tune().apply(["swap"])
    fake.put("/proc/swaps", f"Filename Type Size Used Priority\n{swap_file(fake)} file 9000000 8000000 -2\n")
    with pytest.raises(NexusError, match="more than RAM has free"):
        fake.tune().revert()
    assert fake.tune().applied() == ["swap"]
    assert swap_file(fake).exists()


@pytest.mark.parametrize(("size", "kind"), [(10 * MIB, "ext4"), (2**60, "ext4"), (64 * MIB, "btrfs")])
def test_a_swap_file_that_does_not_fit_is_refused(fake, size, kind):
    fake.put("/proc/self/mountinfo", f"1 0 8:1 / / rw - {kind} /dev/x rw\n")
    tune = fake.tune(swap_bytes=size)
    switch = tune.switches()[0]
    assert switch.cannot
    assert not switch.commands
    assert tune.apply(["swap"]) == []


def test_a_kernel_without_a_switch_says_so(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(FILES["/proc/meminfo"])
    switches = Tune(Machine(tmp_path)).switches()
    assert all(switch.cannot and not switch.commands for switch in switches)


def test_a_damaged_record_is_named(fake):
    (fake.root / FOLDER[1:]).mkdir(parents=True)
    (fake.root / FOLDER[1:] / "tune.json").write_text("{")
    with pytest.raises(NexusError, match="damaged"):
        fake.tune().revert()


def test_a_value_that_does_not_take_is_an_error(fake):
    fake.machine.path("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unlink()
    with pytest.raises(NexusError, match="does not take"):
        fake.machine.write("/sys/kernel/mm/transparent_hugepage/absent/x", "1")
