"""The doctor of sandboxes: what works, what does not, and that a look that fails is told, not raised."""

from __future__ import annotations

import json

import pytest

from nexus.core.errors import MissingPartError
from nexus.core.paths import Home
from nexus.unikernel import backends, doctor, startup
from nexus.unikernel.result import Result
from nexus.unikernel.tender import Preflight


class Tender:
    """One that works, or says why it does not."""

    def __init__(self, look: Preflight | Exception) -> None:
        self._look = look

    def preflight(self) -> Preflight:
        if isinstance(self._look, Exception):
            raise self._look
        return self._look


def test_auto_is_the_first_that_works(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = {
        "kvm": Tender(MissingPartError("no program", hint="make up")),
        "spt": Tender(ImportError("not built")),
        "qemu": Tender(Preflight("qemu", True, "fine")),
        "unicorn": Tender(Preflight("unicorn", True, "fine")),
    }
    monkeypatch.setattr(backends, "tender", looks.__getitem__)
    found = doctor.report()
    assert found.auto == "qemu"
    assert not found.works  # no image
    kvm, spt = found.backends[:2]
    assert (kvm.works, kvm.code, kvm.mend) == (False, "missing_part", "make up")
    assert (spt.works, spt.code) == (False, "not_installed")
    told = json.loads(json.dumps(found.as_dict()))
    assert told["image"]["code"] == "not_found"
    assert {look["backend"] for look in told["building"]} == {"compiler", "sources", "objdump"}


def test_where_nothing_works_auto_is_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "tender", lambda _: Tender(MissingPartError("no")))
    assert doctor.report().auto == ""


def test_a_bench_counts_good_runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def result(stdout: bytes, seconds: float) -> Result:
        return Result("exited", 0, stdout, b"", seconds, "x")

    seconds = iter((9.0, 0.3, 0.1, 0.2))
    row = startup._row("x", 3, lambda: result(b"hi\n", next(seconds)))
    assert (row.runs, row.p50, row.least, row.most, row.problem) == (3, 0.2, 0.1, 0.3, "")
    assert startup._row("x", 3, lambda: result(b"ho\n", 1.0)).problem
