"""One service per home, and its token."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.core.instance import Instance, running
from nexus.cortex.recovered import Recovered
from nexus.service.recovery import Recovery
from nexus.service.token import load_or_create


def test_a_second_one_is_told_the_address_of_the_first(home):
    first = Instance(home, "http://127.0.0.1:8123")
    with pytest.raises(AlreadyRunningError, match=r"http://127\.0\.0\.1:8123") as caught:
        Instance(home, "http://127.0.0.1:9")
    assert "nexus down" in caught.value.hint
    found = running(home)
    assert found is not None
    assert (found.url, found.pid) == ("http://127.0.0.1:8123", os.getpid())
    first.release()
    first.release()
    assert running(home) is None
    Instance(home, "http://127.0.0.1:9").release()


def test_the_lock_dies_with_its_process(home):
    code = (
        "import sys, time; from pathlib import Path; from nexus.core.paths import Home\n"
        "from nexus.core.instance import Instance\n"
        "i = Instance(Home(Path(sys.argv[1])), 'http://x'); print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(home.root)], stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    assert running(home) is not None
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert running(home) is None
    # Who comes next knows that it was killed, and who it was; the one after that, that it stopped in order.
    after = Instance(home, "http://y")
    assert after.killed is not None
    assert (after.killed.pid, after.killed.url, after.fresh) == (holder.pid, "http://x", False)
    told = Recovery.of(after).as_dict(Recovered(2, 1, 1, (), half_written=1), None)
    assert told["last_stop"] == "killed"
    assert f"process {holder.pid}" in told["summary"]
    assert "3 points of the index were repaired" in told["summary"]
    after.release()
    last = Instance(home, "http://z")
    assert last.killed is None
    assert Recovery.of(last).as_dict(None, None)["last_stop"] == "in order"
    last.release()


@pytest.mark.parametrize("left", [b"{", b"[1]", b'{"pid": 1}', b"\xff\xfe"])
def test_killed_while_it_wrote_who_it_is(home, left):
    home.lock_file.write_bytes(left)
    after = Instance(home, "http://y")
    assert after.killed is not None
    assert after.killed.pid == 0
    assert "killed" in Recovery.of(after).as_dict(None, None)["summary"]
    after.release()


def test_a_home_that_was_never_used(home):
    first = Instance(home, "http://x")
    assert (first.fresh, first.killed) == (True, None)
    assert Recovery.of(first).as_dict(None, None)["last_stop"] == "none"
    first.release()


def test_the_token_is_made_once_and_is_private(home):
    token = load_or_create(home)
    assert len(token) >= 32
    assert load_or_create(home) == token
    assert home.token_file.stat().st_mode & 0o077 == 0


def test_an_open_token_file_is_closed_and_a_broken_one_made_again(home):
    token = load_or_create(home)
    home.token_file.chmod(0o644)
    assert load_or_create(home) == token
    assert home.token_file.stat().st_mode & 0o077 == 0
    for broken in (b"", b"short\n", b"\xff" * 50):
        home.token_file.write_bytes(broken)
        assert len(load_or_create(home)) >= 32


def test_a_token_that_cannot_be_written_is_reported(home):
    home.token_file.mkdir()
    with pytest.raises(StorageError):
        load_or_create(home)
