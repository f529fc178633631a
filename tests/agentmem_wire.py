"""A broker in a process of its own, and its wire spoken by hand: what a client library never sends.

Knows the layout of native/agentmem/lib/wire.h and nothing of libagentmem. Every wait has a deadline.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sysconfig.get_path("scripts")) / "nexus-agentmemd"
MISSING = sys.platform != "linux" or not PROGRAM.exists()
WHY = "nexus-agentmemd is not installed; it needs Linux and libzstd-dev: make up"

(HELLO, PUBLISH, ACQUIRE, SEGMENT, OWN, DISOWN, MARK, HEAT, SHARE) = range(1, 10)
(HEAD_SET, HEAD_GET, STATE, FORGET, AGENTS, STATS, INVENTORY) = range(10, 17)
OK, EINVAL, ENOTFOUND, ETYPE, ESIZE, ESEALS, EQUOTA, ENOMEM, EDISK = range(0, -9, -1)
ECORRUPT, EACCESS, EBROKER, EFORKED, EPROTOCOL, EBUSY, EFILES = range(-9, -16, -1)
SILENT, TEXT, SECOND, DURABLE = 1, 2, 1, 1
CONVERSATION, SYSTEM_PROMPT, TOOL_DEF, TOOL_RESULT, KV_PAGE = range(1, 6)
RAW, ROPE = 1, 2
ACTIVE, IDLE, PAUSED = 1, 2, 3
NO_ID = bytes(32)
LEAVE = 0xFFFFFFFF
INLINE = 65536
PACKET = INLINE + 4096
SEALS = 2 | 4 | 8  # shrink, grow, write
PAGE_SLOTS = 64 + 4 * 1024  # bytes before the first slot of a client's page
DEADLINE = 60.0


@dataclass
class Answer:
    operation: int
    flags: int
    status: int
    sequence: int
    body: bytes
    fd: int  # -1: none

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def placed(self) -> Placed:
        assert self.status == OK, self.text
        return Placed(*struct.unpack("<32sQIBBBBIIQQ", self.body))

    def json(self) -> Any:
        assert self.status == OK, self.text
        try:
            return json.loads(os.pread(self.fd, os.fstat(self.fd).st_size, 0))
        finally:
            os.close(self.fd)


@dataclass
class Placed:
    id: bytes
    length: int
    number: int
    type: int
    form: int
    existed: int
    tier: int
    segment: int
    generation: int
    offset: int
    version: int


class Client:
    """One connection. It says nothing that the test does not tell it to."""

    def __init__(self, path: Path, timeout: float = DEADLINE) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.sequence = 0
        self.table = self.page = -1
        self.welcome: tuple[Any, ...] = ()

    def close(self) -> None:
        self.socket.close()
        for fd in (self.table, self.page):
            if fd >= 0:
                os.close(fd)
        self.table = self.page = -1

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def raw(self, packet: bytes, *fds: int) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([packet], rights)

    def send(self, operation: int, body: bytes = b"", *fds: int, flags: int = 0) -> int:
        self.sequence += 1
        self.raw(struct.pack("<HHIQ", operation, flags, len(body), self.sequence) + body, *fds)
        return self.sequence

    def receive(self) -> Answer | None:
        """The next answer; None when the broker has closed the connection."""
        try:
            data, rights, _, _ = self.socket.recvmsg(PACKET + 64, 256)
        except ConnectionResetError:
            return None
        if not data:
            return None
        fds = array.array("i")
        for _, _, given in rights:
            fds.frombytes(given)
        operation, flags, status, size, zero, sequence = struct.unpack_from("<HHiIIQ", data)
        assert zero == 0
        assert size == len(data) - 24
        return Answer(operation, flags, status, sequence, data[24:], fds[0] if fds else -1)

    def ask(self, operation: int, body: bytes = b"", *fds: int, flags: int = 0) -> Answer:
        sent = self.send(operation, body, *fds, flags=flags)
        answer = self.receive()
        assert answer is not None, "the broker closed the connection"
        assert (answer.operation, answer.sequence) == (operation, sent)
        return answer

    def hello(self, agent: str = "agent", realm: str = "realm", **said: int) -> Answer:
        names = realm.encode() + agent.encode()
        head = struct.pack(
            "<IIIIiHH",
            said.get("wire", 1),
            said.get("api", 1),
            said.get("importance", 50),
            said.get("flags", 0),
            said.get("pid", 0),
            len(realm.encode()),
            len(agent.encode()),
        )
        answer = self.ask(HELLO, head + names)
        if answer.status == OK:
            self.welcome = struct.unpack("<IIQ32s32sII", answer.body)
            second = self.receive()
            assert second is not None
            assert second.flags == SECOND
            self.table, self.page = answer.fd, second.fd
        return answer

    def publish(
        self,
        data: bytes,
        *,
        kind: int = TOOL_RESULT,
        claimed: bytes = NO_ID,
        private: int = 0,
        form: int = RAW,
        flags: int = 0,
    ) -> Answer:
        body = struct.pack("<32sQBBB5x", claimed, len(data), kind, form, private) + data
        return self.ask(PUBLISH, body, flags=flags)

    def publish_fd(self, fd: int, length: int, claimed: bytes = NO_ID, private: int = 0) -> Answer:
        return self.ask(PUBLISH, struct.pack("<32sQBBB5x", claimed, length, TOOL_RESULT, RAW, private), fd)

    def acquire(self, unit: bytes) -> Answer:
        return self.ask(ACQUIRE, unit)

    def bytes_of(self, placed: Placed) -> bytes:
        answer = self.ask(SEGMENT, struct.pack("<II", placed.segment, placed.generation))
        assert answer.status == OK, answer.text
        try:
            return os.pread(answer.fd, placed.length, placed.offset)
        finally:
            os.close(answer.fd)

    def refer(self, slot: int, number: int) -> None:
        """Take a reference as a client library does: the unit's number into a slot of the own page."""
        with mmap.mmap(self.page, 8192) as page:
            high = struct.unpack_from("<I", page, 0)[0]
            struct.pack_into("<I", page, PAGE_SLOTS + 4 * slot, number)
            struct.pack_into("<I", page, 0, max(high, slot + 1))
            struct.pack_into("<I", page, 4, 1)


