"""How runs end, whatever the guest and its tender do."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.unikernel import abi
from nexus.unikernel.ending import SandboxError
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import Limits
from tests.unit.unikernel.fake import FakeTender, fake_sandbox

CALL = 'call 7 0 {room} {{"name":"{name}"}}'


def framed_call(name: str) -> str:
    """A call of a host function, in the hexadecimal of the fake tender's "send"."""
    request = b'{"name":"%s"}' % name.encode()
    return (abi.REQUEST.pack(abi.FRAME_MAGIC, abi.Op.CALL, 0, len(request), 255) + request).hex()


pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(params=["forwarded", "all"])
def any_fake(request: pytest.FixtureRequest, fake: FakeTender, fake_all: FakeTender) -> FakeTender:
    return fake if request.param == "forwarded" else fake_all


def test_output_and_status_are_the_guests(any_fake):
    result = fake_sandbox(any_fake).run("out hello\nerr oh\nexit 7")
    assert (result.ending, result.status, result.ok) == ("exited", 7, False)
    assert (result.stdout, result.stderr, result.detail) == (b"hello\n", b"oh\n", "")
    assert 0 < result.seconds < 60


def test_input_arrives(any_fake):
    text = bytes(range(256)) * 1000
    assert fake_sandbox(any_fake).run("echo", stdin=text).stdout == text


def test_words_arrive(any_fake):
    assert fake_sandbox(any_fake).run("words", words=("a", "ü")).stdout.decode() == "a\nü\n"


@pytest.mark.parametrize("script", ["spin", "sleep 100000", "send 4e5846\nspin", "call 7 0 100 {}\nspin"])
def test_the_wall_limit_ends_it(any_fake, script):
    began = time.monotonic()
    result = fake_sandbox(any_fake, Limits(wall=0.3, cpu=60)).run("out before\n" + script)
    assert (result.ending, result.status) == ("wall", 137)
    assert result.stdout.startswith(b"before\n")
    assert "0.3 s" in result.detail
    assert 0.3 <= result.seconds <= time.monotonic() - began


@pytest.mark.parametrize("script", ["spin", "sleep 100000", "flood 1000000000", "call 7 0 100 {}\nspin"])
def test_it_is_stopped_from_another_thread(any_fake, script):
    cancel = threading.Event()
    seen = []

    def heard(stream: int, piece: bytes) -> None:
        seen.append(piece)
        cancel.set()  # as a thread that looks on would, once it runs

    sandbox = fake_sandbox(any_fake, Limits(wall=60, cpu=60, output=10**9))
    result = sandbox.run("out before\n" + script, on_output=heard, cancel=cancel)
    assert (result.ending, result.status) == ("stopped", 137)
    assert result.stdout.startswith(b"before")
    assert b"".join(seen) == result.stdout
    assert result.seconds < 30


def test_what_was_stopped_before_it_began_ends_at_once(any_fake):
    cancel = threading.Event()
    cancel.set()
    assert fake_sandbox(any_fake).run("spin", cancel=cancel).ending == "stopped"


def test_what_ends_itself_was_not_stopped(any_fake):
    assert fake_sandbox(any_fake).run("out hi\nexit 3", cancel=threading.Event()).status == 3


def test_the_cpu_limit_ends_it(any_fake):
    result = fake_sandbox(any_fake, Limits(wall=60, cpu=0.2)).run("spin")
    assert (result.ending, result.status) == ("cpu", 137)
    assert "0.2 s of CPU" in result.detail


def test_sleep_is_no_cpu_time(any_fake):
    assert fake_sandbox(any_fake, Limits(wall=60, cpu=0.2)).run("sleep 500").ok


@pytest.mark.parametrize(("printed", "ending"), [(100_000, "exited"), (100_001, "output"), (10**9, "output")])
def test_output_is_kept_up_to_the_limit_to_the_byte(any_fake, printed, ending):
    result = fake_sandbox(any_fake, Limits(output=100_000)).run(f"flood {printed}")
    assert result.ending == ending
    assert len(result.stdout) == 100_000


def test_the_output_limit_is_for_both_streams_together(any_fake):
    result = fake_sandbox(any_fake, Limits(output=10)).run("err 1234567\nsleep 50\nout 1234567\nsleep 5000")
    assert result.ending == "output"
    assert len(result.stdout + result.stderr) == 10


def test_output_streams_while_the_guest_runs(any_fake):
    seen, came = threading.Event(), [b""]

    def show(stream: int, piece: bytes) -> None:
        came[0] += piece if stream == 1 else b"|" + piece
        seen.set()

    # The guest goes on only when its first words were seen.
    grants = Grants(functions={"wait": lambda: seen.wait(60)})
    result = fake_sandbox(any_fake, grants=grants).run(
        "out a\n" + CALL.format(room=100, name="wait"), on_output=show
    )
    assert result.stdout == b'a\n11 11 {"ok":true}\n' == came[0]


def test_what_on_output_raises_ends_the_run(any_fake):
    def refuse(stream: int, piece: bytes) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fake_sandbox(any_fake).run("out a\nspin", on_output=refuse)


def test_a_fault_is_told(any_fake):
    result = fake_sandbox(any_fake).run("fault 1 0x300412 0x0")
    assert (result.ending, result.status) == ("crashed", 139)
    assert result.detail == "a bad pointer: it touched 0x0 at 0x300412"


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (signal.SIGSYS, "crashed"),
        (signal.SIGSEGV, "crashed"),
        (signal.SIGPROF, "cpu"),
        (signal.SIGKILL, "stopped"),
    ],
)
def test_signals(any_fake, number, ending):
    assert fake_sandbox(any_fake).run(f"signal {int(number)}").ending == ending


