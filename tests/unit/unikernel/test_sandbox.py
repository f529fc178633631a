"""Sandboxes of code: what they take, and that nothing is left, whatever happens."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus.core.errors import BusyError, InvalidInputError, MissingPartError
from nexus.unikernel import backends
from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox, run_image
from nexus.unikernel.tender import Preflight
from tests.unit.unikernel.fake import FakeTender, fake_sandbox

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"print('\xff')", "not UTF-8"),
        ("\ud800", "not UTF-8"),
        ("a\0b", "NUL byte at 1"),
        ("#" * (1 << 20), "1048575 is the most"),
    ],
)
def test_code_that_cannot_be_source_is_refused(fake: FakeTender, code, words):
    with pytest.raises(InvalidInputError, match=words):
        fake_sandbox(fake).run(code)


def test_a_byte_order_mark_is_no_code(fake: FakeTender):
    assert fake_sandbox(fake).run(b"\xef\xbb\xbfout hi").stdout == b"hi\n"


def test_the_longest_code_runs(fake: FakeTender):
    code = "out end"
    code = "\n" * ((1 << 20) - 1 - len(code)) + code
    assert fake_sandbox(fake).run(code).stdout == b"end\n"


@pytest.mark.parametrize("word", ["", "a b", "a\0b"])
def test_words_that_a_command_line_cannot_hold_are_refused(fake: FakeTender, word):
    with pytest.raises(InvalidInputError, match="word"):
        fake_sandbox(fake).run("words", words=(word,))


def test_grants_that_cannot_be_are_refused_before_anything_runs(fake: FakeTender):
    with pytest.raises(InvalidInputError, match="HTTP grant"):
        fake_sandbox(fake, grants=Grants(http=("http://x",))).run("out hi")


def test_a_program_in_c_is_not_an_interpreter(tmp_path: Path):
    with pytest.raises(InvalidInputError, match="run_image"):
        Sandbox(image=Image(tmp_path, "c", "x")).run("1")


def test_the_temporary_files_of_a_tender_are_deleted(fake: FakeTender, tmp_path: Path):
    for end in ("exit 0", "spin"):
        fake.files = (tmp_path / "initrd",)
        fake.files[0].touch()
        fake_sandbox(fake, Limits(wall=0.2)).run(end)
        assert not fake.files[0].exists()


def test_many_at_once_do_not_mix(fake: FakeTender):
    sandbox = fake_sandbox(fake, Limits(wall=60))
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda n: sandbox.run(f"sleep 20\nout {n}\nexit {n % 100}"), range(200)))
    assert [result.stdout for result in results] == [b"%d\n" % n for n in range(200)]
    assert [result.status for result in results] == [n % 100 for n in range(200)]


def test_more_at_once_than_there_are_descriptors_is_refused_and_harms_nobody(fake: FakeTender):
    sandbox = fake_sandbox(fake, Limits(wall=60))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def run(_: int) -> str:
        try:
            return sandbox.run("sleep 500").ending
        except BusyError as error:
            return error.code

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with ThreadPoolExecutor(100) as threads:
            outcomes = set(threads.map(run, range(100)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcomes == {"exited", "busy"}


@pytest.mark.slow
def test_a_thousand_at_once(fake: FakeTender):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192:
        pytest.skip(f"a thousand guests need 8192 file descriptors; this user may have {hard}")
    sandbox = fake_sandbox(fake, Limits(wall=250, output=100))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), hard))
    together = threading.Barrier(1000)
    try:
        with ThreadPoolExecutor(1000) as threads:

            def run(number: int) -> bytes:
                together.wait(250)
                return sandbox.run(f"sleep 1000\nout {number}").stdout

            assert list(threads.map(run, range(1000))) == [b"%d\n" % n for n in range(1000)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "script", ["spin", "sleep 100000", 'call 7 0 100 {"name":"wait"}', "flood 1000000000"]
)
def test_an_interrupt_of_the_caller_ends_the_guest(fake: FakeTender, script: str):
    blocked = threading.Event()
    grants = Grants(functions={"wait": blocked.wait})
    # A suite that runs in the background of a script ignores SIGINT.
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            fake_sandbox(fake, Limits(wall=60, cpu=60, output=1 << 40), grants).run(script)
    finally:
        signal.signal(signal.SIGINT, old)
        blocked.set()
        timer.join()


# A socket that the interrupt meets before it has a name is closed when it goes, which Python warns of.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_leaves_nothing(fake: FakeTender, nothing_left):
    class InterruptError(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise InterruptError

    sandbox = fake_sandbox(fake, Limits(wall=60))
    sandbox.run("out hi")
    nothing_left()
    old, hits = signal.signal(signal.SIGALRM, interrupt), 0
    try:
        for n in range(400):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00002 + n * 0.000005)
                    sandbox.run("out hi\nspin" if n % 2 else "out hi")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except InterruptError:
                hits += 1
    finally:
        signal.signal(signal.SIGALRM, old)
    assert hits > 50


def test_an_image_runs_with_its_words_and_modules(fake: FakeTender, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(backends, "chosen", lambda backend: fake)
    (tmp_path / "script").write_text("words\necho")
    image = Image(tmp_path, "c", "x")
    result = run_image(image, ("a",), (("main.py", tmp_path / "script"),), stdin=b"input")
    assert result.stdout == b"a\ninput"


class Broken:
    """A backend that does not work here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def preflight(self) -> Preflight:
        return Preflight(self.name, False, f"{self.name} is not here", f"install {self.name}")


def test_auto_takes_the_first_that_works(fake: FakeTender, monkeypatch):
    monkeypatch.setattr(
        backends, "tender", lambda name: fake if name in ("qemu", "unicorn") else Broken(name)
    )
    assert backends.chosen("auto") is fake
    assert [look.works for look in backends.preflights()] == [False, False, True, True]
    with pytest.raises(MissingPartError, match=r"kvm is not here.*install kvm"):
        backends.chosen("kvm")


def test_where_nothing_works_each_reason_is_told(monkeypatch):
    monkeypatch.setattr(backends, "tender", Broken)
    with pytest.raises(
        MissingPartError, match=r"kvm: kvm is not here; spt: .*unicorn is not here.*install kvm"
    ):
        Sandbox(image=Image(Path(), "python", "x")).run("1")


def test_a_backend_that_is_none_is_refused():
    with pytest.raises(InvalidInputError, match="'vmware' is not one of auto, kvm"):
        backends.chosen("vmware")  # type: ignore[arg-type]


def test_abandoned_host_functions_are_bounded_and_end_when_they_return(fake: FakeTender, monkeypatch):
    from nexus.unikernel import calls

    monkeypatch.setattr(calls, "LOST_MOST", 3)
    release = threading.Event()
    sandbox = fake_sandbox(fake, Limits(wall=0.1), Grants(functions={"wait": lambda: release.wait(60)}))
    call = 'call 7 0 1000 {"name":"wait"}'
    try:
        assert [sandbox.run(call).ending for _ in range(3)] == ["wall"] * 3
        result = sandbox.run(call)
        assert result.ok
        assert b"3 host functions of earlier runs have not returned yet" in result.stdout
    finally:
        release.set()
    deadline = time.monotonic() + 60
    while calls._lost and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sandbox.run(call).ok
