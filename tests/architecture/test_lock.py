"""The lock files fit pyproject.toml and each other, and can be installed from any index."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")

# Left to the user's index: torch is built per accelerator, so one hash would shut the others out. What else
# the extra `train` asks for is in `dev` too, and torch's own dependencies are the group `torch`.
UNLOCKED = {"train"}

# Imported by name, but a part of the package on the right.
COMES_WITH = {
    "anyio": "fastapi",
    "starlette": "fastapi",
    "pydantic_core": "pydantic",
}

# Used where the user installed it, named by `nexus doctor` where not.
OPTIONAL = {"qdrant_client"}


def pins(name: str) -> dict[str, set[Version]]:
    """Package name to its locked versions (more than one where the Python version decides)."""
    found: dict[str, set[Version]] = {}
    text = (ROOT / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(package, set()).add(Version(version))
    return found


def foreign_imports() -> set[str]:
    """The top-level names of other people's packages that src/ imports."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"nexus"}


def wanted(*, dev: bool) -> list[Requirement]:
    """What pyproject.toml asks a lock to hold."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [*table["project"]["dependencies"], *table["dependency-groups"]["build"]]
    if dev:
        lines += table["dependency-groups"]["torch"]
        for extra, more in table["project"]["optional-dependencies"].items():
            lines += [] if extra in UNLOCKED else more
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_holds_what_the_project_asks_for(name: str) -> None:
    locked = pins(name)
    for requirement in wanted(dev="dev" in name):
        versions = locked.get(requirement.name, set())
        assert versions, f"{requirement.name} is not in {name}; run: make lock"
        assert all(v in requirement.specifier for v in versions), f"{requirement}: run: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_line_names_a_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^(-|--)\w|\s@\s", text, re.MULTILINE)
    for block in re.split(r"\n(?=[a-z0-9])", text):
        if not block.startswith("#"):
            assert "--hash=sha256:" in block, block


def test_the_developers_lock_has_the_same_versions() -> None:
    runtime, dev = (pins(name) for name in LOCKS)
    assert {package: dev.get(package) for package in runtime} == runtime


def test_what_the_source_imports_is_declared() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [table["dependencies"], *table["optional-dependencies"].values()]
    declared = {_plain(Requirement(line).name) for group in groups for line in group}
    makers = packages_distributions()
    undeclared = {
        name
        for name in foreign_imports() - COMES_WITH.keys() - OPTIONAL
        if not declared & {_plain(maker) for maker in makers.get(name, [name])}
    }
    assert undeclared == set()
    assert {_plain(owner) for owner in COMES_WITH.values()} <= declared


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_torch_is_not_needed_and_never_one_for_a_gpu() -> None:
    assert "torch" not in pins("requirements-dev.lock")
    assert not [name for name in pins("requirements-dev.lock") if name.startswith(("nvidia-", "triton"))]
    lines = (ROOT / "requirements-torch.txt").read_text(encoding="utf-8").splitlines()
    asked = [Requirement(line) for line in lines if not line.startswith("#")]
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    train = {r.name: r for r in map(Requirement, extra["optional-dependencies"]["train"])}
    for requirement in asked:
        (pin,) = requirement.specifier
        assert requirement.name == "torch"
        assert pin.operator == "=="
        assert Version(pin.version) in train["torch"].specifier
        # Only for macOS do its makers have one build under the bare version, and that one needs no GPU.
        assert pin.version.endswith("+cpu") or str(requirement.marker) == 'sys_platform == "darwin"'
    assert {name: str(r.specifier) for name, r in train.items() if name != "torch"} == {
        r.name: str(r.specifier) for r in wanted(dev=True) if r.name in train
    }


def test_what_torch_asks_for_is_locked() -> None:
    pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
    locked = pins("requirements-dev.lock")
    for requirement in map(Requirement, requires("torch") or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            versions = locked.get(requirement.name, set())
            assert versions or requirement.name.startswith(("nvidia-", "cuda-", "triton")), requirement
            assert all(version in requirement.specifier for version in versions), requirement
