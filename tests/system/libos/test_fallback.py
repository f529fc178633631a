"""CPython in bubblewrap: what code sees there, what it cannot do, how it ends, and what it leaves."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.core.paths import Home
from nexus.unikernel import cpython_filter, fallback
from nexus.unikernel.fallback import run_cpython
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.result import Result

_look = fallback.preflight()
needs_bubblewrap = pytest.mark.skipif(not _look.works, reason=f"bubblewrap: {_look.detail} {_look.mend}")
# Generous: what is tested is where a run ends, not when.
ROOMY = Limits(wall=60, cpu=60)


def said(result: Result) -> str:
    """The standard output of code that ended well."""
    assert result.ok, (result.ending, result.status, result.stderr.decode(), result.detail)
    return result.stdout.decode()


@needs_bubblewrap
def test_code_runs_with_words_input_and_its_own_status(home: Home) -> None:
    done = run_cpython(
        "import sys\nprint(sys.argv, __name__)\nprint(input())\nsys.exit(7)",
        ROOMY,
        words=["a", "b c"],
        stdin=b"hi\n",
    )
    assert (done.ending, done.status, done.backend) == ("exited", 7, "bubblewrap")
    assert done.stdout == b"['main.py', 'a', 'b c'] __main__\nhi\n"


@needs_bubblewrap
def test_a_traceback_is_the_codes_alone(home: Home) -> None:
    done = run_cpython("def f():\n    return 1 / 0\n\nf()\n", ROOMY)
    assert done.status == 1
    lines = done.stderr.decode().splitlines()
    assert lines[:2] == ["Traceback (most recent call last):", '  File "main.py", line 4, in <module>']
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "    return 1 / 0" in lines
    assert not any("host.py" in line for line in lines)


@needs_bubblewrap
@pytest.mark.parametrize("code", ["x = (", "x = 1\n\tif", b"\xff\xfe", "a\0b"])
def test_code_that_is_none_gives_its_error(home: Home, code: str | bytes) -> None:
    done = run_cpython(code, ROOMY)
    assert done.status == 1
    assert b"SyntaxError" in done.stderr or b"IndentationError" in done.stderr or b"null bytes" in done.stderr
    assert b"host.py" not in done.stderr


@needs_bubblewrap
def test_packages_of_the_interpreter_are_there(home: Home) -> None:
    assert said(run_cpython("import numpy; print(int(numpy.arange(5).sum()))", ROOMY)) == "10\n"


@needs_bubblewrap
def test_nothing_of_the_user_is_seen_and_nothing_can_be_written(home: Home, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read")
    os.environ["NEXUS_TEST_SECRET"] = "do not read"
    try:
        told = said(
            run_cpython(
                f"""
import os
print([n for n in os.environ if "NEXUS" in n], os.path.exists({str(secret)!r}), os.path.exists("/root/.ssh"))
for path in ("/x", "/usr/x", "/dev/shm/x", "/etc/x", {str(tmp_path / "x")!r}):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError:
        pass
open("/tmp/mine", "w").write("ok")
print(sorted(int(n) for n in os.listdir("/proc") if n.isdigit()), os.getuid())
print(sorted(os.listdir("/proc/self/fd")))
""",
                ROOMY,
            )
        )
    finally:
        del os.environ["NEXUS_TEST_SECRET"]
    lines = told.splitlines()
    assert lines[0] == "[] False False"
    assert lines[1] == "[1, 2] 65534"
    assert lines[2] == "['0', '1', '2', '3', '4']"  # the fourth is the listing's own


@needs_bubblewrap
def test_no_process_no_network_no_shared_memory(home: Home) -> None:
    told = said(
        run_cpython(
            """
