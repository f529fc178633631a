"""Ends: of clients, of agents, of the broker and of its supervisor."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from tests import agentmem_wire as wire
from tests.agentmem_wire import Broker, broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)
LARGE = os.urandom(1 << 16) * 20


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_free(lock: Path) -> bool:
    """Does nobody hold it? A process of threads is a zombie before its last thread has let go."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_an_agent_ends_with_its_process_also_when_another_holds_its_socket(tmp_path: Path) -> None:
    with broker(tmp_path) as own:
        before = own.files()
        ready, told = os.pipe()
        parent = os.fork()
        if parent == 0:
            client = own.attached("forked")
            client.publish(b"what it owned alone")
            child = os.fork()
            if child == 0:
                signal.pause()  # holds the socket, the table and the page
            os.write(told, child.to_bytes(4, "little"))
            signal.pause()
        child = int.from_bytes(os.read(ready, 4), "little")
        os.close(ready)
        os.close(told)
        try:
            assert own.agents()["forked"]["pid"] == parent
            os.kill(parent, signal.SIGKILL)
            os.waitpid(parent, 0)
            wire.until(lambda: "forked" not in own.agents(), "the agent has ended")
            wire.until(lambda: own.stats()["store"]["units"] == 0, "its unit is freed")
            assert alive(child)
            assert own.stats()["server"]["processes_ended"] == 1
            # What stays is the realm's: its table, what is known of its units, segments.
            wire.until(lambda: own.files() <= before + 4, "every descriptor of the agent is closed")
        finally:
            os.kill(child, signal.SIGKILL)


def test_what_a_client_said_before_it_ended_counts(tmp_path: Path) -> None:
    with broker(tmp_path) as own, own.attached("stays") as stays:
        for n in range(20):
            client = own.attached(f"brief {n}")
            client.publish(b"unit %d" % n, flags=0)
            unit = client.publish(b"unit %d" % n).placed.id
            stays.ask(wire.OWN, unit)
            client.send(wire.DISOWN, unit, flags=wire.SILENT)
            client.close()
        wire.until(lambda: len(own.agents()) == 1, "the brief ones have ended")
        assert own.agents()["stays"]["units"] == 20


def test_the_broker_is_killed_and_the_next_one_has_all_of_it(tmp_path: Path) -> None:
    with broker(tmp_path) as own:
        client = own.attached("held")
        small = client.publish(b"a small unit").placed
        fd = wire.memfd(LARGE)
        large = client.publish_fd(fd, len(LARGE)).placed
        os.close(fd)
        unowned = client.publish(b"only referred to").placed
        client.refer(1, unowned.number)
        assert client.ask(wire.DISOWN, unowned.id).status == wire.OK
        segment = client.ask(wire.SEGMENT, struct.pack("<II", unowned.segment, unowned.generation))
        mapped = mmap.mmap(segment.fd, 4096, prot=mmap.PROT_READ)
        epoch = client.welcome[2]
        for _ in range(12):
            own.kill_worker()
        assert client.receive() is None
        again = own.attached("held")
        assert again.welcome[2] != epoch
        assert again.welcome[3:5] == client.welcome[3:5]
        assert again.bytes_of(again.acquire(small.id).placed) == b"a small unit"
        assert again.bytes_of(again.acquire(large.id).placed) == LARGE
        # The page of the client from before still holds it, although nobody owns it.
        held = again.acquire(unowned.id).placed
        assert again.bytes_of(held) == b"only referred to"
        assert mapped[unowned.offset : unowned.offset + 16] == b"only referred to"
        assert own.stats()["process"]["restarts"] == 12
        assert own.agents()["held"]["units"] == 2
        mapped.close()
        os.close(segment.fd)
        again.close()
        client.close()


def test_brokers_that_crash_at_once_begin_without_what_was_kept(tmp_path: Path) -> None:
    with broker(tmp_path) as own, own.attached("unlucky") as client:
        client.publish(b"perhaps this is what kills it")
        for _ in range(8):
            assert "kept_given_up" not in own.journal()
            served = own.journal().count("event=serves")
            os.kill(own.worker, signal.SIGSEGV)
            wire.until(lambda: own.journal().count("event=serves") > served, "the next one serves")  # noqa: B023
        assert own.journal().count("event=kept_given_up") == 1
        assert own.agents() == {}


def test_clients_that_connect_while_there_is_no_broker_wait_and_are_served(tmp_path: Path) -> None:
    with broker(tmp_path) as own:
        done = threading.Event()
        failures: set[str] = set()

        def come_and_go(number: int) -> None:
            while not done.is_set():
                try:
                    with own.client() as client:
                        if client.hello(f"agent {number}").status == wire.OK:
                            client.publish(b"x" * number)
                except ConnectionError:
                    pass  # the broker was killed in the middle of this one
                except AssertionError:
                    pass  # the same, between two packets
                except OSError as error:
                    failures.add(repr(error))  # refused or timed out: the socket was not there

        threads = [threading.Thread(target=come_and_go, args=(n,)) for n in (1, 2)]
        try:
            for thread in threads:
                thread.start()
            for _ in range(4):
                own.kill_worker()
        finally:
            done.set()
            for thread in threads:
                thread.join(wire.DEADLINE)
        assert failures == set()
        assert own.stats()["process"]["restarts"] == 4


