"""The kernel module in place of a broker, as far as a machine without it shows: who is chosen, and what is
said. What the module does, tests/native/agentmem/conformance.c shows in a guest (`make test-kernel`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.agentmem import BrokerGoneError, ProtocolError, Store, UnsupportedError, find_socket
from nexus.agentmem.errors import BY_STATUS
from nexus.agentmem.socket_path import DEVICE
from nexus.cli import agent_stats
from nexus.core.errors import StorageError

A_DEVICE = Path("/dev/null")  # one that everybody may open


def test_the_device_stands_in_where_no_socket_lies(tmp_path: Path) -> None:
    env = {"NEXUS_HOME": str(tmp_path)}
    socket = tmp_path / "run" / "agentmem.sock"
    assert find_socket(env, device=A_DEVICE) == A_DEVICE
    assert find_socket(env, device=None) == socket
    assert find_socket(env, device=tmp_path / "none") == socket
    assert find_socket(env, device=tmp_path) == socket, "a folder is no device"
    socket.parent.mkdir()
    socket.touch()
    assert find_socket(env, device=A_DEVICE) == socket, "a broker that is there wins, even one that is down"


def test_a_name_wins_over_the_device(tmp_path: Path) -> None:
    named = tmp_path / "other.sock"
    assert find_socket({"NEXUS_AGENTMEM": str(named)}, device=A_DEVICE) == named
    assert find_socket({"NEXUS_AGENTMEM": str(DEVICE)}, device=None) == DEVICE


@pytest.mark.skipif(DEVICE.exists(), reason="the module is loaded on this machine")
def test_without_the_module_the_words_say_what_to_do() -> None:
    with pytest.raises(
        BrokerGoneError, match=r"no module answers at /dev/agentmem .*; load it .* nexus-agentmemd"
    ):
        Store.connect(DEVICE)


def test_another_device_is_not_taken_for_the_module() -> None:
    with pytest.raises(ProtocolError, match="/dev/null is not the device of a module"):
        Store.connect(A_DEVICE)


def test_nothing_durable_is_given_to_the_module() -> None:
    with pytest.raises(UnsupportedError, match="durable agents, that needs the broker: start"):
        Store.connect(DEVICE, durable=True)
    assert BY_STATUS[-16] is UnsupportedError


def test_the_text_of_the_module_is_its_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "agent_stats"
    monkeypatch.setattr(agent_stats, "_KERNEL_STATS", file)
    with pytest.raises(StorageError):
        agent_stats.show(A_DEVICE, text=True, folded=False, flamegraph=None, as_json=False)
    file.write_text("Agents         2\n", encoding="utf-8")
    agent_stats.show(A_DEVICE, text=True, folded=False, flamegraph=None, as_json=False)
    assert capsys.readouterr().out == "Agents         2\n"
