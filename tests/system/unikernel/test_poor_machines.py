"""Machines that lack something: no KVM, no right to it, no seccomp, no place for one more.

Each is this machine, seen by a process that lacks the thing. What is lacking has a code and a remedy,
"auto" takes the next backend, and a backend that was asked for by name is refused and not replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nexus.unikernel import confine
from nexus.unikernel.images import Image
from tests.system.unikernel.conftest import ROOT

SCRIPT = """
import json, sys
from pathlib import Path
from nexus.core.errors import NexusError
from nexus.unikernel import backends
from nexus.unikernel.images import opened
from nexus.unikernel.sandbox import run_image
{before}
looks = {{p.backend: {{"works": p.works, "code": p.code, "detail": p.detail, "mend": p.mend}}
         for p in backends.preflights()}}
def tried(backend):
    try:
        result = run_image(opened(Path(sys.argv[1])), ["memory"], backend=backend)
        return [result.backend, result.ending, result.status]
    except NexusError as error:
        return [type(error).__name__, str(error)]
json.dump({{"looks": looks, "auto": tried("auto"), "named": tried({named!r})}}, sys.stdout)
"""

# seccomp(2) is not known and prctl(PR_SET_SECCOMP) not allowed, as in a container without either. x86-64.
NO_SECCOMP = """
import ctypes, struct
def step(code, equal, other, value):
    return struct.pack("HBBI", code, equal, other, value)
code = b"".join([
    step(0x20, 0, 0, 0),
    step(0x15, 3, 0, 317),
    step(0x15, 0, 3, 157),
    step(0x20, 0, 0, 16),
    step(0x15, 0, 1, 22),
    step(0x06, 0, 0, 0x00050026),
    step(0x06, 0, 0, 0x7FFF0000),
])
kept = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, *map(ctypes.c_ulong, (1, 0, 0, 0))) == 0
assert libc.prctl(22, *map(ctypes.c_ulong, (2, ctypes.addressof(program), 0, 0))) == 0
"""


def seen(
    image: Image, home: Path, *, before: str = "", named: str = "kvm", wrapped: tuple[str, ...] = ()
) -> Any:
    """What a process says that has a NEXUS_HOME of its own."""
    done = subprocess.run(
        [*wrapped, sys.executable, "-c", SCRIPT.format(before=before, named=named), str(image.folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=ROOT,
        env=os.environ | {"NEXUS_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def without_devices() -> tuple[str, ...]:
    """A command that runs another one with a fresh /dev."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("bubblewrap is not installed; apt install bubblewrap")
    wrapped = (bwrap, "--dev-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--die-with-parent")
    done = subprocess.run([*wrapped, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"bubblewrap does not work here: {done.stderr.strip()}")
    return wrapped


def test_without_the_device_the_next_backend_is_taken(
    built: Callable[[str], Image], tmp_path: Path, without_devices: tuple[str, ...]
) -> None:
    found = seen(built("greedy"), tmp_path, wrapped=without_devices)
    look = found["looks"]["kvm"]
    assert (look["works"], look["code"]) == (False, "no_kvm"), look
    assert "/dev/kvm" in look["detail"]
    assert look["mend"]
    working = [name for name, other in found["looks"].items() if other["works"]]
    assert found["auto"][:2] == [working[0], "exited"]
    assert found["named"][0] == "MissingPartError"
    assert look["mend"] in found["named"][1]


def test_a_device_that_is_no_kvm_is_seen_through(
    built: Callable[[str], Image], tmp_path: Path, without_devices: tuple[str, ...]
) -> None:
    (tmp_path / "kvm").touch()
    wrapped = (*without_devices, "--bind", str(tmp_path / "kvm"), "/dev/kvm")
    found = seen(built("greedy"), tmp_path, wrapped=wrapped)
    assert not found["looks"]["kvm"]["works"], found
    assert found["looks"]["kvm"]["detail"]
    assert found["auto"][1] == "exited"
    assert found["named"][0] == "MissingPartError"


def test_a_device_that_may_not_be_opened_has_a_remedy(
    built: Callable[[str], Image], tmp_path: Path, without_devices: tuple[str, ...]
) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, which gives up its right to all files, and setpriv")
    if not Path("/dev/kvm").exists() or Path("/dev/kvm").stat().st_mode & 0o006:
        pytest.skip("/dev/kvm is not there, or everybody's")
    # Somebody who may read everything, because this Python may lie in root's home, and write only his own.
    tmp_path.chmod(0o777)
    image = tmp_path / "image"
    shutil.copytree(built("greedy").folder, image)
    rights = "+dac_read_search"
    wrapped = (
        *("setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups"),
        *("--inh-caps", rights, "--ambient-caps", rights, "--"),
    )
    found = seen(Image(image, "c", "x"), tmp_path / "home", wrapped=wrapped)
    look = found["looks"]["kvm"]
    assert (look["works"], look["code"]) == (False, "no_permission"), look
    assert "usermod -aG kvm" in look["mend"]
    assert found["auto"][1] == "exited"


@pytest.mark.skipif(not confine.SECCOMP, reason="the filter of this test is for Linux on x86-64")
def test_without_seccomp_nothing_pretends_to_have_it(built: Callable[[str], Image], tmp_path: Path) -> None:
    found = seen(built("greedy"), tmp_path, before=NO_SECCOMP, named="spt")
    for backend in ("spt", "qemu"):
        look = found["looks"][backend]
        if look["code"] in ("no_program", "old_program"):
            continue
        assert (look["works"], look["code"]) == (False, "no_seccomp"), look
        assert "seccomp" in look["detail"]
        assert look["mend"]
    assert found["named"][0] == "MissingPartError"
    # The tender of kvm confines itself by seccomp too, so it does not run without; the emulator says so.
    assert not found["looks"]["kvm"]["works"], found["looks"]["kvm"]
    assert "without seccomp" in found["looks"]["unicorn"]["detail"]
    assert found["auto"] == ["unicorn", "exited", 0]


def test_where_nothing_works_it_says_what_each_lacks(built: Callable[[str], Image], tmp_path: Path) -> None:
    hidden = (
        "import os, sysconfig\nos.environ['PATH'] = '/nonexistent'\nsys.executable = '/nonexistent/python'\n"
    )
    hidden += "paths = sysconfig.get_path\nsysconfig.get_path = lambda name: '/nonexistent'\n"
    hidden += "from nexus.unikernel.tenders import unicorn\nunicorn.find_spec = lambda name: None\n"
    found = seen(built("greedy"), tmp_path, before=hidden)
    assert not any(look["works"] for look in found["looks"].values())
    kind, said = found["auto"]
    assert kind == "MissingPartError"
    for backend in ("kvm", "spt", "qemu", "unicorn"):
        assert f"{backend}: " in said
