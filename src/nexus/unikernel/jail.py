"""CPython in bubblewrap, as a process to start: what it sees, what it may use, whether it works here.

Namespaces of its own (no network, no other processes), the system and the interpreter read-only, one small
folder /tmp in memory, no rights, and a seccomp filter (cpython_filter.py). This is process isolation by the
kernel that all share, not a machine of its own. Invariant: of the user's files it sees what was granted, and
the interpreter with its packages; of the environment nothing.
"""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, MissingPartError, NotFoundError, StorageError
from nexus.core.paths import Home
from nexus.unikernel import cpython_filter
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Launch, Preflight

NAME = "bubblewrap"
INSTALL = "apt install bubblewrap (dnf install bubblewrap)"
_MAIN, _CLIENT = "/nexus/main.py", "/nexus/lib/host.py"
_BEGIN = (
    "import sys; sys.path.insert(0, '/nexus/lib'); import host; sys.path[0] = '/tmp'; host.begin(sys.argv)"
)
_CLIENT_FILE = Path(__file__).with_name("host_client.py")
_FILTER_FD = 4
_OPEN_FILES = 128
# What an interpreter with large packages takes for itself (numpy: 80 MiB): not of what the run may allocate.
_RESERVED = 128 << 20
_MAPPED = 2 << 30  # and what it maps of files, loaded or not
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SYSTEM = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/mime.types")
_OURS = ("/nexus", "/proc", "/dev")
_LOOK_SECONDS, _ANSWER_SECONDS = 1.0, 10.0
_PROBE = (
    "import json, site, sys, os; print(json.dumps([sys.prefix, sys.base_prefix,"
    " os.path.realpath(sys.executable), site.getsitepackages()]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython on this machine: the program, the folders it needs, and where its packages lie."""

    program: Path
    folders: tuple[Path, ...]
    packages: tuple[Path, ...]

    @classmethod
    @cache
    def of(cls, python: Path | None = None) -> Interpreter:
        """By its path; without one, the interpreter that runs this.

        Raises `MissingPartError` where it does not answer.
        """
        if python is None:
            program = Path(os.path.realpath(sys.executable))
            packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
            return cls._made(program, (sys.prefix, sys.base_prefix), sorted(packages))
        try:
            done = subprocess.run(
                [str(python), "-I", "-c", _PROBE],
                capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True,
            )  # fmt: skip
            import json

            prefix, base, program_, packages_ = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise MissingPartError(f"{python} is no Python that answers: {error}") from error
        return cls._made(Path(program_), (prefix, base), packages_)

    @classmethod
    def _made(cls, program: Path, prefixes: Sequence[str], packages: Sequence[str]) -> Interpreter:
        folders = {Path(os.path.realpath(prefix)) for prefix in prefixes} | {Path(each) for each in prefixes}
        # /usr is seen anyway; "/" would be everything.
        folders = {folder for folder in folders if folder not in (Path("/"), Path("/usr"))}
        return cls(program, tuple(sorted(folders)), tuple(Path(each) for each in packages))


def launch(
    code: Path,
    words: Sequence[str],
    limits: Limits,
    granted: Sequence[Path],
    python: Path | None = None,
    files: tuple[Path, ...] = (),
) -> Launch:
    """How to start the code in a file. `files` are deleted when it has ended.

    Raises `MissingPartError` without bubblewrap, `NotFoundError` and `InvalidInputError` for what cannot be
    granted.
    """
    interpreter = Interpreter.of(python)
    begin = [str(interpreter.program), "-I", "-S", "-B", "-X", "utf8", "-c", _BEGIN]
    inside = [*begin, _MAIN, os.pathsep.join(map(str, interpreter.packages)), *words]
    jailed = [_program(), *_view(code, limits, granted, interpreter)]
    script = [f"ulimit -c 0; ulimit -n {_OPEN_FILES}; ulimit -d {(limits.memory + _RESERVED) >> 10}"]
    script.append(f"ulimit -v {(limits.memory + _RESERVED + _MAPPED) >> 10}")
    # The soft limit ends it with a signal that tells why; the hard one ends what ignores that.
    script.append(f"ulimit -S -t {math.ceil(limits.cpu)}; ulimit -H -t {math.ceil(limits.cpu) + 1}")
    if (sieve := _filter_file()) is not None:
        jailed += ["--seccomp", str(_FILTER_FD)]
        script.append(f'exec "$@" {_FILTER_FD}<"$0"')
    else:
        script.append('exec "$@"')
    argv = ("/bin/sh", "-c", "; ".join(script), str(sieve or "nexus"), *jailed, "--", *inside)
    return Launch(argv, "forwarded", files=files)


def _view(code: Path, limits: Limits, granted: Sequence[Path], interpreter: Interpreter) -> list[str]:
    """bubblewrap's options: the world as the code sees it, in the order in which it is put together."""
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    options += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--ro-bind", "/usr", "/usr"]
    for name in _LINKS:
        path = Path("/") / name
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    for name in _SYSTEM:
        options += ["--ro-bind-try", name, name]
    options += ["--size", str(limits.memory), "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]  # noqa: S108
    for folder in interpreter.folders:
        options += ["--ro-bind", str(folder), str(folder)]
    for path in granted:
        options += ["--ro-bind", *[str(_grantable(path))] * 2]
    options += ["--ro-bind", str(code), _MAIN, "--ro-bind", str(_CLIENT_FILE), _CLIENT]
    options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    for name, value in (
        ("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"),  # noqa: S108
        ("USER", "sandbox"), ("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"),
    ):  # fmt: skip
        options += ["--setenv", name, value]
    return options


def _grantable(path: Path) -> Path:
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - links are left: code names it as it was granted
    if not whole.exists():
        raise NotFoundError(f"{path} was granted to a sandbox and does not exist")
    if whole == Path("/") or any(whole.is_relative_to(ours) for ours in _OURS):
        raise InvalidInputError(
            f"{path} cannot be granted to CPython in bubblewrap", hint="grant a folder below"
        )
    return whole


def _program() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise MissingPartError("bubblewrap is not installed", hint=INSTALL)
    return found


def _filter_file() -> Path | None:
    """The seccomp program as a file for bubblewrap to read; None on machines that it is not known for."""
    program = cpython_filter.program()
    if program is None:
        return None
    folder = Home.from_env().cache / "unikernel"
    path = folder / "cpython.bpf"
    try:
        if not path.is_file() or path.read_bytes() != program:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic.write_bytes(path, program)
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    return path


def preflight() -> Preflight:
    """Whether it works here: a Python is started, at most once a second."""
    with _lock:
        now = time.monotonic()
        if not _seen or now - _seen[0][0] >= _LOOK_SECONDS:
            _seen[:] = [(now, _looked())]
        return _seen[0][1]


_lock = threading.Lock()
_seen: list[tuple[float, Preflight]] = []


def _looked() -> Preflight:
    if sys.platform != "linux":
        return Preflight(NAME, False, "bubblewrap is for Linux only", code="no_linux")
    try:
        argv = launch(_CLIENT_FILE, (), Limits(), ()).argv
        at = argv.index("--", 4)
        done = subprocess.run(
            [*argv[:at], "--", "/usr/bin/env", "true"],
            capture_output=True, text=True, errors="replace", timeout=_ANSWER_SECONDS, check=False, env={},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except MissingPartError as error:
        return Preflight(NAME, False, error.message, error.hint, "no_program")
    except (OSError, StorageError, subprocess.SubprocessError) as error:
        return Preflight(NAME, False, str(error), code="not_started")
    if done.returncode == 0:
        sieve = "" if cpython_filter.program() else "; no seccomp filter is known for this machine"
        return Preflight(NAME, True, f"CPython {platform.python_version()} in {_program()}{sieve}")
    return diagnosed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it said nothing")


def diagnosed(said: str, root: Path = Path("/")) -> Preflight:
    """What bubblewrap's complaint means on a machine whose /proc is below `root`, and what mends it."""
    if re.search(r"namespace|uid map|uid_map|setgroups|loopback|RTM_NEWADDR|Operation not permitted", said):
        for name, bad, mend in (
            ("kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
            ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
            ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=15000"),
        ):
            try:
                forbidden = (root / "proc/sys" / name).read_text().strip() == bad
            except OSError:
                continue
            if forbidden:
                setting = f"{name.replace('/', '.')}={bad}"
                return Preflight(NAME, False, f"user namespaces are forbidden ({setting}): {said}", mend,
                                 "no_user_namespaces")  # fmt: skip
        mend = "in a container: allow user namespaces (docker run --security-opt seccomp=unconfined)"
        return Preflight(NAME, False, f"namespaces are forbidden: {said}", mend, "no_user_namespaces")
    if "proc" in said:
        mend = "in a container: docker run --security-opt systempaths=unconfined"
        return Preflight(NAME, False, f"/proc cannot be mounted: {said}", mend, "no_proc")
    if "--size" in said or "Unknown option" in said:
        return Preflight(
            NAME, False, f"bubblewrap is too old: {said}", "install bubblewrap 0.8 or newer", "too_old"
        )
    return Preflight(NAME, False, said, code="not_started")


_APPARMOR = (
    "allow bubblewrap alone: echo 'abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap"
    " flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r"
    " /etc/apparmor.d/bwrap"
)