def test_killed_inside_a_frame_is_told_as_what_killed_it(any_fake):
    assert fake_sandbox(any_fake).run(f"send 4e584631\nsignal {int(signal.SIGSYS)}").ending == "crashed"


@pytest.mark.parametrize("script", ["send " + "00" * 24, "send 4e584631" + "ff" * 20])
def test_a_breach_of_the_protocol_ends_the_guest(any_fake, script):
    result = fake_sandbox(any_fake).run(script + "\nspin")
    assert (result.ending, result.status) == ("crashed", 137)
    assert "protocol" in result.detail


def test_a_call_before_the_answer_to_the_last_is_a_breach(any_fake):
    slow = Grants(functions={"slow": lambda: time.sleep(0.3)})
    script = f"send {framed_call('slow')}\nask 16\nspin"
    result = fake_sandbox(any_fake, grants=slow).run(script)
    assert result.ending == "crashed"
    assert "before the answer" in result.detail


def test_a_channel_closed_is_no_exception(fake):
    assert fake_sandbox(fake).run("close 3\nout on").stdout == b"on\n"


def test_output_closed_is_no_busy_loop(fake):
    result = fake_sandbox(fake, Limits(wall=0.3, cpu=60)).run("close 1\nclose 2\nclose 3\nsleep 100000")
    assert result.ending == "wall"


def test_a_tender_that_refuses_is_an_error_with_its_line(fake):
    with pytest.raises(SandboxError, match="nexus-tender-fake: no such image"):
        fake_sandbox(fake).run("err nexus-tender-fake: no such image\nexit 125")


def test_a_machine_that_ends_before_its_guest_is_an_error_with_its_words(fake_all):
    # By itself, not by a frame: the first words of a QEMU that does not like its command line.
    with pytest.raises(SandboxError, match="ended with status 3"):
        fake_sandbox(fake_all).run("die 3")


def test_a_machine_that_resets_itself_is_a_crash(fake_all):
    # QEMU with -no-reboot: it ends well and says nothing, and its guest never said that it was done.
    result = fake_sandbox(fake_all).run("die 0")
    assert (result.ending, result.status) == ("crashed", 139)
    assert "reset" in result.detail


def test_unknown_and_not_granted_operations_are_answered(any_fake):
    script = "\n".join(
        ["call 99 0 10", "call 16 0 100 /etc/passwd", "call 24 0 16", "call 32 0 26", "call 6 0 100"]
    )
    assert fake_sandbox(any_fake).run(script).stdout.split(b"\n")[:5] == [
        b"-38 0 ",
        b"-1 0 ",
        b"-19 0 ",
        b"-19 0 ",
        b"-2 0 ",
    ]


def test_a_host_function_answers(any_fake):
    grants = Grants(functions={"add": lambda a, b: a + b})
    result = fake_sandbox(any_fake, grants=grants).run('call 7 0 100 {"name":"add","args":{"a":1,"b":2}}')
    assert result.stdout == b'8 8 {"ok":3}\n'


def test_a_host_function_that_blocks_does_not_hold_the_run(any_fake):
    blocked = threading.Event()
    grants = Grants(functions={"wait": blocked.wait})
    try:
        result = fake_sandbox(any_fake, Limits(wall=0.3), grants).run(CALL.format(room=100, name="wait"))
        assert result.ending == "wall"
    finally:
        blocked.set()


def test_a_guest_that_dies_while_its_function_runs_is_told_as_that(any_fake):
    blocked = threading.Event()
    grants = Grants(functions={"wait": blocked.wait})
    script = f"send {framed_call('wait')}\nsleep 100\nsignal {int(signal.SIGSYS)}"
    try:
        assert fake_sandbox(any_fake, Limits(wall=30), grants).run(script).ending == "crashed"
    finally:
        blocked.set()


def test_the_calls_limit_ends_it(any_fake):
    called: list[int] = []
    grants = Grants(functions={"f": lambda: called.append(1)})
    script = "\n".join([CALL.format(room=100, name="f")] * 5)
    result = fake_sandbox(any_fake, Limits(calls=3), grants).run(script)
    assert (result.ending, len(called)) == ("calls", 3)
    assert "more than 3 times" in result.detail


def test_an_answer_that_does_not_fit_is_kept_and_the_function_not_called_again(any_fake):
    called: list[int] = []

    def f() -> str:
        called.append(1)
        return "x" * 100

    grants = Grants(functions={"f": f})
    script = CALL.format(room=10, name="f") + "\n" + CALL.format(room=200, name="f")
    result = fake_sandbox(any_fake, Limits(calls=1), grants).run(script)
    assert result.stdout == b'-90 109 \n109 109 {"ok":"' + b"x" * 100 + b'"}\n'
    assert called == [1]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(min_size=1, max_size=120), whole=st.booleans())
def test_any_bytes_on_the_channel_end_in_a_result(any_fake, junk, whole):
    head = b"NXF1" if whole else b""
    result = fake_sandbox(any_fake, Limits(wall=0.3)).run(f"send {(head + junk).hex()}\nexit 0")
    assert result.ending in ("exited", "crashed", "output", "wall")