import mmap, os, socket, subprocess, sys, threading
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return error.errno
print(tried(os.fork), tried(lambda: subprocess.run(["true"])))
print(tried(lambda: os.posix_spawn("/bin/true", ["x"], {})))
print(tried(lambda: mmap.mmap(-1, 4096)), tried(lambda: os.memfd_create("x")))
print(tried(lambda: socket.socket(socket.AF_NETLINK)))
print(tried(lambda: socket.create_connection(("192.0.2.1", 80), 1)))
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10000000), ctypes.get_errno())
print(libc.mount(None, b"/tmp", None, 0, None), ctypes.get_errno())
thread = threading.Thread(target=lambda: print("a thread"))
thread.start()
thread.join()
""",
            ROOMY,
        )
    )
    if cpython_filter.program() is None:
        pytest.skip("no seccomp filter is known for this machine")
    assert told.splitlines() == ["1 1", "1", "1 1", "97", "101", "-1 1", "-1 1", "a thread"]


@needs_bubblewrap
def test_granted_files_are_read_at_their_own_paths(home: Home, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("in the folder")
    (tmp_path / "b.txt").write_text("beside it")
    grants = Grants(files=(tmp_path / "folder", tmp_path / "b.txt"))
    code = f"""
print(open({str(tmp_path / "folder" / "a.txt")!r}).read(), open({str(tmp_path / "b.txt")!r}).read())
try:
    open({str(tmp_path / "b.txt")!r}, "a")
except OSError as error:
    print(type(error).__name__)
"""
    assert said(run_cpython(code, ROOMY, grants)).startswith("in the folder beside it\n")
    assert (tmp_path / "b.txt").read_text() == "beside it"


@pytest.mark.parametrize(
    ("grants", "error"),
    [
        (Grants(files=(Path("/"),)), InvalidInputError),
        (Grants(files=(Path("/proc/self"),)), InvalidInputError),
        (Grants(files=(Path("/absent/file"),)), NotFoundError),
        (Grants(blocks=((Path("/dev/null"), False),)), InvalidInputError),
    ],
)
def test_what_cannot_be_granted_is_refused(home: Home, grants: Grants, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_cpython("", ROOMY, grants)


@needs_bubblewrap
def test_host_functions_and_their_errors(home: Home) -> None:
    def double(x: int) -> int:
        if x < 0:
            raise ValueError(f"{x} is too small")
        return 2 * x

    code = """
import host, threading
print(host.call("double", x=21), sorted(host.functions()["functions"]))
for name, x in (("double", -1), ("absent", 1)):
    try:
        host.call(name, x=x)
    except host.HostError as error:
        print(error.type, error)
got = []
threads = [threading.Thread(target=lambda n=n: got.append(host.call("double", x=n))) for n in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(got) == [2 * n for n in range(20)])
"""
    lines = said(run_cpython(code, ROOMY, Grants(functions={"double": double}))).splitlines()
    assert lines[0] == "42 ['double']"
    assert lines[1] == "ValueError -1 is too small"
    assert lines[2].startswith("PermissionError ")
    assert lines[3] == "True"


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(b'{"asked": "%s"}' % self.path.encode())

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(404 if self.path == "/absent" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@needs_bubblewrap
def test_http_goes_through_the_host_to_what_is_granted(home: Home, site: str) -> None:
    code = f"""
import host, json, urllib.error, urllib.request
print(host.http_get("http://{site}/a").json())
with urllib.request.urlopen("http://{site}/b") as answer:
    print(answer.status, answer.headers["content-type"], json.load(answer))
print(urllib.request.urlopen(urllib.request.Request("http://{site}/c", data=b"sent")).read())
try:
    urllib.request.urlopen("http://{site}/absent")
except urllib.error.HTTPError as error:
    print(error.code)
for url in ("http://localhost:1/", "http://example.invalid/"):
    try:
        urllib.request.urlopen(url)
    except urllib.error.URLError as error:
        print("not granted" in str(error))
"""
    assert said(run_cpython(code, ROOMY, Grants(http=(site,)))).splitlines() == [
        "{'asked': '/a'}", "200 application/json {'asked': '/b'}", "b'sent'", "404", "True", "True",
    ]  # fmt: skip


@needs_bubblewrap
def test_requests_goes_through_the_host_too(home: Home, site: str) -> None:
    pytest.importorskip("requests", reason="requests is not installed beside nexus")
    code = f"""
