"""`nexus unikernel` as a person types it: build, run, explain, doctor, bench."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, MissingPartError, NexusError, NotFoundError
from nexus.core.parts import sandbox_parts
from nexus.core.paths import Home
from nexus.unikernel import backends
from nexus.unikernel.toolchain import Toolchain
from tests.system.libos.test_cli_sandbox import ROOT, nexus

HELLO = ROOT / "native" / "libos" / "apps" / "hello.c"


def _lacking() -> str:
    try:
        Toolchain.find()
    except NexusError as error:
        return str(error)
    return "" if shutil.which("objdump") else "objdump is not in PATH"


needs_compiler = pytest.mark.skipif(bool(_lacking()), reason=_lacking())


@pytest.fixture
def backend() -> str:
    """One that works here."""
    try:
        return backends.chosen("auto").name
    except NexusError as error:
        pytest.skip(f"no backend works here: {error}")


@needs_compiler
def test_an_application_is_built_explained_and_run(home: Home, tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "hello"
    built = nexus("unikernel", "build", HELLO, "-o", folder)
    assert built.stdout == f"{folder}\n"
    assert "bytes" in built.stderr
    told = json.loads(nexus("unikernel", "explain", folder, "--json").stdout)
    assert {part["name"] for part in told["parts"] if part["present"]} >= {"console", "app"}
    assert told["audit"]["clean"] is True
    shown = nexus("unikernel", "explain", folder).stdout
    assert "network stack (lwIP): absent (0 bytes)" in shown
    assert "no system call, interrupt, port or privileged instruction" in shown
    done = nexus("unikernel", "run", folder, "--backend", backend, "one", "--", "--two")
    assert (done.exit_code, done.stdout) == (0, "hello from the LibOS\none\n--two\n")


@needs_compiler
def test_an_application_is_run_without_being_built_first(home: Home, tmp_path: Path, backend: str) -> None:
    source = tmp_path / "app.c"
    source.write_text("int main(int argc, char **argv)\n{\n    (void)argv;\n    return 40 + argc;\n}\n")
    assert nexus("unikernel", "run", "--backend", backend, source, "x").exit_code == 42
    told = json.loads(nexus("unikernel", "run", "--json", source).stdout)
    assert (told["status"], told["ending"]) == (41, "exited")


@needs_compiler
def test_a_compilers_error_is_told_in_its_words(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text("int main(void)\n{\n    return absent;\n}\n")
    with pytest.raises(NexusError, match=r"bad\.c:3.*absent"):
        nexus("unikernel", "build", source)


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["build", "app.rs"], InvalidInputError, "neither a .c nor a .py"),
        (["build", "/absent/app.c"], NotFoundError, "/absent/app.c"),
        (["explain"], NotFoundError, "nexus unikernel build"),
        (["run", "--backend", "vmware", HELLO], InvalidInputError, "vmware"),
        (["run", "--block", "/absent/disk:rw", HELLO], NotFoundError, "/absent/disk"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, words: list[str], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        nexus("unikernel", *words)


def test_a_folder_without_an_image_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no whole image"):
        nexus("unikernel", "explain", tmp_path)


def test_without_a_compiler_the_package_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPartError, match="apt install gcc"):
        nexus("unikernel", "build", HELLO)


def test_the_doctor_names_all_and_what_mends_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home.root))
    monkeypatch.delenv("NEXUS_UNIKERNEL_SOURCES", raising=False)
    done = nexus("unikernel", "doctor", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1  # there is no image
    assert [look["backend"] for look in told["backends"]] == list(backends.ORDER)
    assert all(look["works"] or look["code"] for look in told["backends"])
    assert (told["image"]["works"], told["image"]["code"]) == (False, "not_found")
    assert "nexus unikernel build" in told["image"]["mend"]
    compiler, sources, objdump = told["building"]
    for look in (compiler, objdump):
        assert (look["works"], look["code"]) == (False, "no_program")
        assert "apt install" in look["mend"]
    assert (sources["works"], sources["code"]) == (False, "no_sources")
    assert "set NEXUS_UNIKERNEL_SOURCES" in sources["mend"]
    shown = nexus("unikernel", "doctor").stdout
    assert "mend: build it: nexus unikernel build" in shown


def test_the_bench_has_a_row_for_each_backend(home: Home) -> None:
    rows = json.loads(nexus("unikernel", "bench", "-n", "1", "--json").stdout)
    assert [row["backend"] for row in rows] == [*backends.ORDER, "bubblewrap"]
    # Without an image no guest starts, and that is said instead of a figure.
    assert all(row["problem"] and not row["p50"] for row in rows[:-1])


def test_the_parts_that_sandboxes_need_are_listed(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    parts = {part.name: part for part in sandbox_parts(tmp_path)}
    names = ["sandbox: kvm", "sandbox: seccomp", "sandbox: qemu", "sandbox: bubblewrap", "sandbox: image"]
    assert list(parts) == names
    assert all(part.state == "missing" and part.mend for part in parts.values())
    for program in ("nexus-tender-kvm", "bwrap"):
        (tmp_path / program).touch(0o755)
    parts = {part.name: part for part in sandbox_parts(tmp_path)}
    assert parts["sandbox: bubblewrap"].state == "available"
    assert parts["sandbox: kvm"].mend.startswith("modprobe kvm")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kvm").touch()
    folder = home.cache / "unikernel" / "key"
    folder.mkdir(parents=True)
    (folder / "image.json").write_text('{"kind": "python", "key": "key"}')
    parts = {part.name: part for part in sandbox_parts(tmp_path)}
    assert parts["sandbox: kvm"].state == parts["sandbox: image"].state == "available"
