"""A peer in a process of its own: what it says comes back, and so does why it could not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from peers.process import PeerError, running

SERVED = """
import sys
del sys.argv[1:3]
from peers.serving import serve

class Fake:
    def __init__(self, models, work):
        self.kept = {}
        assert work.is_dir()

    def write(self, passages):
        print("this goes to stderr")
        self.kept.update((p["id"], p) for p in passages)

    def ask(self, question, scope, depth):
        if not question:
            raise ValueError("nothing was asked")
        return [i for i, p in self.kept.items() if p["scope"] == scope and question in p["text"]][:depth]

serve(Fake)
"""


def interpreter(folder: Path, source: str) -> Path:
    """A program that is called as Python is, and does what `source` says instead."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{source}")
    path.chmod(0o755)
    return path


def test_calls_come_back_with_what_they_took(tmp_path: Path) -> None:
    with running("fake", interpreter(tmp_path, SERVED), "any", tmp_path) as peer:
        passages = [{"id": "a", "scope": "x", "text": "a dog"}, {"id": "b", "scope": "y", "text": "a dog"}]
        wrote = peer.call("write", passages=passages)
        assert wrote.gave is None
        assert wrote.wall > 0
        assert wrote.cpu > 0
        assert peer.call("ask", question="dog", scope="y", depth=5).gave == ["b"]
        memory = peer.call("memory").gave
        assert 0 < memory["now"] <= memory["most"]


def test_what_a_peer_refuses_is_told_and_it_goes_on(tmp_path: Path) -> None:
    with running("fake", interpreter(tmp_path, SERVED), "any", tmp_path) as peer:
        with pytest.raises(PeerError, match="fake refused 'ask': ValueError: nothing was asked"):
            peer.call("ask", question="", scope="", depth=5)
        assert peer.call("ask", question="x", scope="", depth=5).gave == []


def test_a_peer_that_dies_is_told_by_its_last_words(tmp_path: Path) -> None:
    source = "import sys; sys.stdin.readline(); sys.exit('no such module: faiss')"
    with (
        running("fake", interpreter(tmp_path, source), "any", tmp_path) as peer,
        pytest.raises(PeerError, match="fake ended during 'write': no such module: faiss"),
    ):
        peer.call("write", passages=[])


def test_a_peer_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    source = "import sys, time; sys.stdin.readline(); time.sleep(600)"
    with (
        running("fake", interpreter(tmp_path, source), "any", tmp_path, patience=0.2) as peer,
        pytest.raises(PeerError, match="fake did not end 'write' in 0 minutes"),
    ):
        peer.call("write", passages=[])


def test_a_peer_has_a_home_of_its_own(tmp_path: Path) -> None:
    source = (
        "import json, os, sys\nsys.stdin.readline()\n"
        "print(json.dumps({'gave': [os.environ['HOME'], os.environ['MEM0_TELEMETRY']], 'wall': 1, 'cpu': 1}))"
    )
    with running("fake", interpreter(tmp_path, source), "any", tmp_path) as peer:
        home, telemetry = peer.call("anything").gave
    assert not Path(home).exists()
    assert telemetry == "False"
