"""The link: answers and errors as they are given, news as they come, words alone without the service, and
nothing that can be sent that brings it down."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.memexfs import link
from nexus.memexfs.finding import Found
from nexus.memexfs.link import LinkFinder
from nexus.memexfs.link_server import LinkServer
from tests.unit.memexfs.index_sample import until

FOUND = [
    Found(b"a/caf\xe9 \xff.md", 0.5, {"words": 1.0, "body": 0.25}, "passage\nwith lines \ufffd"),
    Found(b"b", 0.25, {}),
]
BY_WORDS = [Found(b"words.md", 0.1, {"words": 1.0})]


class ByWords:
    """Words alone."""

    def search(self, text, limit=50, *, under=b"", weights=None):
        return BY_WORDS[:limit]

    def similar(self, path, limit=50):
        return BY_WORDS[:limit]


class Answers:
    """Says what it was asked."""

    def __init__(self):
        self.asked = []
        self.wait = threading.Event()
        self.wait.set()

    def search(self, text, limit=50, *, under=b"", weights=None):
        self.wait.wait(30)
        self.asked.append((text, limit, under, weights))
        if text == "wrong":
            raise InvalidInputError("it is wrong", hint="mend it")
        if text == "fault":
            raise RuntimeError("a fault")
        return FOUND

    def similar(self, path, limit=50):
        if path == b"none":
            raise NotFoundError("none is not indexed", hint="wait")
        return FOUND[:1]

    def retagged(self, path):
        self.asked.append(path)


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture(params=["short", "long"])
def path(tmp_path, request):
    folder = tmp_path / "run" if request.param == "short" else tmp_path / ("x" * 90) / ("y" * 90)
    folder.mkdir(parents=True)
    return folder / link.SOCKET


@pytest.fixture
def server(path, answers):
    started = LinkServer(path, answers)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def finder(path):
    opened = LinkFinder(path, ByWords())
    yield opened
    opened.close()


def test_questions_are_answered(server, finder, answers):
    assert finder.search("what?", 7, under=b"a/\xff", weights={"name": 1.0}) == FOUND
    assert answers.asked == [("what?", 7, b"a/\xff", {"name": 1.0})]
    assert finder.similar(b"x") == FOUND[:1]
    finder.retagged(b"\xfe")
    assert answers.asked[-1] == b"\xfe"
    assert finder.problem == ""


def test_errors_come_over_as_they_are(server, finder):
    with pytest.raises(InvalidInputError, match="it is wrong") as error:
        finder.search("wrong")
    assert error.value.hint == "mend it"
    with pytest.raises(NotFoundError):
        finder.similar(b"none")
    with pytest.raises(InvalidInputError):
        finder.search("x", 10**6)


def test_without_a_service_words_are_found_and_it_is_said(finder):
    assert finder.search("what?") == BY_WORDS
    assert "nexus up" in finder.problem
    assert finder.similar(b"x") == BY_WORDS
    finder.retagged(b"x")


def test_a_service_that_came_back_is_asked_again(path, answers, finder):
    for _ in range(2):
        server = LinkServer(path, answers)
        server.start()
        assert finder.search("what?") == FOUND
        assert finder.problem == ""
        server.stop()
        assert finder.search("what?") == BY_WORDS
        assert finder.problem


def test_a_slow_service_is_not_waited_for(server, finder, answers, monkeypatch):
    monkeypatch.setattr(link, "DEADLINE_SECONDS", 0.2)
    answers.wait.clear()
    assert finder.search("what?") == BY_WORDS
    assert "did not answer" in finder.problem
    answers.wait.set()
    monkeypatch.undo()
    assert finder.search("again?") == FOUND


def test_a_fault_in_an_answer_is_not_the_end(server, finder):
    assert finder.search("fault") == BY_WORDS
    assert finder.search("what?") == FOUND


def test_many_ask_at_once(server, finder):
    results = []
    threads = [threading.Thread(target=lambda: results.append(finder.search("what?"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [FOUND] * 12


def test_news_come_as_they_happen_and_again_after_a_restart(path, answers, finder):
    told, stop = [], threading.Event()

    def listen():
        for paths in finder.news(stop):
            told.append(paths)

    server = LinkServer(path, answers)
    server.start()
    thread = threading.Thread(target=listen)
    thread.start()
    until(lambda: server._listening)
    server.changed([b"a", b"\xff"])
    until(lambda: told == [None, [b"a", b"\xff"]])
    server.stop()
    server = LinkServer(path, answers)
    server.start()
    until(lambda: server._listening)
    server.changed([b"b"])
    until(lambda: told[-1] == [b"b"])
    assert told.count(None) >= 2
    stop.set()
    server.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_news_that_nobody_reads_are_cut_short_and_said(server, finder, monkeypatch):
    from nexus.memexfs import link_server

    monkeypatch.setattr(link_server, "_UNREAD", 3)
    slow = queue.Queue[list[str] | None]()
    server._listening.add(slow)
    for number in range(20):
        server.changed([b"%d" % number])
    held = [slow.get() for _ in range(slow.qsize())]
    assert held == [["0"], ["1"], ["2"], []]
    server._listening.discard(slow)


def test_the_socket_is_its_owners_only(server, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else: run it as root")
def test_another_user_is_not_answered():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    server = LinkServer(folder / link.SOCKET, Answers())
    server.start()
    try:
        folder.chmod(0o755)
        (folder / link.SOCKET).chmod(0o666)  # as if somebody had opened it to all
        ask = (
            "import os, socket, sys\nos.setuid(65534)\nc = socket.socket(socket.AF_UNIX)\n"
            "c.connect(sys.argv[1])\ntry:\n"
            '    c.sendall(b\'{"ask": "search", "text": "x"}\\n\')\n    print(c.recv(1000))\n'
            "except ConnectionError:\n    print(b'')\n"
        )
        run = subprocess.run(
            [sys.executable, "-I", "-c", ask, str(folder / link.SOCKET)],
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert run.stdout == "b''\n", run.stderr
    finally:
        server.stop()
        shutil.rmtree(folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
requests = st.fixed_dictionaries(
    {"ask": st.sampled_from(["search", "similar", "retagged", "x"]) | json_values},
    optional=dict.fromkeys(("text", "path", "limit", "weights"), json_values),
)


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    path = tmp_path_factory.mktemp("link") / link.SOCKET
    server = LinkServer(path, Answers())
    server.start()
    yield path
    server.stop()


def exchange(path, data):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        while piece := connection.recv(2**16):
            reply += piece
    return reply


@hypothesis_settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200) | requests.map(lambda held: json.dumps(held).encode() + b"\n"))
def test_whatever_is_sent_the_next_is_answered(standing, data):
    for line in exchange(standing, data).splitlines():
        assert isinstance(json.loads(line), dict)
    finder = LinkFinder(standing, ByWords())
    assert finder.search("what?") == FOUND
    finder.close()


def test_a_line_without_end_is_not_kept(standing, monkeypatch):
    monkeypatch.setattr(link, "_LONGEST_LINE", 10_000)
    assert exchange(standing, b"[" * 9_000 + b"\n") == b""
    with suppress(ConnectionResetError, BrokenPipeError):  # it is closed while more is sent
        assert exchange(standing, b"x" * 3_000_000) == b""


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    reply=st.binary(max_size=200)
    | (
        json_values
        | st.fixed_dictionaries({"found": json_values | st.lists(st.tuples(*[json_values] * 4), max_size=2)})
    ).map(lambda held: json.dumps(held).encode() + b"\n")
)
def test_whatever_answers_the_tree_gets_files_or_an_error_of_ours(tmp_path_factory, reply):
    path = tmp_path_factory.mktemp("bad") / link.SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        finder = LinkFinder(path, ByWords())
        assert all(isinstance(found, Found) for found in finder.search("what?"))
        thread.join()
        finder.close()
