"""Interpreters that keep their state from run to run."""

from __future__ import annotations

import os
import threading
import time

import pytest

from nexus.core.errors import InvalidInputError
from nexus.unikernel.ending import SandboxError
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import Limits
from nexus.unikernel.session import Session, SessionEndedError
from tests.unit.unikernel.fake import FakeTender, fake_sandbox

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(params=["forwarded", "all"])
def any_fake(request: pytest.FixtureRequest, fake: FakeTender, fake_all: FakeTender) -> FakeTender:
    return fake if request.param == "forwarded" else fake_all


def test_state_is_kept_and_each_run_has_its_own_result(any_fake):
    with fake_sandbox(any_fake).session() as session:
        first = session.run("set 42\nout first\nstatus 3")
        second = session.run("get\nerr second")
    assert (first.ending, first.status, first.stdout, first.stderr) == ("exited", 3, b"first\n", b"")
    assert (second.status, second.stdout, second.stderr) == (0, b"42", b"second\n")


def test_each_run_has_its_own_input(any_fake):
    with fake_sandbox(any_fake).session() as session:
        assert session.run("echo", stdin=b"one").stdout == b"one"
        assert session.run("out no", stdin=b"not read").stdout == b"no\n"
        assert session.run("echo", stdin=b"two").stdout == b"two"


def test_limits_are_for_each_run(any_fake):
    limits = Limits(wall=2, cpu=1, output=10, calls=1)
    with fake_sandbox(any_fake, limits, Grants(functions={"f": lambda: 1})).session() as session:
        for _ in range(3):
            assert session.run("out 12345678").ok
        for _ in range(2):
            assert session.run('call 7 0 0 {"name":"f"}').ending == "exited"
        for _ in range(4):
            assert session.run("sleep 700").ok


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("spin", "cpu"),
        ("sleep 100000", "wall"),
        ("flood 1000", "output"),
        ("fault 1 2 3", "crashed"),
        ("exit 3", "exited"),
    ],
)
def test_a_run_that_is_ended_ends_the_session(any_fake, script, ending):
    limits = Limits(wall=0.3 if ending == "wall" else 60, cpu=0.2, output=100)
    with fake_sandbox(any_fake, limits).session() as session:
        session.run("set 1")
        result = session.run(script)
        assert result.ending == ending
        with pytest.raises(SessionEndedError) as told:
            session.run("get")
        assert (result.detail or "with status 3") in str(told.value)


def test_a_session_outlives_the_thread_that_began_it(any_fake):
    session = fake_sandbox(any_fake).session()
    thread = threading.Thread(target=session.__enter__)
    thread.start()
    thread.join()
    time.sleep(0.05)
    assert session.run("out alive").ok
    session.close()


def test_closing_from_another_thread_stops_the_run(any_fake):
    with fake_sandbox(any_fake, Limits(wall=60)).session() as session:
        running = threading.Event()

        def close() -> None:
            running.wait(60)
            session.close()

        closer = threading.Thread(target=close)
        closer.start()
        result = session.run("out begun\nspin", on_output=lambda stream, piece: running.set())
        closer.join()
        assert result.ending == "stopped"
        assert result.stdout.startswith(b"begun")
        with pytest.raises(SessionEndedError):
            session.run("get")


def test_a_session_that_goes_leaves_nothing(any_fake):
    session = fake_sandbox(any_fake).session()
    session.__enter__()
    del session


def test_a_session_is_entered_before_it_runs(any_fake):
    with pytest.raises(SessionEndedError, match="not entered"):
        fake_sandbox(any_fake).session().run("get")


def test_a_forked_child_leaves_the_session_alone(any_fake):
    with fake_sandbox(any_fake).session() as session:
        child = os.fork()
        if child == 0:
            try:
                session.run("get")
            except SessionEndedError:
                session.close()
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert session.run("out alive").ok


def test_bad_code_does_not_end_it(any_fake):
    with fake_sandbox(any_fake).session() as session:
        session.run("set 1")
        with pytest.raises(InvalidInputError):
            session.run(b"\xff")
        assert session.run("get").stdout == b"1"


def test_runs_of_two_threads_come_one_after_the_other(any_fake):
    with fake_sandbox(any_fake, Limits(wall=60)).session() as session:
        results: list[bytes] = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(session.run(f"sleep 50\nout {n}").stdout))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results) == [b"0\n", b"1\n", b"2\n", b"3\n"]


def test_a_guest_that_cannot_be_started_is_told_when_it_is_entered(fake):
    fake.program = fake.program.with_name("none")
    session: Session = fake_sandbox(fake).session()
    with pytest.raises(Exception, match="cannot be started"):
        session.__enter__()


def test_a_guest_that_dies_between_runs_is_told(fake_all):
    with fake_sandbox(fake_all).session() as session:
        session.run("set 1")
        assert session._guest is not None
        session._guest.process.kill()
        try:
            assert session.run("get").ending == "stopped"
        except SandboxError:
            pytest.fail("a guest that was killed is no error of its tender")
