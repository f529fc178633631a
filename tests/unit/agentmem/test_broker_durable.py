"""Durable agents over the bare wire: what is on the disk is there after an end, and damage is named."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import agentmem_wire as wire
from tests.agentmem_wire import broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)
SIZES = ("--hot", "64M", "--warm", "16M", "--cold", "256M")


def fsck(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([wire.PROGRAM, "--check", folder], capture_output=True, text=True)


def test_what_a_durable_agent_owns_outlives_the_broker(tmp_path: Path) -> None:
    units = {}
    with broker(tmp_path, *SIZES) as own, own.attached("lasting", flags=wire.DURABLE) as client:
        for n in range(40):
            data = os.urandom(50 + 997 * n)
            units[client.publish(data, kind=wire.CONVERSATION, private=n % 2).placed.id] = data
        first = next(iter(units))
        assert client.ask(wire.HEAD_SET, first + b"now").status == wire.OK
    with broker(tmp_path, *SIZES) as own:
        assert own.agents()["lasting"]["units"] == 40
        with own.attached("lasting", flags=wire.DURABLE) as client:
            for unit, data in units.items():
                assert client.bytes_of(client.acquire(unit).placed) == data
            assert client.ask(wire.HEAD_GET, b"now").placed.id == first
            assert "another broker" in fsck(own.folder).stderr
            process = own.stats()["process"]
            assert process["restarts"] == 0
    checked = fsck(own.folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "units 40," in checked.stdout


def test_a_request_to_end_that_comes_again_and_again_costs_nothing(tmp_path: Path) -> None:
    """As one does for each thread of a parent that is killed."""
    units = {}
    with broker(tmp_path, *SIZES) as own, own.attached("lasting", flags=wire.DURABLE) as client:
        for n in range(300):
            data = os.urandom(50_000) + b"%d" % n
            units[client.publish(data).placed.id] = data
        while own.process.poll() is None:
            own.process.send_signal(signal.SIGTERM)
            time.sleep(0.001)
    assert own.journal().count("event=ends") > 1
    with broker(tmp_path, *SIZES) as own, own.attached("lasting", flags=wire.DURABLE) as client:
        for unit, data in units.items():
            assert client.bytes_of(client.acquire(unit).placed) == data


def test_damage_is_named_by_the_check_and_by_the_journal_and_the_rest_is_read(tmp_path: Path) -> None:
    units = {}
    with broker(tmp_path, *SIZES) as own, own.attached("lasting", flags=wire.DURABLE) as client:
        for n in range(40):
            data = os.urandom(5000) + b"%d" % n
            units[client.publish(data).placed.id] = data
    segments = [path for path in (own.folder / "cold").rglob("*") if path.is_file()]
    hurt = 0
    for segment in segments:
        blob = bytearray(segment.read_bytes())
        for data in list(units.values())[10:13]:
            at = blob.find(data[1000:1100])
            if at >= 0:
                blob[at] ^= 4
                hurt += 1
        segment.write_bytes(bytes(blob))
    assert hurt == 3
    checked = fsck(own.folder)
    assert checked.returncode == 1, checked.stderr
    assert "broken 3" in checked.stdout
    assert checked.stdout.count("segment ") == 3
    with broker(tmp_path, *SIZES) as own:
        assert own.journal().count("event=cold_log_broken") == 3
        with own.attached("lasting", flags=wire.DURABLE) as client:
            lost = 0
            for unit, data in units.items():
                answer = client.acquire(unit)
                if answer.status == wire.OK:
                    assert client.bytes_of(answer.placed) == data
                else:
                    lost += 1
            assert lost == 3


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    checked = fsck(tmp_path)
    assert checked.returncode == 2
    assert str(tmp_path) in checked.stderr
    assert list(tmp_path.iterdir()) == []


def test_pausing_puts_units_away_and_they_come_back(tmp_path: Path) -> None:
    with broker(tmp_path, *SIZES) as own, own.attached("paused", flags=wire.DURABLE) as client:
        units = {}
        for n in range(30):
            data = (b"line %d of a text that shrinks\n" % n) * 400
            units[client.publish(data).placed.id] = data
        assert client.ask(wire.STATE, b"\3\0\0\0" + b"\xff" * 4).status == wire.OK

        def away() -> bool:
            tiers = own.agents()["paused"]["tiers"]
            return bool(tiers["hot"]["units"] == 0)

        wire.until(away, "all are away")
        figures = own.stats()
        assert figures["tiers"]["warm"]["stored_bytes"] < figures["tiers"]["warm"]["raw_bytes"] / 4
        for unit, data in units.items():
            assert client.bytes_of(client.acquire(unit).placed) == data
        assert own.stats()["process"]["restarts"] == 0
