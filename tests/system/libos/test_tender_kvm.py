"""The backend `kvm`: its tender holds a guest, and its preflight knows what this machine's KVM is worth."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel import abi
from nexus.unikernel.abi import FaultKind
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tenders import kvm, program
from nexus.unikernel.tenders.kvm import PROGRAM, Calibration, Kvm
from tests import libos_tender as bare
from tests.libos_trials import FAULTED, REFUSED, Trials

LOOK = Kvm().preflight()
needs_kvm = pytest.mark.skipif(not LOOK.works, reason=f"{LOOK.detail}; {LOOK.mend}")
IMAGE = Image(Path("/images/x"), "c", "x")


@needs_kvm
class TestTender(Trials):
    program = program.find(PROGRAM) or PROGRAM
    options = ("--cpl", "3")

    @pytest.mark.parametrize("trial", ["syscall 1", "syscall 60", "interrupt", "invalid"])
    def test_an_exception_ends_the_machine(self, image: Path, trial: str) -> None:
        ended = self.run(image, f"fault {trial}")
        assert (ended.status, ended.stdout, ended.fault[0]) == (FAULTED, b"", FaultKind.MEMORY)

    @pytest.mark.parametrize(
        ("trial", "address"),
        [
            (f"read {abi.DOORBELL}", abi.DOORBELL),
            (f"null-write {abi.DOORBELL}", abi.DOORBELL),
            (f"null-write {abi.DOORBELL + 8}", abi.DOORBELL + 8),
        ],
    )
    def test_the_doorbell_is_for_stores_of_32_bits(self, image: Path, trial: str, address: int) -> None:
        ended = self.run(image, f"fault {trial}")
        kind, _, touched = ended.fault
        assert (ended.status, kind, touched) == (FAULTED, FaultKind.DOORBELL, address)

    def test_behind_the_doorbells_page_is_nothing(self, image: Path) -> None:
        ended = self.run(image, f"fault null-write {abi.DOORBELL + abi.PAGE}")
        assert (ended.status, ended.fault[0]) == (FAULTED, FaultKind.MEMORY)

    def test_large_memory(self, image: Path) -> None:
        ended = self.run(image, "hello", "--memory", str(abi.MEMORY_MAX - abi.BASE))
        assert ended.stdout == b"hello from the guest\n"


if LOOK.works and "in ring 0" in LOOK.detail:

    class TestTenderInRing0(Trials):
        program = program.find(PROGRAM) or PROGRAM
        options = ("--cpl", "0")

else:

    @pytest.mark.skip(reason=f"no guest runs in ring 0 natively here: {LOOK.detail}")
    def test_ring0() -> None:
        raise AssertionError("a ring 0 that is not there")


def made(folder: Path, said: dict[str, object] | str) -> str:
    """A tender that counts how often it is asked, and says this."""
    file = folder / "tender"
    text = said if isinstance(said, str) else json.dumps(said)
    file.write_text(f"#!/bin/sh\necho x >>{folder}/asked\ncat <<'END'\n{text}\nEND\n")
    file.chmod(0o755)
    return str(file)


def asked(folder: Path) -> int:
    try:
        return len((folder / "asked").read_text().split())
    except FileNotFoundError:
        return 0


def look(folder: Path, said: dict[str, object] | str, device: Path | None = None) -> Kvm:
    present = folder / "kvm"
    present.touch()
    return Kvm(made(folder, said), device=device or present, folder=folder / "cache")


WORKS: dict[str, object] = {"works": True, "code": "", "detail": "", "api": 12}
EMULATED = WORKS | {"ring0_ns": 6000.5, "ring3_ns": 0.3}
NATIVE = WORKS | {"ring0_ns": 0.4, "ring3_ns": 0.3}
ONLY_RING3 = WORKS | {"ring0_ns": None, "ring3_ns": 0.3}


@needs_kvm
def test_what_the_probe_measures() -> None:
    said = program.probed(program.needed(PROGRAM))
    assert said["works"] is True
    assert said["api"] == 12
    assert 0 <= said["ring3_ns"] < 1000
    assert said["ring0_ns"] is None or said["ring0_ns"] >= 0


@pytest.mark.parametrize(
    ("said", "ring", "words"),
    [(EMULATED, "3", "emulated"), (NATIVE, "0", "in ring 0"), (ONLY_RING3, "3", "does not run")],
)
def test_the_ring_that_is_native_is_taken(
    tmp_path: Path, said: dict[str, object], ring: str, words: str
) -> None:
    backend = look(tmp_path, said)
    launch = backend.launch(IMAGE, [("m", Path("/m"))], ["w"], Limits(cpu=0.5, memory=8 << 20))
    assert launch.argv == (
        *(backend.program, "--cpl", ring, "--memory", str(8 << 20), "--cpu", "0.500000"),
        *("--module", "m=/m", "/images/x/image.elf", "w"),
    )
    assert launch.frames == "forwarded"
    found = backend.preflight()
    assert found.works
    assert words in found.detail


def test_it_is_measured_once_a_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        assert look(tmp_path, EMULATED).preflight().works
    assert asked(tmp_path) == 1
    other = tmp_path / "boot"
    other.write_text("another boot\n")
    monkeypatch.setattr(kvm, "BOOT_ID", other)
    for _ in range(3):
        assert "ring 0" in look(tmp_path, NATIVE).preflight().detail
    assert asked(tmp_path) == 2


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"boot": 1}',
        b"\xff\xfe",
        b'{"boot": "b", "ring0_ns": "x", "ring3_ns": []}',
    ],
)
def test_a_broken_calibration_is_measured_again(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kvm.json").write_bytes(kept)
    assert look(tmp_path, EMULATED).preflight().works
    assert asked(tmp_path) == 1
    assert json.loads((tmp_path / "cache" / "kvm.json").read_text())["ring0_ns"] == 6000.5


def test_a_calibration_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert look(tmp_path, EMULATED).preflight().works


def test_only_whole_calibrations_are_left(tmp_path: Path) -> None:
    look(tmp_path, EMULATED).preflight()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["kvm.json"]


def test_without_the_device(tmp_path: Path) -> None:
    found = look(tmp_path, EMULATED, tmp_path / "none").preflight()
    assert (found.works, found.code) == (False, "no_kvm")
    assert found.mend
    assert asked(tmp_path) == 0


def test_without_the_right_to_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    backend = Kvm("sh", device=Path("/dev/null"), folder=tmp_path)
    monkeypatch.setattr(program, "find", lambda _: "/bin/sh")
    found = backend.preflight()
    assert (found.works, found.code) == (False, "no_permission")
    assert "kvm" in found.mend


def test_without_the_program(tmp_path: Path) -> None:
    found = Kvm("no-such-tender", folder=tmp_path).preflight()
    assert (found.works, found.code) == (False, "no_program")
    with pytest.raises(MissingPartError, match="no-such-tender"):
        Kvm("no-such-tender", folder=tmp_path).launch(IMAGE, [], [], Limits())


def test_a_machine_that_does_not_run_is_looked_at_again(tmp_path: Path) -> None:
    refused = {"works": False, "code": "kvm_failed", "detail": "KVM: cannot make a machine: out of memory"}
    found = look(tmp_path, refused).preflight()
    assert (found.works, found.code) == (False, "kvm_failed")
    assert "out of memory" in found.detail
    assert not (tmp_path / "cache").exists()
    assert look(tmp_path, EMULATED).preflight().works


def test_many_looks_are_one(tmp_path: Path) -> None:
    backend = look(tmp_path, {"works": False, "code": "kvm_failed", "detail": "x"})
    for _ in range(5):
        assert not backend.preflight().works
    assert asked(tmp_path) == 1


def test_words_that_it_would_refuse(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        look(tmp_path, EMULATED).launch(IMAGE, [], ["two words"], Limits())


def test_ring0_is_native_only_where_it_is_near_ring3() -> None:
    assert Calibration("b", 0.0, 0.0).ring0_is_native
    assert Calibration("b", 2.9, 0.3).ring0_is_native
    assert not Calibration("b", 3.1, 0.3).ring0_is_native
    assert not Calibration("b", 100.0, 0.0).ring0_is_native
    assert not Calibration("b", None, 0.3).ring0_is_native


@needs_kvm
@pytest.mark.parametrize("ring", ["1", "4", "", "03"])
def test_rings_that_are_none(ring: str) -> None:
    ended = bare.run([program.needed(PROGRAM), "--cpl", ring, "image"])
    assert (ended.status, b"--cpl is 0 or 3" in ended.stderr) == (REFUSED, True)
