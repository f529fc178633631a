"""Moving and sharing agents as a person does it: export, ids, import, share; and what is refused."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.agentmem import Launcher, UnitType
from nexus.cli import main as everything
from tests.agentmem_store import attach, running

Nexus = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Launcher, Launcher]]:
    with running() as here, running() as there:
        yield here, there


@pytest.fixture
def nexus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Nexus:
    """Run a command at a host: (status, stdout, stderr)."""
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path / "home"))

    def run(host: Launcher, *words: str, binary: Path | None = None) -> tuple[int, str, str]:
        own = io.BytesIO()
        out, err = io.TextIOWrapper(own, encoding="utf-8", write_through=True), io.StringIO()
        monkeypatch.setenv("NEXUS_AGENTMEM", str(host.socket))
        monkeypatch.setattr(sys, "argv", ["nexus", "agents", *words])
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as ended:
            everything.main()
        if binary is not None:
            binary.write_bytes(own.getvalue())
        text = "" if binary is not None else own.getvalue().decode()
        return int(ended.value.code or 0), text, err.getvalue()

    return run


def say(host: Launcher, realm: str, first: int, last: int) -> list[bytes]:
    with attach(host, "worker", realm=realm, durable=True, importance=77) as store:
        conversation = store.conversation("main")
        for number in range(first, last):
            conversation.append(UnitType.CONVERSATION, b"message %d " % number * 30)
        return [bytes(message) for message in conversation]


def heard(host: Launcher, realm: str, agent: str = "worker") -> list[bytes]:
    with attach(host, agent, realm=realm, durable=True) as store:
        return [bytes(message) for message in store.conversation("main")]


def test_an_agent_moves_and_moves_again(
    hosts: tuple[Launcher, Launcher], nexus: Nexus, tmp_path: Path
) -> None:
    here, there = hosts
    expected = say(here, "move", 0, 50)
    pack, again, listed = tmp_path / "a.pack", tmp_path / "b.pack", tmp_path / "ids"
    status, out, err = nexus(here, "export", "worker", "--realm", "move", "-o", str(pack))
    assert (status, out) == (0, ""), err
    assert "1 agents" in err
    status, out, err = nexus(there, "import", str(pack), "--realm", "move")
    assert status == 0, err
    assert "main (new)" in out
    [worker] = json.loads(nexus(there, "stored", "--realm", "move", "--json")[1])
    assert worker["importance"] == 77
    assert heard(there, "move") == expected
    assert "worker  idle" in nexus(there, "stored", "--realm", "move")[1]

    assert nexus(there, "ids", "worker", "--realm", "move", binary=listed)[0] == 0
    expected = say(here, "move", 50, 52)
    options = ["--realm", "move", "--known", str(listed), "-o", str(again)]
    assert nexus(here, "export", "worker", *options)[0] == 0
    assert again.stat().st_size < pack.stat().st_size
    assert "main (longer)" in nexus(there, "import", str(again), "--realm", "move")[1]
    assert heard(there, "move") == expected
    assert "main (new)" in nexus(there, "import", str(pack), "--realm", "move", "--as", "twin")[1]
    assert heard(there, "move", "twin") == expected[:50]


def test_what_cannot_be_moved_is_told(hosts: tuple[Launcher, Launcher], nexus: Nexus, tmp_path: Path) -> None:
    here, there = hosts
    say(here, "told", 0, 3)
    out = str(tmp_path / "x")
    status, _, err = nexus(here, "export", "nobody", "--realm", "told", "-o", out)
    assert status == 5
    assert "no agent 'nobody' in the realm 'told'" in err
    with attach(here, "passing", realm="told"):
        status, _, err = nexus(here, "export", "passing", "--realm", "told", "-o", out)
    assert status == 2
    assert "not durable" in err
    assert nexus(here, "export", "--realm", "told")[0] == 2
    (tmp_path / "x").write_bytes(b"AMPACK01 and nothing more")
    status, _, err = nexus(there, "import", out, "--realm", "told")
    assert status == 14
    assert "at byte 25" in err
    assert "no agent" not in nexus(there, "stored", "--realm", "told", "--json")[1]
    assert nexus(here, "export", "worker", "--realm", "told", "--known", out, "-o", out)[0] == 14


def test_hosts_share_by_a_folder(hosts: tuple[Launcher, Launcher], nexus: Nexus, tmp_path: Path) -> None:
    here, there = hosts
    expected = say(here, "share", 0, 20)
    key, shelf = str(tmp_path / "key"), str(tmp_path / "shelf")
    options = ["--to", shelf, "--secret", key, "--realm", "share"]
    assert nexus(here, "share", "push", *options)[0] == 2  # there is no secret yet
    assert nexus(here, "share", "key", key)[0] == 0
    assert "main" not in nexus(here, "share", "push", *options)[1]
    assert "main (new)" in nexus(here, "share", "push", "--conversations", *options)[1]
    assert nexus(here, "share", "list", "--to", shelf, "--secret", key)[1] == "worker: main\n"
    assert "main (new)" in nexus(there, "share", "pull", "worker", *options)[1]
    assert heard(there, "share") == expected
    expected = say(there, "share", 20, 22)
    follow = ["share", "follow", "worker", "--conversations", "--times", "1", *options]
    assert "main (longer)" in nexus(there, *follow)[1]
    assert "main (longer)" in nexus(here, *follow)[1]
    assert heard(here, "share") == expected
    assert nexus(here, *follow)[1] == ""
    status, _, err = nexus(there, "share", "pull", "--unit", "00", *options)
    assert status == 2
    assert "64 hexadecimal digits" in err


def test_a_follower_outlives_its_shelf(
    hosts: tuple[Launcher, Launcher], nexus: Nexus, tmp_path: Path
) -> None:
    say(hosts[0], "gone", 0, 2)
    key = str(tmp_path / "key")
    nexus(hosts[0], "share", "key", key)
    away = f"unix://{tmp_path}/nobody"
    options = ["--to", away, "--secret", key, "--realm", "gone", "--times", "2", "--every", "0.1"]
    status, out, err = nexus(hosts[0], "share", "follow", *options)
    assert (status, out) == (0, "")
    assert err.count("the shelf is away") == 1
