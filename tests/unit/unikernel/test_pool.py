"""Guests started ahead: each used once, replaced when it dies, gone at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import Limits
from nexus.unikernel.pool import Pool, PoolClosedError
from tests.unit.unikernel.fake import FakeTender, fake_sandbox

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(params=["forwarded", "all"])
def any_fake(request: pytest.FixtureRequest, fake: FakeTender, fake_all: FakeTender) -> FakeTender:
    return fake if request.param == "forwarded" else fake_all


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting(pool: Pool) -> list[int]:
    return [guest.process.pid for guest in list(pool._ready)]


def test_runs_have_results_of_their_own_and_no_state_of_others(any_fake):
    with Pool(fake_sandbox(any_fake), 2) as pool:
        assert pool.warm()
        first = pool.run("set 1\nout a\nstatus 3", stdin=b"x")
        assert (first.ending, first.status, first.stdout) == ("exited", 3, b"a\n")
        assert pool.run("get").stdout == b"nothing"
        assert pool.run("echo", stdin=b"y").stdout == b"y"


def test_a_run_takes_a_guest_that_waits_and_another_takes_its_place(any_fake):
    with Pool(fake_sandbox(any_fake), 2) as pool:
        assert pool.warm()
        before = waiting(pool)
        pool.run("out a")
        until(lambda: len(pool._ready) == 2)
        assert len(set(before) & set(waiting(pool))) == 1


def test_more_runs_at_once_than_wait_are_served_all(any_fake):
    with Pool(fake_sandbox(any_fake, Limits(wall=60)), 2) as pool, ThreadPoolExecutor(10) as threads:
        results = threads.map(lambda n: pool.run(f"sleep 20\nout {n}").stdout, range(50))
        assert list(results) == [b"%d\n" % n for n in range(50)]


def test_the_wall_limit_counts_from_the_run(any_fake):
    with Pool(fake_sandbox(any_fake, Limits(wall=0.5)), 1) as pool:
        pool.warm()
        time.sleep(0.7)
        assert pool.run("sleep 100").ok
        assert pool.run("sleep 100000").ending == "wall"


def test_the_cpu_limit_counts_from_the_run(any_fake):
    with Pool(fake_sandbox(any_fake, Limits(wall=60, cpu=0.2)), 1) as pool:
        result = pool.run("spin")
        assert (result.ending, result.status) == ("cpu", 137)


@pytest.mark.parametrize(
    ("script", "ending"), [("flood 1000", "output"), ("fault 1 2 3", "crashed"), ("exit 5", "exited")]
)
def test_endings(any_fake, script, ending):
    with Pool(fake_sandbox(any_fake, Limits(output=100)), 1) as pool:
        assert pool.run(script).ending == ending
        assert pool.run("out on").ok


def test_output_just_before_the_end_is_all_there(any_fake):
    with Pool(fake_sandbox(any_fake), 2) as pool:
        assert len(pool.run("flood 1000000").stdout) == 1_000_000


def test_what_on_output_raises_ends_only_that_run(any_fake):
    def refuse(stream: int, piece: bytes) -> None:
        raise RuntimeError("enough")

    with Pool(fake_sandbox(any_fake), 1) as pool:
        with pytest.raises(RuntimeError, match="enough"):
            pool.run("out a\nspin", on_output=refuse)
        assert pool.run("out on").ok


def test_host_functions_are_called(any_fake):
    with Pool(fake_sandbox(any_fake, grants=Grants(functions={"f": lambda: 1})), 1) as pool:
        assert pool.run('call 7 0 20 {"name":"f"}').stdout == b'8 8 {"ok":1}\n'


def test_a_guest_that_dies_while_it_waits_is_not_used_and_is_replaced(any_fake):
    with Pool(fake_sandbox(any_fake), 2) as pool:
        assert pool.warm()
        dead = waiting(pool)
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(runs(pid) for pid in dead))
        assert pool.run("out alive").ok
        until(lambda: len(pool._ready) == 2 and not set(dead) & set(waiting(pool)))
        assert pool.run("out alive").ok


def test_a_pool_whose_guests_cannot_be_started_says_so_to_who_runs(fake):
    fake.program = fake.program.with_name("none")
    with Pool(fake_sandbox(fake), 2) as pool:
        with pytest.raises(MissingPartError, match="cannot be started"):
            pool.run("out a")
        assert not pool.warm(0.01)


def test_closing_stops_what_runs(any_fake):
    pool = Pool(fake_sandbox(any_fake, Limits(wall=60)), 1)
    running = threading.Event()

    def close() -> None:
        running.wait(60)
        pool.close()

    closer = threading.Thread(target=close)
    closer.start()
    result = pool.run("out a\nspin", on_output=lambda stream, piece: running.set())
    closer.join()
    assert result.ending == "stopped"
    with pytest.raises(PoolClosedError, match="closed"):
        pool.run("out a")
    pool.close()


def test_a_forked_child_leaves_the_pool_alone(any_fake):
    with Pool(fake_sandbox(any_fake), 1) as pool:
        assert pool.warm()
        child = os.fork()
        if child == 0:
            try:
                pool.run("out a")
            except PoolClosedError:
                pool.close()
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert pool.run("out alive").ok


def test_guests_die_with_the_process_that_has_the_pool(fake, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from nexus.unikernel.pool import Pool\n"
        "from tests.unit.unikernel.fake import FakeTender, fake_sandbox\n"
        "pool = Pool(fake_sandbox(FakeTender(Path(sys.argv[1]))), 3)\n"
        "pool.warm()\n"
        "print(*[guest.process.pid for guest in pool._ready], flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, fake.program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
    assert len(pids) == 3
    until(lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # reaped between opening and reading
        return False
