"""KSM goes off when it does not pay, says why, and is left alone by whoever has not turned it on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nexus.agentmem.ksm import FOLDER
from nexus.agentmem.ksm_governor import KsmGovernor
from nexus.agentmem.ksm_state import KsmState, TurnedOff, TurnedOn
from nexus.agentmem.tune import Tune
from nexus.core.settings import AgentsSettings
from tests.unit.agentmem.test_ksm import MIB, Kernel

ON = TurnedOn("first", 1000.0, 5.0, "trial over nothing")


class Governed:
    """A machine on which `nexus tune` has turned KSM on, and its governor."""

    def __init__(self, root: Path, least: float = 2.0) -> None:
        self.kernel = Kernel(root)
        self.state = KsmState(self.kernel.machine)
        self.state.note_on(ON, None)
        self.kernel.put(f"{FOLDER}/run", "1")
        settings = AgentsSettings(merge_least_mb=least, merge_window_minutes=10)
        self.governor = KsmGovernor(
            settings, self.kernel.machine, clock=self.kernel.clock, now=lambda: 1_700_000_000.0
        )

    def live(self, minutes: float, saved: int, percent: float) -> str:
        """What `run` is after so long, with so much saved for so much of a core."""
        self.kernel.put(f"{FOLDER}/general_profit", str(saved))
        for _ in range(round(minutes * 2)):
            self.governor.look()
            self.kernel.now += 30
            self.kernel.spend(percent / 100 * 30)
        self.governor.look()
        return self.run

    @property
    def run(self) -> str:
        return self.kernel.machine.read(f"{FOLDER}/run")


@pytest.fixture
def governed(tmp_path: Path) -> Governed:
    return Governed(tmp_path)


def test_it_goes_off_after_a_whole_window_in_which_it_did_not_pay_and_says_why(governed):
    governed.kernel.put(f"{FOLDER}/pages_sharing", "768")
    assert governed.live(9.5, 3 * MIB, 1.5) == "1"
    assert governed.live(0.5, 3 * MIB, 1.5) == "0"  # 0: what is merged stays
    off = governed.state.turned_off()
    assert off is not None
    assert (off.saved, round(off.cpu, 1), off.window, off.least) == (3 * MIB, 9.0, 600, 2.0)
    said = governed.governor.says
    assert "KSM was turned off at " in said
    assert "it saved 3 MB for 9.0 s of CPU in 10 minutes; threshold 2 MB for each second" in said
    notes = {switch.name: switch.notes for switch in Tune(governed.kernel.machine).switches()}["ksm"]
    assert notes[0] == said
    assert "trial over nothing" in notes


def test_where_nothing_is_shared_its_bookkeeping_goes_too(governed):
    assert governed.live(10, -100_000, 3) == "2"
    assert "saved -0 MB" not in governed.governor.says


@pytest.mark.parametrize(("saved", "percent"), [(460 * MIB, 7), (40 * MIB, 3), (0, 0.01)])
def test_what_pays_or_costs_nothing_stays(governed, saved, percent):
    assert governed.live(21, saved, percent) == "1"
    assert governed.governor.says == ""


def test_the_mean_of_the_window_counts_and_not_its_last_moment(governed):
    assert governed.live(9, 400 * MIB, 7) == "1"
    assert governed.live(1, 0, 7) == "1"
    assert governed.live(10, 0, 7) == "2"  # and then a window without anything


def test_what_nexus_tune_has_not_turned_on_is_not_touched(governed):
    governed.state.clear()
    assert governed.live(21, 0, 20) == "1"


def test_what_was_turned_on_before_the_machine_was_started_anew_is_not_ours(governed):
    governed.kernel.put("/proc/sys/kernel/random/boot_id", "second")
    assert governed.live(21, 0, 20) == "1"


def test_zero_as_threshold_never_turns_it_off(tmp_path):
    assert Governed(tmp_path, least=0).live(21, -MIB, 50) == "1"


def test_without_ksmds_time_nothing_is_decided(governed):
    (governed.kernel.root / "proc/36/stat").unlink()
    assert governed.live(21, 0, 20) == "1"
    assert "whether KSM pays is not known" in governed.governor.says


def test_turned_on_again_it_has_a_whole_window_again(governed):
    assert governed.live(10, 0, 3) == "2"
    governed.kernel.put(f"{FOLDER}/run", "1")
    governed.state.note_on(TurnedOn("first", 2000.0, 9.0, ""), None)
    assert governed.governor.says == ""
    assert governed.live(9.5, 0, 3) == "1"
    assert governed.live(0.5, 0, 3) == "2"


def test_who_turns_it_on_by_hand_is_not_told_that_it_is_off(governed):
    governed.live(10, 0, 3)
    governed.kernel.put(f"{FOLDER}/run", "1")
    assert governed.state.turned_off() is None


def test_who_may_not_turn_it_off_says_so_and_is_no_error(governed, monkeypatch):
    def refuse(name: str, value: str) -> None:
        from nexus.core.errors import NexusError

        raise NexusError(f"{name} does not take {value!r}: Permission denied")

    monkeypatch.setattr(governed.kernel.machine, "write", refuse)
    assert governed.live(25, 0, 3) == "1"
    assert "should have been turned off" in governed.governor.says
    assert "sudo nexus tune" in governed.governor.says


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"boot": "first"}', '{"boot": 1}', "[" * 100_000, '{"at": NaN}']
)
def test_whatever_lies_in_the_governors_folder_is_no_error(governed, text):
    folder = governed.kernel.root / "run/nexusos/governor"
    (folder / "off.json").write_text(text)
    governed.kernel.put(f"{FOLDER}/run", "0")
    assert governed.state.turned_off() is None


def test_a_link_or_a_pipe_there_is_not_followed_and_nobody_waits(governed, tmp_path):
    folder = governed.kernel.root / "run/nexusos/governor"
    off = TurnedOff("first", 1000.0, 1.0, 0.0, 1.0, 600.0, 2.0, "0")
    governed.kernel.put(f"{FOLDER}/run", "0")
    governed.state.note_off(off)
    assert governed.state.turned_off() == off
    (folder / "off.json").rename(tmp_path / "elsewhere")
    (folder / "off.json").symlink_to(tmp_path / "elsewhere")
    assert governed.state.turned_off() is None
    (folder / "off.json").unlink()
    os.mkfifo(folder / "off.json")
    assert governed.state.turned_off() is None


def test_root_does_not_write_through_a_link_in_place_of_the_folder(governed, tmp_path):
    from nexus.core.errors import NexusError

    folder = governed.kernel.root / "run/nexusos/governor"
    folder.rmdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    folder.symlink_to(tmp_path / "precious")
    with pytest.raises(NexusError, match="is a link"):
        governed.state.note_on(ON, None)
    governed.state.clear()
    assert (tmp_path / "precious" / "file").read_text() == "mine"


def test_tune_turned_twice_puts_back_what_was_before_the_first(tmp_path):
    kernel = Kernel(tmp_path, advisor=True)
    kernel.put("/proc/meminfo", "MemTotal: 4096000 kB\nSwapTotal: 0 kB\n")
    before = {
        name: kernel.machine.read(f"{FOLDER}/{name}") for name in ("run", "pages_to_scan", "smart_scan")
    }
    assert Tune(kernel.machine).apply(["ksm"]) == ["ksm"]
    kernel.put(f"{FOLDER}/run", "2")  # a governor
    assert Tune(kernel.machine).apply(["ksm"]) == ["ksm"]
    record = json.loads((tmp_path / "var/lib/nexusos/tune.json").read_text())
    assert len(record["turned"]) == 1
    assert Tune(kernel.machine).revert() == ["ksm"]
    assert {name: kernel.machine.read(f"{FOLDER}/{name}") for name in before} == before
    assert not (tmp_path / "run/nexusos").exists()


def test_the_right_to_turn_it_off_is_given_and_taken_back(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    kernel = Kernel(tmp_path)
    kernel.put("/proc/meminfo", "MemTotal: 4096000 kB\nSwapTotal: 0 kB\n")
    tune = Tune(kernel.machine, owner=65534)
    tune.apply(["ksm"])
    run = kernel.machine.path(f"{FOLDER}/run")
    assert run.stat().st_uid == 65534
    assert (tmp_path / "run/nexusos/governor").stat().st_uid == 65534
    assert (tmp_path / "run/nexusos/ksm.json").stat().st_uid == 0
    tune.revert()
    assert run.stat().st_uid == 0


@pytest.mark.parametrize("at", [-1.0, 1e300])
def test_a_time_that_no_clock_has_is_no_error(at):
    assert "an unknown time" in TurnedOff("b", 1.0, at, 0.0, 1.0, 600.0, 2.0, "0").words
