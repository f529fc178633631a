"""Python that wants more than it may, on every backend: the verdict is right, and the host goes on."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from nexus.core.errors import InvalidInputError
from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend

# What the library's module `host` does, without it: the call as it goes over the channel.
CALL = """
import _host, json
def call(name, **args):
    return json.loads(_host.call(json.dumps({"name": name, "args": args})))
"""
ROOMY = Limits(wall=120, cpu=60, memory=16 * MIB)


def run(
    image: Image,
    backend: Backend,
    code: str | bytes,
    limits: Limits = ROOMY,
    grants: Grants | None = None,
    **given,
) -> Result:
    return Sandbox(backend, limits, grants, image).run(code, **given)


def test_a_guest_that_behaves_is_let_be(python_image: Image, backend: Backend) -> None:
    result = run(python_image, backend, "print(6 * 7)")
    assert (result.ending, result.status, result.stdout, result.stderr) == ("exited", 0, b"42\n", b"")


def test_an_endless_loop_ends_with_the_wall(python_image: Image, backend: Backend) -> None:
    result = run(python_image, backend, "while True: pass", Limits(wall=2, cpu=60))
    assert (result.ending, result.status) == ("wall", 137), result
    assert result.seconds < 30


def test_an_endless_loop_ends_with_its_processor_time(python_image: Image, backend: Backend) -> None:
    result = run(python_image, backend, "while True: pass", Limits(wall=120, cpu=1))
    assert (result.ending, result.status) == ("cpu", 137), result


def test_a_loop_that_catches_everything_ends_too(python_image: Image, backend: Backend) -> None:
    code = "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n"
    assert run(python_image, backend, code, Limits(wall=2, cpu=60)).ending == "wall"


def test_a_memory_bomb_is_a_memory_error(python_image: Image, backend: Backend) -> None:
    code = (
        "x = []\ntry:\n    while True: x.append(bytearray(1 << 16))\n"
        "except MemoryError:\n    n = len(x); x = None\n    print(n)\n"
        "x = []\nwhile True: x.append(x * 2 + [1])\n"
    )
    before = psutil.Process().memory_info().rss
    result = run(python_image, backend, code)
    assert (result.ending, result.status) == ("exited", 1), result
    assert 100 < int(result.stdout) < 256  # of 16 MiB
    assert b"MemoryError" in result.stderr
    assert psutil.Process().memory_info().rss - before < 32 * MIB


@pytest.mark.parametrize("code", ["'x' * (1 << 40)", "bytearray(1 << 62)", "1 << (1 << 40)"])
def test_an_impossible_size_is_an_exception(python_image: Image, backend: Backend, code: str) -> None:
    result = run(python_image, backend, code)
    assert (result.ending, result.status) == ("exited", 1), result
    assert b"MemoryError" in result.stderr or b"OverflowError" in result.stderr


@pytest.mark.parametrize("code", ["[0] * (1 << 61)", "(0,) * (1 << 61)", "('x' * 16) * (1 << 60)"])
def test_a_size_beyond_all_numbers_ends_at_most_the_guest(
    python_image: Image, backend: Backend, code: str
) -> None:
    # MicroPython multiplies such sizes modulo 2^64. Where it then writes beyond a block, its pages end it.
    result = run(python_image, backend, f"x = {code}\nprint(len(x))\n")
    assert (result.ending, result.status) in (("exited", 1), ("crashed", 139)), result
    assert not result.stdout


@pytest.mark.parametrize(
    "code",
    [
        "def f(): return f()\nf()\n",
        "x = []\nfor _ in range(100000): x = [x]\nrepr(x)\n",
        "eval('(' * 100000)\n",
        "class A:\n    def __getattr__(self, name): return getattr(self, name)\nA().x\n",
    ],
    ids=["calls", "repr", "parser", "attributes"],
)
def test_deep_recursion_is_an_exception(python_image: Image, backend: Backend, code: str) -> None:
    result = run(python_image, backend, code)
    assert (result.ending, result.status) == ("exited", 1), result
    assert b"Traceback" in result.stderr
    assert any(name in result.stderr for name in (b"RecursionError", b"MemoryError", b"SyntaxError"))


def test_a_gigabyte_of_output_is_cut_at_its_limit(python_image: Image, backend: Backend) -> None:
    seen: list[int] = []
    code = "x = 'x' * 100000\nfor _ in range(10000): print(x)\n"
    before = psutil.Process().memory_info().rss
    result = run(
        python_image,
        backend,
        code,
        Limits(wall=120, cpu=60),
        on_output=lambda _, piece: seen.append(len(piece)),
    )
    assert (result.ending, result.status) == ("output", 137)
    assert len(result.stdout) == sum(seen) == MIB
    assert psutil.Process().memory_info().rss - before < 64 * MIB


@pytest.mark.parametrize("code", [b"print('\xff')\n", b"\xff\xfe", "x = '\ud800'"])
def test_code_that_is_not_utf8_is_refused_before_anything_starts(
    python_image: Image, backend: Backend, code: str | bytes
) -> None:
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        run(python_image, backend, code)


@pytest.mark.parametrize(
    "code", ["print('a'\n", "x = = 1\n", "if True:\npass\n", "\t\tx\n  y\n", "def f(:\n", "'"]
)
def test_a_syntax_error_is_a_traceback(python_image: Image, backend: Backend, code: str) -> None:
    result = run(python_image, backend, code)
    assert (result.ending, result.status, result.stdout) == ("exited", 1, b""), result
    assert b'File "main.py", line ' in result.stderr
    assert b"SyntaxError" in result.stderr or b"IndentationError" in result.stderr


@pytest.mark.parametrize("module", ["numpy", "subprocess", "ctypes", "multiprocessing", "machine", "uctypes"])
def test_what_is_not_there_cannot_be_imported(python_image: Image, backend: Backend, module: str) -> None:
    result = run(python_image, backend, f"import {module}\n")
    assert (result.ending, result.status) == ("exited", 1), result
    assert f"No module named '{module}'".encode() in result.stderr
    assert result.detail.startswith(f"sandboxes do not have {module}; they have abc, "), result.detail
    assert ", json, " in result.detail
    assert "The fallback is CPython in bubblewrap" in result.detail


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "../../etc/passwd", "/dev/kvm", "/"])
def test_no_file_of_the_host_is_there(python_image: Image, backend: Backend, path: str) -> None:
    read = f"print(_host.file_read({path!r}, 0, 100))"
    code = f"import _host\ntry:\n    {read}\nexcept OSError as e:\n    print(e.errno)\n"
    result = run(python_image, backend, code)
    assert result.stdout in (b"1\n", b"2\n"), result  # EPERM, ENOENT


def raises(**_: object) -> object:
    raise ValueError("as the host's function raised it")


def leaves(**_: object) -> object:
    raise SystemExit(3)


def cycle(**_: object) -> object:
    value: list[object] = []
    value.append(value)
    return value


def deep(**_: object) -> object:
    value: object = 0
    for _number in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (raises, "as the host's function raised it"),
        (leaves, "SystemExit"),
        (cycle, "JSON"),
        (deep, "JSON"),
        (lambda **_: object(), "JSON"),
        (lambda **_: float("nan"), "JSON"),
        (lambda **_: "x" * 100_000_000, "limit"),
        (lambda **_: [0] * 10_000_000, "limit"),
        (lambda **_: "\ud800", ""),
    ],
    ids=["raises", "exits", "cycle", "deep", "object", "nan", "100MB", "list", "surrogate"],
)
def test_a_function_of_the_host_that_misbehaves_is_an_error_of_the_guest(
    python_image: Image, backend: Backend, function, text: str
) -> None:
    code = CALL + "print(call('f'))\nprint('goes on')\n"
    result = run(python_image, backend, code, grants=Grants(functions={"f": function}))
    assert (result.ending, result.status) == ("exited", 0), result
    assert result.stdout.endswith(b"goes on\n")
    assert text.encode() in result.stdout
    assert not text or b"'error'" in result.stdout


def test_a_function_that_was_not_granted_is_refused(python_image: Image, backend: Backend) -> None:
    result = run(python_image, backend, CALL + "print(call('system', command='id'))\n")
    assert b"no host function 'system'" in result.stdout, result


def test_what_is_no_call_is_an_error_of_the_guest(python_image: Image, backend: Backend) -> None:
    texts = "('', '{', '[]', '1', '{\"name\": 1}', '[' * 50000)"
    code = f"import _host\nfor text in {texts}:\n    print(_host.call(text))\n"
    result = run(python_image, backend, code)
    assert result.ok, result
    assert result.stdout.count(b'"error"') == 6


def test_a_function_that_blocks_does_not_hold_the_run(python_image: Image, backend: Backend) -> None:
    released = threading.Event()
    grants = Grants(functions={"f": lambda: released.wait(100)})
    try:
        result = run(python_image, backend, CALL + "call('f')\n", Limits(wall=3, cpu=60), grants)
        assert (result.ending, result.status) == ("wall", 137), result
        assert result.seconds < 30
    finally:
        released.set()


def test_a_guest_that_is_killed_in_mid_call_is_stopped(python_image: Image, backend: Backend) -> None:
    known = {child.pid for child in psutil.Process().children()}

    def kills() -> str:
        for child in psutil.Process().children():
            if child.pid not in known:
                os.killpg(child.pid, signal.SIGKILL)
        return "too late"

    grants = Grants(functions={"f": kills})
    result = run(python_image, backend, CALL + "print(call('f'))\n", grants=grants)
    assert (result.ending, result.status, result.stdout) == ("stopped", 137, b""), result


def test_standard_input_that_nobody_reads_holds_nothing_up(python_image: Image, backend: Backend) -> None:
    result = run(python_image, backend, "print(1)", stdin=bytes(8 * MIB))
    assert result.stdout == b"1\n", result


def test_neighbours_do_not_meet(python_image: Image, backend: Backend) -> None:
    """One loops, one fills its memory, one faults by a limit; the fourth has its answer."""
    bad = ["while True: pass", "x = []\nwhile True: x.append(bytearray(999))", "while True: print('x' * 999)"]
    with_limits = Sandbox(backend, Limits(wall=15, cpu=60, memory=16 * MIB), None, python_image)
    results: list[Result] = []
    threads = [threading.Thread(target=lambda c=c: results.append(with_limits.run(c))) for c in bad]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert run(python_image, backend, "print(sum(range(1000)))").stdout == b"499500\n"
    for thread in threads:
        thread.join()
    assert sorted(result.ending for result in results) == ["exited", "output", "wall"], results
