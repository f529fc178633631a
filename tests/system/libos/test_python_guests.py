"""Python in real guests, through sandbox, session and pool, under each backend that starts fast."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel import backends
from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.pool import Pool
from nexus.unikernel.sandbox import Sandbox, run_image
from nexus.unikernel.tender import Backend

pytestmark = pytest.mark.usefixtures("nothing_left")

CALL = "import _host\nprint(_host.call('{}'))"


@pytest.fixture(params=["kvm", "spt"])
def backend(request: pytest.FixtureRequest) -> Backend:
    name: Backend = request.param
    look = backends.tender(name).preflight()
    if not look.works:
        pytest.skip(f"{name}: {look.detail}; {look.mend}")
    return name


@pytest.fixture
def sandbox(backend: Backend, python_image: Image) -> Sandbox:
    grants = Grants(functions={"add": lambda a, b: a + b}, files=(Path("/etc/hosts"),))
    return Sandbox(backend, Limits(wall=30, cpu=20, output=100_000), grants, python_image)


def test_hello(sandbox: Sandbox, backend: Backend):
    result = sandbox.run("print('hello', 6 * 7)")
    assert (result.ending, result.status, result.stdout, result.stderr) == ("exited", 0, b"hello 42\n", b"")
    assert result.backend == backend


def test_nothing_is_nothing(sandbox: Sandbox):
    assert sandbox.run("").ok


def test_an_exception_is_a_traceback_and_status_1(sandbox: Sandbox):
    result = sandbox.run("def f():\n    return 1 / 0\nf()")
    assert (result.ending, result.status, result.stdout) == ("exited", 1, b"")
    assert b'File "main.py", line 2, in f' in result.stderr
    assert b"ZeroDivisionError" in result.stderr


def test_a_syntax_error_is_a_traceback(sandbox: Sandbox):
    result = sandbox.run("print('a')\ndef")
    assert (result.status, result.stdout) == (1, b"")
    assert b"SyntaxError" in result.stderr


def test_status_input_and_words(sandbox: Sandbox):
    code = "import sys\nprint(sys.argv[1:], sys.stdin.read())\nsys.exit(3)"
    result = sandbox.run(code, stdin=b"from outside", words=("a", "b"))
    assert (result.status, result.stdout) == (3, b"['a', 'b'] from outside\n")


@pytest.mark.parametrize(
    ("code", "limits", "ending"),
    [
        ("while True: pass", Limits(wall=0.5), "wall"),
        ("while True: pass", Limits(wall=60, cpu=0.3), "cpu"),
        ("while True: print('x' * 1000)", Limits(wall=60, output=5000), "output"),
        (CALL.format('{"name":"add"}') + "\n" + CALL.format('{"name":"add"}'), Limits(calls=1), "calls"),
    ],
)
def test_limits(sandbox: Sandbox, code: str, limits: Limits, ending: str):
    sandbox.limits = limits
    result = sandbox.run(code)
    assert (result.ending, result.status) == (ending, 137)
    assert len(result.stdout) <= limits.output


@pytest.mark.parametrize(
    ("code", "error"),
    [("x = [0]\nwhile True: x += x", b"MemoryError"), ("def f(): f()\nf()", b"RecursionError")],
)
def test_memory_and_the_stack_run_out_inside(sandbox: Sandbox, code: str, error: bytes):
    result = sandbox.run(code)
    assert (result.ending, result.status) == ("exited", 1)
    assert error in result.stderr or b"RuntimeError" in result.stderr


def test_a_host_function_is_called(sandbox: Sandbox):
    result = sandbox.run(CALL.format('{"name":"add","args":{"a":1,"b":2}}'))
    assert result.stdout == b'{"ok":3}\n'


def test_an_argument_of_a_host_function_may_be_called_name(python_image: Image) -> None:
    try:
        sandbox = Sandbox(image=python_image, grants=Grants(functions={"twice": lambda name: name * 2}))
        result = sandbox.run("import host\nprint(host.call('twice', name='ab'))")
    except MissingPartError as error:
        pytest.skip(f"no guest can be run here: {error}")
    assert (result.stdout, result.stderr) == (b"abab\n", b"")


def test_output_streams(sandbox: Sandbox):
    pieces: list[bytes] = []
    result = sandbox.run("print('x' * 50_000)", on_output=lambda stream, piece: pieces.append(piece))
    assert b"".join(pieces) == result.stdout == b"x" * 50_000 + b"\n"


def test_a_session_keeps_its_state_also_after_an_exception(sandbox: Sandbox):
    with sandbox.session() as session:
        assert session.run("x = [1]").ok
        assert session.run("x.append(2)\n1 / 0").status == 1
        assert session.run("print(x)").stdout == b"[1, 2]\n"


def test_a_pool_gives_each_run_a_fresh_interpreter(sandbox: Sandbox):
    with Pool(sandbox, 2) as pool:
        assert pool.warm(60)
        assert pool.run("x = 1\nprint('a')").stdout == b"a\n"
        result = pool.run("print(x)")
        assert (result.status, result.stdout) == (1, b"")
        assert b"NameError" in result.stderr
        assert pool.run("import sys\nprint(sys.stdin.read())", stdin=b"in").stdout == b"in\n"
        assert pool.run("import sys\nsys.exit(5)").status == 5
        sandboxed = [pool.run(f"print({n})").stdout for n in range(5)]
        assert sandboxed == [b"%d\n" % n for n in range(5)]


def test_an_image_with_modules_of_its_own(backend: Backend, python_image: Image, tmp_path: Path):
    (tmp_path / "main.py").write_text("import sys\nprint(sys.argv[1:])")
    modules = (("main.py", tmp_path / "main.py"),)
    assert run_image(python_image, ("word",), modules, backend=backend).stdout == b"['word']\n"


def test_guests_at_once_do_not_mix(sandbox: Sandbox):
    results: dict[int, bytes] = {}

    def run(number: int) -> None:
        results[number] = sandbox.run(f"print({number})").stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: b"%d\n" % number for number in range(30)}