def test_a_supervisor_that_is_killed_takes_its_broker_with_it(tmp_path: Path) -> None:
    own = Broker(tmp_path)
    worker = own.worker
    client = own.attached("left")
    own.process.kill()
    own.process.wait(wire.DEADLINE)
    wire.until(lambda: not alive(worker), "the broker has ended")
    assert client.receive() is None
    client.close()
    assert "reason=supervisor_ended" in own.journal()
    assert not own.path.exists()
    with broker(tmp_path) as next_one:  # the locks are free again
        assert next_one.stats()["process"]["restarts"] == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both_and_leaves_no_socket(tmp_path: Path, signum: signal.Signals) -> None:
    own = Broker(tmp_path)
    worker = own.worker
    client = own.attached()
    own.process.send_signal(signum)
    assert own.process.wait(wire.DEADLINE) == 0
    assert client.receive() is None
    client.close()
    assert not alive(worker)
    assert not own.path.exists()


def test_a_socket_that_a_dead_broker_left_is_taken_over(tmp_path: Path) -> None:
    own = Broker(tmp_path)
    worker = own.worker
    os.kill(own.process.pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    own.process.kill()
    own.process.wait(wire.DEADLINE)
    wire.until(lambda: is_free(own.folder / "lock"), "the broker's locks are free")
    wire.until(lambda: is_free(own.path.with_name("s.lock")), "the broker's locks are free")
    assert own.path.exists()
    with broker(tmp_path) as next_one, next_one.attached() as client:
        assert client.publish(b"served").status == wire.OK


def test_an_agent_of_the_broker_before_ends_when_its_process_has(tmp_path: Path) -> None:
    with broker(tmp_path) as own:
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            client = own.attached("orphan")
            client.publish(b"of the orphan")
            os.write(told, b"1")
            signal.pause()
        assert os.read(ready, 1) == b"1"
        own.kill_worker()
        assert own.agents()["orphan"]["units"] == 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        wire.until(lambda: "orphan" not in own.agents(), "the agent has ended")
        os.close(ready)
        os.close(told)


def test_a_quiet_agent_is_idle_and_a_request_wakes_it_and_a_pause_lasts(tmp_path: Path) -> None:
    with (
        broker(tmp_path, "--idle-after", "1s") as own,
        own.attached("quiet") as quiet,
        own.attached("boss") as boss,
    ):

        def state() -> str:
            return str(own.agents()["quiet"]["state"])

        wire.until(lambda: state() == "idle", "it is idle")
        quiet.publish(b"a request")
        assert state() in ("active", "idle")
        wire.until(lambda: quiet.publish(b"more").status == wire.OK and state() == "active", "it is active")
        assert boss.ask(wire.STATE, struct.pack("<II", wire.PAUSED, 80) + b"quiet").status == wire.OK
        quiet.publish(b"still asks")
        assert (state(), own.agents()["quiet"]["importance"]) == ("paused", 80)
        assert quiet.ask(wire.STATE, struct.pack("<II", wire.ACTIVE, wire.LEAVE)).status == wire.OK
        assert (state(), own.agents()["quiet"]["importance"]) == ("active", 80)


def test_it_leaves_the_terminal_and_says_when_it_serves(tmp_path: Path) -> None:
    folder, path = tmp_path / "agentmem", tmp_path / "run" / "s"
    started = subprocess.run(
        [wire.PROGRAM, "--folder", folder, "--socket", path, "--cold", "0"], capture_output=True, text=True
    )
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    shown = subprocess.run([wire.PROGRAM, "--stats", path], capture_output=True, text=True, check=True)
    assert "StoredBytes" in shown.stdout
    journal = (folder / "agentmemd.log").read_text()
    assert "event=serves" in journal
    with wire.Client(path) as client:
        worker = int(client.ask(wire.STATS).json()["process"]["pid"])
    os.kill(worker, signal.SIGTERM)
    wire.until(lambda: not path.exists(), "both have ended")
    shown = subprocess.run([wire.PROGRAM, "--stats", path], capture_output=True, text=True)
    assert shown.returncode == 1
    assert "start nexus-agentmemd" in shown.stderr


def test_a_broker_that_cannot_start_says_why_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "agentmem").mkdir(mode=0o700)
    (tmp_path / "agentmem" / "cold").write_text("no folder")
    run = subprocess.run(
        [wire.PROGRAM, "--foreground", "--folder", tmp_path / "agentmem", "--socket", tmp_path / "run" / "s"],
        capture_output=True,
        text=True,
        timeout=wire.DEADLINE,
    )
    assert run.returncode != 0
    assert "event=cannot_serve" in run.stderr
