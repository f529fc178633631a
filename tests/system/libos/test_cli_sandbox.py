"""`nexus sandbox run` as a person types it: in a guest, by CPython, and where neither can be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nexus.cli.main import app
from nexus.core.errors import InvalidInputError, NexusError, NotFoundError
from nexus.core.paths import Home
from nexus.unikernel import backends, builder, fallback

ROOT = Path(__file__).resolve().parents[3]
_look = fallback.preflight()
needs_bubblewrap = pytest.mark.skipif(not _look.works, reason=f"bubblewrap: {_look.detail} {_look.mend}")


def nexus(*arguments: object, stdin: str = "") -> Result:
    """Run a command; raises what it failed with."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
    if isinstance(done.exception, NexusError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def guests(home: Home) -> None:
    """A home with the Python image, on a machine where a backend works."""
    try:
        image = builder.python_image(build=True, base=ROOT / "build" / "unikernel")
        backends.chosen("auto")
    except NexusError as error:
        pytest.skip(f"no guest can be run here: {error}")
    shelf = home.cache / "unikernel"
    shelf.mkdir(exist_ok=True)
    (shelf / image.key).symlink_to(image.folder)


def test_a_guest_prints_reads_and_ends_with_its_status(guests: None, tmp_path: Path) -> None:
    granted = tmp_path / "granted.txt"
    granted.write_text("granted\n")
    code = tmp_path / "code.py"
    code.write_text(
        "import sys\nprint(sys.argv[1:], sys.stdin.read())\n"
        f"print(open({str(granted)!r}).read(), end='')\nsys.exit(3)\n"
    )
    done = nexus("sandbox", "run", "--read", granted, code, "one", "--", "--two", stdin="typed")
    assert done.stdout == "['one', '--two'] typed\ngranted\n"
    assert (done.exit_code, done.stderr) == (3, "")


def test_a_traceback_of_a_guest_goes_to_stderr(guests: None) -> None:
    done = nexus("sandbox", "run", "-", stdin="print(1)\n1 / 0\n")
    assert (done.exit_code, done.stdout) == (1, "1\n")
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "ZeroDivisionError" in done.stderr


def test_a_guest_that_runs_too_long_is_ended_like_by_timeout(guests: None) -> None:
    done = nexus("sandbox", "run", "--timeout", "0.5", "-", stdin="while True: pass")
    assert done.exit_code == 124
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("nexus: ended (")


def test_a_guest_never_falls_back_where_it_must_not(guests: None) -> None:
    done = nexus("sandbox", "run", "--no-fallback", "-", stdin="import numpy")
    assert done.exit_code == 1
    assert "No module named 'numpy'" in done.stderr
    assert "nexus: sandboxes do not have numpy; they have abc, " in done.stderr
    assert "bubblewrap runs this" not in done.stderr
    assert ", statistics, " in done.stderr.splitlines()[-1]


def test_a_module_that_nobody_has_is_named_with_what_there_is(guests: None) -> None:
    done = nexus("sandbox", "run", "-", stdin="import no_such_module")
    assert done.exit_code == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("nexus: sandboxes do not have no_such_module; they have ")
    assert last.endswith("which does not have no_such_module either")


def test_json_has_all_of_a_run(guests: None) -> None:
    done = nexus("sandbox", "run", "--json", "-", stdin="print('é')")
    told = json.loads(done.stdout)
    assert (told["stdout"], told["status"], told["ending"], told["ok"]) == ("é\n", 0, "exited", True)
    assert told["backend"] in backends.ORDER


@needs_bubblewrap
def test_code_that_needs_packages_is_run_by_cpython_and_that_is_said(home: Home) -> None:
    done = nexus("sandbox", "run", "-", stdin="import numpy\nprint(int(numpy.arange(5).sum()))")
    assert (done.exit_code, done.stdout) == (0, "10\n")
    assert done.stderr == "numpy: not in sandboxes, so CPython in bubblewrap runs this\n"


@needs_bubblewrap
def test_cpython_may_be_asked_for(home: Home, tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("import sys\nprint(sys.implementation.name, sys.argv[1:], input())\nsys.exit(4)")
    done = nexus("sandbox", "run", "--cpython", code, "a", stdin="typed\n")
    assert (done.exit_code, done.stdout, done.stderr) == (4, "cpython ['a'] typed\n", "")
    done = nexus("sandbox", "run", "--cpython", "--timeout", "1", "-", stdin="while True: pass")
    assert done.exit_code == 124
    assert done.stderr.startswith("nexus: ended (")
    done = nexus("sandbox", "run", "--cpython", "--output-limit", "1", "-", stdin="print('x' * 5000)")
    assert done.exit_code == 137
    assert len(done.stdout) == 1024
    assert "ended (output): it printed more than 1024 bytes" in done.stderr


def test_without_an_image_the_command_that_builds_it_is_named(home: Home) -> None:
    with pytest.raises(NotFoundError, match="nexus unikernel build"):
        nexus("sandbox", "run", "-", stdin="print(1)")


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["--backend", "vmware", "-"], InvalidInputError, "vmware"),
        (["--cpython", "--no-fallback", "-"], InvalidInputError, "together"),
        (["/absent/code.py"], NotFoundError, "/absent/code.py"),
        (["--read", "/absent/file", "-"], NotFoundError, "/absent/file"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, words: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        nexus("sandbox", "run", *words, stdin="print(1)")


def test_code_that_never_ends_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInputError, match="over 1 MiB"):
        nexus("sandbox", "run", "/dev/zero")