def memfd(data: bytes, seals: int = SEALS) -> int:
    fd = os.memfd_create("unit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {DEADLINE:.0f} s: {what}")


class Broker:
    """nexus-agentmemd with a folder of its own."""

    def __init__(self, folder: Path, *options: str, files: int = 0) -> None:
        self.folder = folder / "agentmem"
        self.path = folder / "run" / "s"
        self.log = folder / "journal"
        sizes = [] if "--hot" in options else ["--hot", "64M", "--warm", "64M", "--cold", "0"]
        command = [PROGRAM, "--foreground", "--folder", self.folder, "--socket", self.path]
        self.log.touch()
        before = self.journal().count("event=serves")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command] + sizes + list(options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
                if files
                else None,
            )
        until(
            lambda: self.journal().count("event=serves") > before or self.process.poll() is not None,
            "it serves",
        )
        assert self.process.poll() is None, self.journal()

    def journal(self) -> str:
        return self.log.read_text()

    def client(self, timeout: float = DEADLINE) -> Client:
        return Client(self.path, timeout)

    def attached(self, agent: str = "agent", realm: str = "realm", **said: int) -> Client:
        client = self.client()
        answer = client.hello(agent, realm, **said)
        assert answer.status == OK, answer.text
        return client

    def stats(self) -> Any:
        with self.client() as client:
            return client.ask(STATS).json()

    def agents(self) -> dict[str, Any]:
        with self.client() as client:
            return {agent["name"]: agent for agent in client.ask(AGENTS).json()}

    @property
    def worker(self) -> int:
        """The pid of the broker's process, the supervisor's child."""
        return int(self.stats()["process"]["pid"])

    def files(self) -> int:
        """Descriptors that the broker's process has open."""
        return len(list(Path(f"/proc/{self.worker}/fd").iterdir()))

    def kill_worker(self) -> None:
        """kill -9 of the broker's process, and wait until the next one serves."""
        served = self.journal().count("event=serves")
        os.kill(self.worker, signal.SIGKILL)
        until(lambda: self.journal().count("event=serves") > served, "the next broker serves")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(DEADLINE)


@contextmanager
def broker(folder: Path, *options: str, files: int = 0) -> Iterator[Broker]:
    running = Broker(folder, *options, files=files)
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0, running.journal()


def drop_to(user: int) -> None:
    """Become another user, for good; os.setuid keeps what glibc's threads need."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # and end with the test
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
