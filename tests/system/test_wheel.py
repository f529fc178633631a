"""The wheel of nexus, installed where there is no checkout: it builds guests, and runs agents' code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.images import Image
from nexus.unikernel.toolchain import Toolchain

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("core", "include", "micropython", "net")
TENDERS = ("nexus-tender-kvm", "nexus-tender-spt")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from this checkout; without the engine, whose compilation takes minutes."""
    try:
        Toolchain.find()
    except MissingPartError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("wheel")
    options = (f"build-dir={folder}/build", "cmake.define.NEXUS_ENGINE=OFF")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation"),
            *(word for option in options for word in ("--config-settings", option)),
            *("--wheel-dir", str(folder), str(ROOT)),
        ],
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return next(folder.glob("nexusos-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a fresh environment with the wheel; other packages are those of the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    return folder / "bin"


def nexus(installed: Path, home: Path, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [installed / "nexus", *map(str, words)],
        env=env | {"NEXUS_HOME": str(home)},
        cwd=home.parent,
        input=stdin,
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_what_guests_are_made_of_and_what_runs_them(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    held = {name.partition("/libos/")[2] for name in names if name.startswith("nexus/unikernel/libos/")}
    libos = ROOT / "native" / "libos"
    files = (path for part in PARTS for path in (libos / part).rglob("*") if path.is_file())
    assert held == {p.relative_to(libos).as_posix() for p in files if "__pycache__" not in p.parts}
    scripts = {name.rpartition("/")[2] for name in names if ".data/scripts/" in name}
    assert scripts.issuperset(TENDERS)


def test_an_application_in_c_is_built_and_run(installed: Path, tmp_path: Path) -> None:
    app = tmp_path / "hello.c"
    app.write_text('#include <nx.h>\nint main(void) { nx_puts("hello"); return 3; }\n')
    home = tmp_path / "home"
    ran = nexus(installed, home, "unikernel", "run", app)
    assert (ran.returncode, ran.stdout) == (3, "hello\n"), ran.stderr
    found = nexus(installed, home, "unikernel", "doctor").stdout
    assert "not_installed" not in found
    assert not (installed.parent / "lib" / "native").exists()


def test_agents_code_is_run_by_the_image_of_a_checkout(
    installed: Path, python_image: Image, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True, mode=0o700)
    (home / "cache" / "unikernel").symlink_to(python_image.folder.parent)
    ran = nexus(installed, home, "sandbox", "run", "-", stdin="import json; print(json.dumps([1]))")
    assert (ran.returncode, ran.stdout) == (0, "[1]\n"), ran.stderr
