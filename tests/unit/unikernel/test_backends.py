"""Backends that are absent: "auto" goes on to the next, and the preflight says what is not there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, MissingPartError, NexusError
from nexus.unikernel import backends
from nexus.unikernel.tender import Preflight
from nexus.unikernel.tenders import program
from nexus.unikernel.tenders.unicorn import Unicorn

TENDERS = "nexus.unikernel.tenders"


class Works:
    """A backend that works."""

    def __init__(self, name: str) -> None:
        self.name = name

    def preflight(self) -> Preflight:
        return Preflight(self.name, True, "it is a fake")


class Fails:
    """A backend whose look fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def preflight(self) -> Preflight:
        raise self.error


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    """No backend that another test has met, before and after."""
    backends.tender.cache_clear()
    yield
    backends.tender.cache_clear()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Makes a backend, by its class's name, work here whatever the machine is."""

    def make(name: str) -> None:
        module = importlib.import_module(f"{TENDERS}.{name}")
        monkeypatch.setattr(module, name.capitalize(), lambda: Works(name))

    return make


def test_without_the_programs_the_next_is_taken_and_each_says_why(only, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(program, "find", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    only("unicorn")
    assert backends.chosen("auto").name == "unicorn"
    looks = backends.preflights()
    assert [(look.backend, look.works, look.code) for look in looks] == [
        ("kvm", False, "no_program"),
        ("spt", False, "no_program"),
        ("qemu", False, "no_program"),
        ("unicorn", True, ""),
    ]
    for look, name in zip(
        looks, ("nexus-tender-kvm", "nexus-tender-spt", "qemu-system-x86_64"), strict=False
    ):
        assert name in look.detail
        assert look.mend


def test_a_module_that_is_not_installed_is_passed_over(only, monkeypatch) -> None:
    for name in ("kvm", "spt"):
        monkeypatch.setitem(sys.modules, f"{TENDERS}.{name}", None)  # as where the file is not there
    only("qemu")
    assert backends.chosen("auto").name == "qemu"
    for look in backends.preflights()[:2]:
        assert (look.works, look.code) == (False, "not_installed")
        assert f"{TENDERS}.{look.backend}" in look.detail
        assert look.mend
    with pytest.raises(MissingPartError, match="the backend spt does not work here: it is not a part"):
        backends.chosen("spt")


def test_a_module_that_comes_later_is_found(only, monkeypatch) -> None:
    only("kvm")
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, f"{TENDERS}.kvm", None)
        assert backends.preflight("kvm").code == "not_installed"
    assert backends.preflight("kvm").works


def test_without_the_package_the_emulator_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(f"{TENDERS}.unicorn.find_spec", lambda name: None)
    look = Unicorn().preflight()
    assert (look.works, look.code) == (False, "no_package")
    assert "pip install" in look.mend


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(24, "Too many open files"), "preflight_failed", "Too many open files"),
        (ImportError("not built"), "not_installed", "not built"),
        (NexusError("no room for it", hint="make room"), NexusError.code, "no room for it"),
    ],
)
def test_a_look_that_fails_is_one_that_does_not_work(only, monkeypatch, error, code: str, said: str) -> None:
    kvm = importlib.import_module(f"{TENDERS}.kvm")
    monkeypatch.setattr(kvm, "Kvm", lambda: Fails(error))
    only("spt")
    assert backends.chosen("auto").name == "spt"
    look = backends.preflight("kvm")
    assert (look.works, look.code) == (False, code)
    assert said in look.detail


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'vmware'"):
        backends.preflight("vmware")  # type: ignore[arg-type]
