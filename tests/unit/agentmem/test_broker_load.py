"""Clients that take too much: each bound says so, and everybody else is served meanwhile."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from scripts.kernel import stats as kernel_stats

from tests import agentmem_wire as wire
from tests.agentmem_wire import Broker, broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def stuff(running: Broker, client: wire.Client, operation: int, body: bytes = b"") -> int:
    """Send requests and read nothing until answers wait in the broker; how many were sent."""
    before, sent = running.stats()["server"]["answers_queued"], 0

    def waiting() -> bool:
        nonlocal sent
        client.socket.setblocking(False)
        try:
            while True:
                client.send(operation, body)
                sent += 1
        except BlockingIOError:
            client.sequence -= 1
        client.socket.settimeout(wire.DEADLINE)
        return bool(running.stats()["server"]["answers_queued"] > before + 32)

    wire.until(waiting, "answers wait")
    return sent


def test_a_client_that_reads_nothing_is_not_read_and_gets_all_answers_later(running: Broker) -> None:
    with running.attached("lazy") as lazy, running.attached("other") as other:
        unit = lazy.publish(b"asked for again and again").placed.id
        sent = stuff(running, lazy, wire.ACQUIRE, unit)
        for _ in range(20):
            assert other.acquire(unit).status == wire.OK
        first = lazy.sequence - sent + 1
        for sequence in range(first, first + sent):
            answer = lazy.receive()
            assert answer is not None
            assert (answer.status, answer.sequence) == (wire.OK, sequence)
        assert lazy.publish(b"and goes on").status == wire.OK


def test_descriptors_in_answers_that_nobody_takes_are_bounded(running: Broker) -> None:
    before = running.files()
    with running.attached("hoarder") as hoarder, running.attached("other") as other:
        stuff(running, hoarder, wire.STATS)
        assert other.publish(b"served").status == wire.OK
        assert running.stats()["server"]["files_queued"] <= 64
        assert running.files() <= before + 64 + 12
    wire.until(lambda: running.stats()["server"]["files_queued"] == 0, "they are closed with the client")
    wire.until(lambda: running.files() <= before + 4, "every descriptor is closed")


def test_who_takes_no_answer_for_too_long_or_says_no_hello_is_closed(tmp_path: Path) -> None:
    with broker(tmp_path, "--patience", "1s") as own, own.attached("patient") as patient:
        silent = own.client()
        lazy = own.attached("lazy")
        stuff(own, lazy, wire.STATS)
        wire.until(lambda: "it did not say HELLO" in own.journal(), "the silent one is closed")
        wire.until(lambda: "it does not take its answers" in own.journal(), "the lazy one is closed")
        assert silent.receive() is None
        assert own.stats()["server"]["closed_slow"] == 2
        assert patient.publish(b"still served").status == wire.OK
        silent.close()
        lazy.close()


def test_connections_are_bounded_in_all_and_for_one_process(tmp_path: Path) -> None:
    with broker(tmp_path, "--connections", "300") as own, ExitStack() as stack:
        first = stack.enter_context(own.attached("first"))
        refused = ""
        for _ in range(300):
            client = stack.enter_context(own.client())
            answer = client.receive() if own_is_over(client) else None
            if answer is not None:
                assert answer.status == wire.EBUSY
                refused = answer.text
                break
        assert "256" in refused
        assert first.publish(b"served").status == wire.OK
    with broker(tmp_path, "--connections", "5") as own, ExitStack() as stack:
        clients = [stack.enter_context(own.attached(f"agent {n}")) for n in range(5)]
        with own.client() as late:
            answer = late.receive()
            assert answer is not None
            assert answer.status == wire.EBUSY
            assert "--connections" in answer.text
        clients[0].close()
        wire.until(lambda: "agent 0" not in clients_agents(clients[1]), "one has left")
        assert stack.enter_context(own.attached("late")).publish(b"served").status == wire.OK


def own_is_over(client: wire.Client) -> bool:
    """Has the broker sent something to a client that said nothing?"""
    client.socket.settimeout(0.02)
    try:
        return bool(client.socket.recv(1, socket.MSG_PEEK)) or True
    except TimeoutError:
        return False
    finally:
        client.socket.settimeout(wire.DEADLINE)


def clients_agents(client: wire.Client) -> set[str]:
    """The names of all agents; none while the broker has no descriptor for the answer."""
    answer = client.ask(wire.AGENTS)
    if answer.status != wire.OK:
        assert answer.status in (wire.EFILES, wire.ENOMEM), answer.text
        return set()
    return {agent["name"] for agent in answer.json()}


def test_without_descriptors_left_clients_are_told_and_it_recovers(tmp_path: Path) -> None:
    with broker(tmp_path, files=64) as own, ExitStack() as stack:
        first = stack.enter_context(own.attached("first"))
        clients = []
        told = None
        for n in range(64):
            client = own.client()
            clients.append(client)
            head = struct.pack("<IIIIiHH", 1, 1, 50, 0, 0, 5, 9)
            with suppress(ConnectionError):  # it was told and closed before
                client.send(wire.HELLO, head + b"realm" + b"agent %03d" % n)
            answer = client.receive()
            if answer is not None and answer.fd >= 0:
                os.close(answer.fd)
            if answer is not None and answer.status != wire.OK:
                told = answer
                break
        assert told is not None
        assert told.status in (wire.EFILES, wire.ENOMEM), told.text
        assert first.publish(b"still served").status == wire.OK
        for client in clients:
            client.close()
        wire.until(lambda: clients_agents(first) == {"first"}, "they have left")

        def served() -> bool:
            try:
                with own.attached("again") as again:
                    return again.publish(b"served").status == wire.OK
            except (AssertionError, ConnectionError):
                return False

        wire.until(served, "it serves again")


def test_a_flood_does_not_starve_others(running: Broker) -> None:
    with running.attached("flood") as flood, running.attached("other") as other:
        flood.socket.setblocking(False)
        for n in range(200):
            for _ in range(50):
                try:
                    flood.send(wire.DISOWN, wire.NO_ID, flags=wire.SILENT)
                except BlockingIOError:
                    break
            assert other.publish(b"unit %d" % n).status == wire.OK


def test_heat_is_bounded_and_goes_on_behind(running: Broker) -> None:
    with running.attached("heater") as client:
        ids = b"".join(client.publish(b"unit %d" % n).placed.id for n in range(50))
        assert client.ask(wire.HEAT, ids).status == wire.OK
        assert client.ask(wire.HEAT, os.urandom(32) * 2000).status == wire.OK
        assert client.acquire(ids[:32]).status == wire.OK


def test_the_sandbox_is_on_and_told(running: Broker) -> None:
    process = running.stats()["process"]
    if "sanitizer" in process["seccomp"]["reason"]:
        pytest.skip("this build has a sanitizer, with which the list of system calls is off")
    assert process["seccomp"]["on"], process["seccomp"]["reason"]
    assert process["undumpable"]["on"]
    status = Path(f"/proc/{process['pid']}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    if not process["landlock"]["on"]:
        pytest.skip(process["landlock"]["reason"])


def test_stats_and_agents_are_sealed_json_with_every_field_of_the_format_page(running: Broker) -> None:
    page = (Path(__file__).parents[3] / "docs/formats/agentmem-stats.md").read_text()
    with running.attached("shown") as client:
        client.publish(b"something")
        answer = client.ask(wire.STATS)
        with pytest.raises(PermissionError):
            os.write(answer.fd, b"x")
        stats = answer.json()
        agents = client.ask(wire.AGENTS).json()

    def keys(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inside in value.items():
                yield key
                yield from keys(inside)
        elif isinstance(value, list):
            for inside in value:
                yield from keys(inside)

    assert stats["format"] == 1
    missing = {key for key in (*keys(stats), *keys(agents)) if f"`{key}`" not in page}
    assert missing == set()
    assert stats["server"]["by_operation"]["PUBLISH"] >= 1


def test_the_text_has_a_line_for_each_agent(running: Broker) -> None:
    with running.attached("one of them"):
        shown = subprocess.run(
            [wire.PROGRAM, "--stats", running.path], capture_output=True, text=True, check=True
        )
    assert kernel_stats.differences(shown.stdout) == []  # the same as /proc/agent_stats
    figures = kernel_stats.parse(shown.stdout)
    assert "realm/one of them" in [agent.name for agent in figures.agents]
    assert figures.totals["Agents"] == len(figures.agents)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    for arguments, named in (
        (["--hot", "lots"], "--hot lots"),
        (["--hot", "1K"], "from 1M on"),
        (["--idle-after", "5"], "--idle-after 5"),
        (["--workers", "0"], "1 to 64"),
        (["--wrong"], "--wrong"),
        (["--folder"], "--folder"),
        (["extra"], "extra"),
        (["--socket", "/" + "s" * 120], "107 bytes"),
    ):
        run = subprocess.run([wire.PROGRAM, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == 2
        assert named in run.stderr
        assert run.stderr.count("\n") == 1
    assert subprocess.run([wire.PROGRAM, "--help"], capture_output=True).returncode == 0
    shown = subprocess.run([wire.PROGRAM, "--version"], capture_output=True, text=True)
    assert shown.stdout.startswith("nexus-agentmemd")
    assert struct.calcsize("<HHIQ") == 16
