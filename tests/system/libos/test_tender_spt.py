"""The backend `spt`: its tender holds a guest, and says what it needs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel import abi
from nexus.unikernel.abi import FaultKind
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tenders import program
from nexus.unikernel.tenders.spt import PROGRAM, Spt
from tests import libos_tender as bare
from tests.libos_trials import FAULTED, Trials

LOOK = Spt().preflight()
needs_spt = pytest.mark.skipif(not LOOK.works, reason=f"{LOOK.detail}; {LOOK.mend}")
IMAGE = Image(Path("/images/x"), "c", "x")


@needs_spt
class TestTender(Trials):
    program = program.find(PROGRAM) or PROGRAM

    @pytest.mark.parametrize("number", [1, 9, 10, 59, 60, 101, 231 | 0x40000000, 435])
    def test_a_system_call_of_its_own_ends_it(self, image: Path, number: int) -> None:
        # 1, write, with descriptor 0; 9, mmap; 10, mprotect; 59, execve; 60, exit; 101, ptrace; x32; clone3.
        assert self.run(image, f"fault syscall {number}").status == -signal.SIGSYS

    def test_a_system_call_of_the_old_kind_ends_it(self, image: Path) -> None:
        assert self.run(image, "fault interrupt").status in (-signal.SIGSYS, FAULTED)

    def test_an_instruction_that_is_none_ends_it(self, image: Path) -> None:
        assert self.run(image, "fault invalid").status == -signal.SIGILL

    def test_the_doorbell_page_is_no_memory(self, image: Path) -> None:
        ended = self.run(image, f"fault null-write {abi.DOORBELL}")
        assert (ended.status, ended.fault[0]) == (FAULTED, FaultKind.MEMORY)

    def test_its_arguments_are_not_the_guests_to_read(self, image: Path) -> None:
        with bare.started(self.argv(image, "sleep 600000")) as guest:
            self.wait_for_filter(guest.pid)
            assert str(image).encode() not in Path(f"/proc/{guest.pid}/cmdline").read_bytes()

    def test_where_it_was_is_told(self, image: Path) -> None:
        ip = self.run(image, "fault null-read 8").fault[1]
        assert abi.IMAGE <= ip < abi.IMAGE + 0x10000
        assert self.run(image, "fault jump 4096").fault[1:] == (4096, 4096)


def made(folder: Path, script: str) -> str:
    file = folder / "tender"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


@needs_spt
def test_preflight_of_this_machine() -> None:
    assert (LOOK.backend, LOOK.code, LOOK.mend) == ("spt", "", "")


def test_preflight_without_the_program() -> None:
    look = Spt("no-such-tender").preflight()
    assert (look.works, look.code) == (False, "no_program")
    assert "no-such-tender" in look.detail
    assert look.mend


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('echo \'{"works": false, "code": "no_seccomp", "detail": "no filter"}\'', "no_seccomp"),
        ("echo nonsense", "probe_failed"),
        ("echo '[]'", "probe_failed"),
        ('echo \'{"works": "yes"}\'', "probe_failed"),
        ("kill -SYS $$", "probe_failed"),
        ("", "probe_failed"),
    ],
)
def test_preflight_where_the_probe_fails(tmp_path: Path, script: str, code: str) -> None:
    look = Spt(made(tmp_path, script)).preflight()
    assert (look.works, look.code) == (False, code)
    assert look.detail
    assert bool(look.mend) == (code == "no_seccomp")


def test_a_preflight_that_failed_is_made_again(tmp_path: Path) -> None:
    spt = Spt(made(tmp_path, "exit 1"))
    spt._recent._seconds = 0.0
    assert not spt.preflight().works
    made(tmp_path, f'echo x >>{tmp_path}/asked; echo \'{{"works": true, "code": "", "detail": "yes"}}\'')
    assert spt.preflight().works
    assert spt.preflight().detail == "yes"
    assert (tmp_path / "asked").read_text() == "x\n"


def test_launch(tmp_path: Path) -> None:
    path = made(tmp_path, "")
    modules = [("lib", Path("/a/lib=1.nxa")), ("main.py", Path("/b/main.py"))]
    launch = Spt(path).launch(IMAGE, modules, ["one", "--two"], Limits(cpu=1.5, memory=32 << 20))
    assert launch.argv == (
        *(path, "--memory", str(32 << 20), "--cpu", "1.500000"),
        *("--module", "lib=/a/lib=1.nxa", "--module", "main.py=/b/main.py"),
        *("/images/x/image.elf", "one", "--two"),
    )
    assert (launch.frames, launch.channel_fd, launch.files) == ("forwarded", 3, ())


def test_launch_without_the_program() -> None:
    with pytest.raises(MissingPartError, match="no-such-tender"):
        Spt("no-such-tender").launch(IMAGE, [], [], Limits())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a=b"], []),
        ([""], []),
        (["n" * 48], []),
        (["é" * 24], []),
        (["a\0b"], []),
        (["a", "b", "a"], []),
        ([str(n) for n in range(33)], []),
        ([], [""]),
        ([], ["two words"]),
        ([], ["w"] * 64),
        ([], ["w" * 65536]),
    ],
)
def test_launch_of_what_the_tender_would_refuse(tmp_path: Path, names: list[str], words: list[str]) -> None:
    modules = [(name, Path("/m")) for name in names]
    with pytest.raises(InvalidInputError):
        Spt(made(tmp_path, "")).launch(IMAGE, modules, words, Limits())


@needs_spt
def test_the_tender_takes_the_largest_launch(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    bare.compiled(folder).rename(folder / "image.elf")
    file = tmp_path / "m"
    file.write_bytes(b"x")
    modules = [("é" * 23 + str(n % 10), file) for n in range(10)] + [(f"m{n}", file) for n in range(22)]
    words = ["hello", *("w" * 1055 for _ in range(62))]
    launch = Spt().launch(Image(folder, "c", "x"), modules, words, Limits(cpu=86_400, memory=8 << 20))
    ended = bare.run(launch.argv)
    assert (ended.status, ended.stderr) == (0, b"")