import requests
got = requests.get("http://{site}/a", params={{"q": "x y"}})
print(got.status_code, got.json(), got.headers["Content-Type"])
try:
    requests.get("http://example.invalid/")
except requests.ConnectionError as error:
    print("not granted" in str(error))
"""
    assert said(run_cpython(code, ROOMY, Grants(http=(site,)))).splitlines() == [
        "200 {'asked': '/a?q=x+y'} application/json", "True",
    ]  # fmt: skip


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "limits", "ending", "words"),
    [
        ("while True: pass", Limits(wall=1, cpu=60), "wall", "longer than 1 s"),
        ("while True: pass", Limits(wall=60, cpu=1), "cpu", "CPU time"),
        (
            "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            Limits(wall=60, cpu=1),
            "cpu",
            "CPU time",
        ),
        ("import time\ntime.sleep(60)", Limits(wall=0.5), "wall", "longer than 0.5 s"),
        ("while True: print('x' * 1000)", Limits(wall=60, output=10_000), "output", "10000 bytes"),
        ("import host\nwhile True: host.call('functions')", Limits(wall=60, calls=5), "calls", "5 times"),
        ("import ctypes\nctypes.string_at(0)", ROOMY, "crashed", "bad pointer"),
        ("import os\nos.abort()", ROOMY, "crashed", ""),
    ],
)
def test_every_limit_ends_it_and_says_so(
    home: Home, code: str, limits: Limits, ending: str, words: str
) -> None:
    done = run_cpython(code, limits)
    assert done.ending == ending
    assert words in done.detail
    assert done.status >= 128
    assert len(done.stdout) + len(done.stderr) <= limits.output


@needs_bubblewrap
def test_memory_that_is_over_is_a_memory_error(home: Home) -> None:
    code = "import sys\ntry:\n    x = bytearray(1 << 30)\nexcept MemoryError:\n    sys.exit(3)"
    assert run_cpython(code, Limits(wall=60, cpu=60, memory=64 * MIB)).status == 3
    code = "with open('/tmp/x', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))"
    full = run_cpython(code, Limits(wall=60, cpu=60, memory=16 * MIB))
    assert full.status == 1
    assert b"No space left" in full.stderr


@needs_bubblewrap
def test_a_status_over_128_of_its_own_is_its_own(home: Home) -> None:
    done = run_cpython("import sys\nsys.exit(200)", ROOMY)
    assert (done.ending, done.status) == ("exited", 200)
    done = run_cpython("import sys\nsys.exit(152)", ROOMY)  # as bubblewrap tells of a spent CPU limit
    assert (done.ending, done.status) == ("exited", 152)


@needs_bubblewrap
def test_why_it_is_cpython_is_said_and_nothing_is_left(home: Home, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    before = sorted(Path("/proc/self/fd").iterdir())
    done = run_cpython("print(1)", ROOMY, because=["numpy", "pandas"])
    assert done.detail == "run by CPython in bubblewrap, because sandboxes do not have numpy, pandas"
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(Path("/proc/self/fd").iterdir()) == before


@needs_bubblewrap
def test_output_comes_while_it_runs(home: Home) -> None:
    pieces: list[tuple[int, bytes]] = []
    code = "import sys, time\nprint(1)\ntime.sleep(0.3)\nprint(2, file=sys.stderr)"
    run_cpython(code, ROOMY, on_output=lambda stream, piece: pieces.append((stream, piece)))
    assert pieces == [(1, b"1\n"), (2, b"2\n")]


def test_what_neither_has_is_found_lacking() -> None:
    assert fallback.lacking(["numpy", "urllib.robotparser", "json", "surely_absent"]) == ["surely_absent"]
    assert fallback.lacking([]) == []


def test_it_is_stopped_from_another_thread(home: Home) -> None:
    cancel = threading.Event()
    code = "import time\nprint('begun', flush=True)\ntime.sleep(600)"
    result = run_cpython(code, Limits(wall=60), on_output=lambda *_: cancel.set(), cancel=cancel)
    assert (result.ending, result.status, result.stdout) == ("stopped", 137, b"begun\n")
