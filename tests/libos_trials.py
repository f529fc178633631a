"""What every compiled tender keeps, whatever runs the guest. Files of tests name theirs in a subclass."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus.unikernel import abi
from nexus.unikernel.abi import Errno, FaultKind, Op
from tests import libos_tender as bare
from tests.libos_tender import Ended, reply

REFUSED, FAULTED = 125, 139
MEMORY = 16 << 20

# Runs argv[1:] with a channel whose other end it holds, says the process id, and waits to be killed.
PARENT = """
import os, socket, sys, time
ours, theirs = socket.socketpair()
moves = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)]
print(os.posix_spawn(sys.argv[1], sys.argv[1:], {}, file_actions=moves), flush=True)
theirs.close()
time.sleep(600)
"""


class Trials:
    """A subclass sets `program` and `options`, and the fixture `image` gives the guest."""

    program: str
    options: tuple[str, ...] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return bare.compiled(tmp_path_factory.mktemp("guest"))

    def argv(self, image: Path, words: str, *options: str) -> list[str]:
        given = ("--memory", str(MEMORY), *self.options, *options)
        return [self.program, *given, str(image), *words.split()]

    def run(self, image: Path, words: str, *options: str, **more: object) -> Ended:
        return bare.run(self.argv(image, words, *options), **more)  # type: ignore[arg-type]

    # What a guest is given.

    def test_hello(self, image: Path) -> None:
        assert self.run(image, "hello") == Ended(0, b"hello from the guest\n", b"")

    def test_standard_error_is_apart(self, image: Path) -> None:
        assert self.run(image, "errors") == Ended(0, b"", b"to errors\n")

    @pytest.mark.parametrize(("given", "status"), [(0, 0), (7, 7), (255, 255), (256, 255)])
    def test_exit_status(self, image: Path, given: int, status: int) -> None:
        assert self.run(image, f"status {given}").status == status

    def test_words(self, image: Path) -> None:
        assert self.run(image, "words --memory=1 é -- x").stdout.decode() == "--memory=1 é -- x"

    def test_memory_is_zero_to_its_end(self, image: Path) -> None:
        end = abi.BASE + MEMORY
        assert self.run(image, "memory").stdout.split() == [b"0", b"0", b"0", str(end).encode()]

    def test_memory_is_rounded_up(self, image: Path) -> None:
        ended = self.run(image, "memory", "--memory", str((32 << 20) - 5))
        assert int(ended.stdout.split()[3]) == abi.BASE + (32 << 20)

    def test_modules(self, image: Path, tmp_path: Path) -> None:
        contents = {"lib": os.urandom(10_000), "empty": b"", "main.py": b"print(1)\n", "x" * 47: b"y" * 4096}
        options = []
        for number, (name, content) in enumerate(contents.items()):
            (tmp_path / f"{number}=").write_bytes(content)
            options += ["--module", f"{name}={tmp_path / f'{number}='}"]
        expected = b"".join(b"%s\n%d\n%s\n" % (n.encode(), len(c), c) for n, c in contents.items())
        assert self.run(image, "modules", *options).stdout == expected

    def test_input_arrives_whole(self, image: Path) -> None:
        given = os.urandom(1 << 20)
        ended = self.run(image, "echo", stdin=given)
        assert ended.status == 0
        assert ended.stdout == given

    def test_clocks(self, image: Path) -> None:
        before = time.time_ns()
        now, slept = map(int, self.run(image, "clocks").stdout.split())
        assert before <= now <= time.time_ns()
        assert slept >= 20_000_000

    def test_random_numbers_differ(self, image: Path) -> None:
        first, second = (self.run(image, "random").stdout for _ in range(2))
        assert len(first) == len(second) == len(b"64\n") + 64
        assert first != second

    # What it may not.

    def test_bad_sizes_and_buffers_are_answered(self, image: Path) -> None:
        said = [-int(line) for line in self.run(image, "refusals").stdout.split()]
        fault, invalid = Errno.EFAULT, Errno.EINVAL
        large, unknown = Errno.E2BIG, Errno.ENOSYS
        expected = [invalid, fault, fault, fault, large, fault, fault, invalid, invalid, unknown, invalid]
        assert said == expected

    @pytest.mark.parametrize(
        ("trial", "address"),
        [
            ("null-read 0", 0),
            ("null-write 8", 8),
            ("null-read 65536", 0x10000),
            (f"null-write {abi.BASE - 1}", abi.BASE - 1),
            (f"read {abi.BASE + MEMORY}", abi.BASE + MEMORY),
            (f"read {1 << 46}", 1 << 46),
            ("write-text", None),
            ("write-constant", None),
            ("run-data", None),
            ("run-constant", None),
            ("run-stack", None),
            ("run-heap", None),
            ("jump 0", 0),
            ("jump 4096", 4096),
            ("behind", abi.BASE + MEMORY),
            ("halt", None),
            ("port", None),
            ("privileged", None),
        ],
    )
    def test_a_fault_ends_it(self, image: Path, trial: str, address: int | None) -> None:
        ended = self.run(image, f"fault {trial}")
        assert (ended.status, ended.stdout, ended.stderr) == (FAULTED, b"", b"")
        kind, ip, touched = ended.fault
        assert kind == FaultKind.MEMORY
        # A processor may forget where it was (AMD's, at a triple fault).
        assert ip == 0 or address in (None, touched)

    def test_a_stack_that_runs_over_ends_it(self, image: Path) -> None:
        ended = self.run(image, "fault stack")
        kind, ip, touched = ended.fault
        assert (ended.status, kind) == (FAULTED, FaultKind.MEMORY)
        assert ip == 0 or abi.BASE - 4096 <= touched < abi.BASE

    @pytest.mark.parametrize("trial", ["write-module", "run-module"])
    def test_modules_are_for_reading(self, image: Path, tmp_path: Path, trial: str) -> None:
        file = tmp_path / "module"
        file.write_bytes(b"\xc3" * 100)
        ended = self.run(image, f"fault {trial}", "--module", f"m={file}")
        assert (ended.status, ended.fault[0]) == (FAULTED, FaultKind.MEMORY)
        assert file.read_bytes() == b"\xc3" * 100

    @pytest.mark.parametrize(
        "block",
        [0, 8, 0x100000, abi.BASE - 8, abi.IMAGE, abi.BASE + MEMORY - 63, abi.BASE + MEMORY, 0xFFFFFFFF],
    )
    def test_a_block_that_is_not_its_own_ends_it(self, image: Path, block: int) -> None:
        ended = self.run(image, f"block {block}")
        kind, _, address = ended.fault
        assert (ended.status, kind, address) == (FAULTED, FaultKind.DOORBELL, block)

    def test_an_endless_loop_ends_with_its_time(self, image: Path) -> None:
        assert self.run(image, "loop", "--cpu", "0.15").status == -signal.SIGPROF

    def test_a_signal_that_the_parent_ignores_or_blocks_ends_it(self, image: Path) -> None:
        before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
        try:
            assert self.run(image, "loop", "--cpu", "0.1").status == -signal.SIGPROF
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
            signal.signal(signal.SIGPROF, before)

    # The channel.

    def test_other_calls_are_forwarded(self, image: Path) -> None:
        def answer(op: int, arg: int, data: bytes, out_cap: int) -> bytes:
            return reply(42, data[::-1])

        ended = self.run(image, "forward 7 99 1000 abc def", answer=answer)
        assert ended.frames == [(Op.CALL, 99, b"abc def", 1000)]
        assert ended.stdout == b"42\n7\nfed cba"

    def test_an_error_arrives(self, image: Path) -> None:
        assert self.run(image, "forward 16 0 10 /x").stdout == b"-38\n0\n"

    def test_a_reply_that_has_no_room_is_told(self, image: Path) -> None:
        def answer(op: int, arg: int, data: bytes, out_cap: int) -> bytes:
            return reply(-Errno.EMSGSIZE, out_len=5000)

        assert self.run(image, "forward 6 0 100 x", answer=answer).stdout == b"-90\n5000\n"

    def test_the_largest_payload_both_ways(self, image: Path) -> None:
        def answer(op: int, arg: int, data: bytes, out_cap: int) -> bytes:
            assert out_cap == len(data) == abi.PAYLOAD_MAX
            return reply(1, bytes((b + 1) & 255 for b in data))

        ended = self.run(image, "large-forward", answer=answer)
        assert (ended.status, ended.stdout) == (0, b"1\n")

    @pytest.mark.parametrize("out_len", [101, 0xFFFFFFFF])
    def test_a_reply_larger_than_asked_for_ends_it(self, image: Path, out_len: int) -> None:
        ended = self.run(image, "forward 7 0 100 x", answer=lambda *_: reply(0, b"y" * 200, out_len))
        assert (ended.status, ended.stdout) == (REFUSED, b"")
        assert b"larger" in ended.stderr

    @pytest.mark.parametrize(
        "piece", [b"", b"half", abi.REPLY.pack(0, 10, 0), abi.REPLY.pack(0, 10, 0) + b"12345"]
    )
    def test_a_channel_that_closes_ends_it(self, image: Path, piece: bytes) -> None:
        with bare.started(self.argv(image, "forward 7 0 100 x")) as guest:
            assert guest.channel.recv(100)
            guest.channel.sendall(piece)
            guest.channel.close()
            assert guest.wait() == REFUSED

    def test_without_a_channel_what_needs_none_runs(self, image: Path) -> None:
        def said(words: str) -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(self.argv(image, words), capture_output=True, env={}, check=False)

        assert said("hello").stdout == b"hello from the guest\n"
        assert said("forward 7 0 100 x").returncode == REFUSED

    def test_output_that_nobody_reads(self, image: Path) -> None:
        with bare.started(self.argv(image, "output 100")) as guest:
            os.close(guest.stdout)
            guest.stdout = -1
            assert guest.wait() == 3

    def test_it_dies_with_its_parent(self, image: Path) -> None:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, *self.argv(image, "loop")], stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        with parent:
            pid = int(parent.stdout.readline())
            self.wait_for_filter(pid)
            parent.kill()
        until = time.monotonic() + bare.SECONDS
        while (state := self.state(pid)) not in ("", "Z", "X"):
            assert time.monotonic() < until, state
            time.sleep(0.01)

    # What is seen from outside.

    @staticmethod
    def state(pid: int) -> str:
        try:
            return bare.status_of(pid)["State"][:1]
        except (FileNotFoundError, ProcessLookupError):
            return ""

    @staticmethod
    def wait_for_filter(pid: int) -> None:
        until = time.monotonic() + bare.SECONDS
        while bare.status_of(pid)["Seccomp"] != "2":
            assert time.monotonic() < until
            time.sleep(0.005)

    def test_it_has_given_up_what_it_had(self, image: Path) -> None:
        environment = {"SECRET": "not for guests"}
        with bare.started(self.argv(image, "sleep 600000"), environment) as guest:
            self.wait_for_filter(guest.pid)
            status = bare.status_of(guest.pid)
            assert status["NoNewPrivs"] == "1"
            assert all(int(status[f"Cap{which}"], 16) == 0 for which in ("Inh", "Prm", "Eff", "Amb"))
            if os.getuid() == 0:
                assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4
                assert status["Groups"] == ""
            assert b"not for guests" not in Path(f"/proc/{guest.pid}/environ").read_bytes()
            assert {fd.name for fd in Path(f"/proc/{guest.pid}/fd").iterdir()} <= {"0", "1", "2", "3", "4"}
            core = Path(f"/proc/{guest.pid}/limits").read_text().split("Max core file size")[1].split()
            assert core[:2] == ["0", "0"]
            maps = Path(f"/proc/{guest.pid}/maps").read_text()
            assert not [line for line in maps.splitlines() if "wx" in line.split()[1]]

    def test_a_sleeping_guest_takes_little_memory(self, image: Path) -> None:
        with bare.started(self.argv(image, "sleep 600000")) as guest:
            self.wait_for_filter(guest.pid)
            sizes = bare.kilobytes(guest.pid)
            assert sizes["Private_Dirty"] + sizes["Private_Clean"] < 1024

    # Command lines and files that are no good: one line that names them.

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "the image is missing"),
            (["--memory", "1G", "i"], "1G: --memory is a number"),
            (["--cpu", "-1", "i"], "-1: --cpu is a number"),
            (["--what", "i"], "--what: no such option"),
            (["--module", "x", "i"], "x: --module is NAME=FILE"),
            (["/nowhere\x1b[31m\n"], "/nowhere?[31m?: cannot be opened: no such file"),
            (["/"], "/: not a file: a folder"),
            (["/dev/null"], "/dev/null: not a file"),
            (["/proc/self/status"], "/proc/self/status: not an ELF file"),
        ],
    )
    def test_a_bad_command_line_is_refused(self, arguments: list[str], said: str) -> None:
        ended = bare.run([self.program, *arguments])
        assert (ended.status, ended.stdout, ended.frames) == (REFUSED, b"", [])
        assert ended.stderr.decode().startswith(f"{Path(self.program).name}: {said}")
        assert ended.stderr.count(b"\n") == 1

    def test_images_that_are_none_are_refused(self, image: Path, tmp_path: Path) -> None:
        good = image.read_bytes()
        bad = tmp_path / "bad.elf"
        for content, said in (
            (b"", "shorter"),
            (b"#!/bin/sh\n" * 100, "not an ELF"),
            (good[:5000], "outside of the file"),
            (Path(self.program).read_bytes(), "ET_EXEC"),
        ):
            bad.write_bytes(content)
            ended = self.run(bad, "hello")
            assert (ended.status, ended.stdout) == (REFUSED, b"")
            assert ended.stderr.startswith(f"{Path(self.program).name}: {bad}: ".encode())
            assert said.encode() in ended.stderr

    def test_a_fifo_is_no_image(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        ended = self.run(tmp_path / "fifo", "hello")
        assert ended.status == REFUSED
        assert b"not a file" in ended.stderr

    def test_modules_that_cannot_be_given_are_refused(self, image: Path, tmp_path: Path) -> None:
        large = tmp_path / "large"
        with large.open("wb") as file:
            file.truncate(MEMORY)
        for module, said in ((large, "m: it does not fit"), (tmp_path / "none", "cannot be opened")):
            ended = self.run(image, "hello", "--module", f"m={module}")
            assert (ended.status, ended.stdout) == (REFUSED, b"")
            assert said.encode() in ended.stderr

    def test_memory_too_small_for_the_image_is_refused(self, image: Path) -> None:
        ended = self.run(image, "hello", "--memory", "1")
        assert ended.status == REFUSED
        assert b"does not fit into the guest's memory" in ended.stderr
