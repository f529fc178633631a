"""Which modules code needs that guests lack."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.paths import Home
from nexus.unikernel import abi, fallback
from nexus.unikernel.imports import (
    BUILT_IN,
    advice,
    archive_modules,
    guest_modules,
    needs_cpython,
    not_in_guests,
    syntax_not_in_guests,
)
from nexus.unikernel.tender import Preflight

GUEST = frozenset(
    {
        "json",
        "math",
        "re",
        "urllib.request",
        "urllib.parse",
        "collections",
        "collections.abc",
        "host",
        "__future__",
    }
)


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("import json, math", []),
        ("import numpy as np\nimport json", ["numpy"]),
        ("from pandas.core import frame", ["pandas"]),
        ("import urllib.request", []),
        ("import urllib", []),
        ("import urllib.robotparser", ["urllib.robotparser"]),
        ("from collections.abc import Mapping", []),
        ("import math.absent", []),  # guests say themselves that math is no package
        ("def f():\n    import numpy", ["numpy"]),
        ("class A:\n    from scipy import stats", ["scipy"]),
        ("if x:\n    import numpy\nelse:\n    import torch", ["numpy", "torch"]),
        ("from . import own\nfrom .own import x", []),
        ("import host, sys, builtins\nfrom __future__ import annotations", []),
        ("x = __import__('numpy').array", ["numpy"]),
        ("import importlib\nimportlib.import_module('numpy.linalg')", ["importlib", "numpy"]),
        ("importlib.import_module('.own', 'p')", []),
        ("__import__(name)", []),
        ("import json\nmatch json:\n    case _:\n        import numpy", ["numpy"]),
        ("lambda: __import__('numpy')", ["numpy"]),
        ("async def f():\n    async with a:\n        import numpy", ["numpy"]),
    ],
)
def test_modules_that_are_imported(code: str, needs: list[str]) -> None:
    assert not_in_guests(code, GUEST) == needs


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None",
        "try:\n    import numpy\nexcept (OSError, ModuleNotFoundError):\n    pass",
        "try:\n    import numpy\nexcept builtins.ImportError:\n    pass",
        "try:\n    import numpy\nexcept:\n    pass",
        "try:\n    if x:\n        import numpy\nexcept Exception:\n    pass",
        "with contextlib.suppress(ImportError):\n    import numpy",
        "if TYPE_CHECKING:\n    import numpy",
        "if typing.TYPE_CHECKING:\n    import numpy",
    ],
)
def test_imports_that_may_fail_need_nothing(code: str) -> None:
    assert not_in_guests(code, GUEST) == []


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import numpy\nexcept OSError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    import numpy",
        "try:\n    import json\nexcept ImportError:\n    pass\nelse:\n    import numpy",
        "try:\n    import json\nexcept ImportError:\n    pass\nfinally:\n    import numpy",
        "with open(p):\n    import numpy",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import numpy",
        "if not TYPE_CHECKING:\n    import numpy",
    ],
)
def test_imports_beside_those_that_may_fail_are_needed(code: str) -> None:
    assert not_in_guests(code, GUEST) == ["numpy"]


@pytest.mark.parametrize(
    "code", ["import numpy\nif", "import numpy\x00", b"import numpy\n\xff\xfe", "x = " + "(" * 500]
)
def test_code_that_is_no_python_needs_nothing(code: str | bytes) -> None:
    assert not_in_guests(code, GUEST) == []


def test_code_may_be_bytes() -> None:
    assert not_in_guests("# größe\nimport numpy".encode(), GUEST) == ["numpy"]
    assert not_in_guests("# coding: latin-1\n# größe\nimport numpy".encode("latin-1"), GUEST) == ["numpy"]


def test_deep_code_is_no_failure() -> None:
    not_in_guests("\n".join(" " * n + "if x:" for n in range(90)) + "\n" + " " * 91 + "import numpy", GUEST)
    assert not_in_guests("x = " + "-" * 50_000 + "1", GUEST) == []
    assert isinstance(not_in_guests("x = " + "+".join("1" * 3000), GUEST), list)


def test_the_modules_of_an_archive() -> None:
    archive = abi.archive(
        [
            abi.Module("lib/statistics.mpy", b"M"),
            abi.Module("lib/urllib/request.mpy", b"M"),
            abi.Module("lib/collections/__init__.mpy", b"M"),
            abi.Module("main.py", b""),
            abi.Module("data.txt", b""),
        ]
    )
    assert archive_modules(archive) == {"statistics", "urllib.request", "collections", "main"}
    assert (
        archive_modules(b"")
        == archive_modules(archive[:30])
        == archive_modules(b"NOPE" + archive[4:])
        == set()
    )


@given(st.binary(max_size=400), st.integers(0, 400), st.binary(max_size=20))
def test_any_bytes_are_an_archive_or_none(raw: bytes, at: int, more: bytes) -> None:
    good = abi.archive([abi.Module("lib/a.mpy", b"x"), abi.Module("lib/b/c.mpy", b"y")])
    for each in (raw, good[:at] + more + good[at + len(more) :], good[: at + 8]):
        assert all(isinstance(name, str) for name in archive_modules(each))


@given(st.text(max_size=200))
def test_any_text_is_code_or_none(code: str) -> None:
    assert not_in_guests(code, GUEST) == sorted(not_in_guests(code, GUEST))


def test_without_an_image_only_what_is_built_in_is_there(home: Home) -> None:
    assert guest_modules() == BUILT_IN
    assert needs_cpython("import statistics") == ["statistics"]
    assert needs_cpython("import math") == []
    assert needs_cpython("import surely_absent, statistics") == []  # CPython would not have it either


TRACEBACK = b"""Traceback (most recent call last):
  File "main.py", line 1, in <module>
    import numpy
ModuleNotFoundError: No module named '%s'
"""


def test_advice_says_what_there_is_and_what_beside_it(tmp_path: Path, monkeypatch) -> None:
    library = tmp_path / "library.nxa"
    modules = ("lib/urllib/request.mpy", "lib/statistics.mpy", "lib/_own.mpy")
    library.write_bytes(abi.archive([abi.Module(name, b"") for name in modules]))
    monkeypatch.setattr(fallback, "preflight", lambda: Preflight("bubblewrap", True, "fine"))
    said = advice(TRACEBACK % b"numpy.linalg", library)
    assert said.startswith("sandboxes do not have numpy.linalg; they have array, binascii, ")
    assert ", statistics, struct, sys, urllib. The fallback is CPython in bubblewrap" in said
    assert said.endswith("nexus sandbox run --cpython")
    assert "_own" not in said


def test_advice_does_not_send_to_where_it_is_not(monkeypatch) -> None:
    working = Preflight("bubblewrap", True, "fine")
    monkeypatch.setattr(fallback, "preflight", lambda: working)
    assert "does not have no_such_package either" in advice(TRACEBACK % b"no_such_package", None)
    lacks = Preflight("bubblewrap", False, "it is not installed", "apt install bubblewrap")
    monkeypatch.setattr(fallback, "preflight", lambda: lacks)
    said = advice(TRACEBACK % b"numpy", None)
    assert said.endswith("does not work here: it is not installed; apt install bubblewrap")


@pytest.mark.parametrize(
    "stderr",
    [
        b"",
        b"ValueError: No module named 'x'",
        TRACEBACK % b"x" + b"and more",
        TRACEBACK % b"x'; rm -rf ~; '",
        TRACEBACK % (b"x" * 300),
        TRACEBACK % b"\xff",
    ],
)
def test_another_end_needs_no_advice(stderr: bytes) -> None:
    assert advice(stderr, None) == ""


@pytest.mark.parametrize(
    ("code", "foreign"),
    [
        ("match x:\n    case 1: pass", ["match"]),
        ("try: pass\nexcept* ValueError: pass", ["except*"]),
        ("async def f(): return [x async for x in y]", ["async comprehensions"]),
        ("f = lambda a, /: a", ["lambda with /"]),
        ("class A(metaclass=Own): pass", ["metaclasses"]),
        ("class A:\n    def __getattribute__(self, name): return 1", ["__getattribute__"]),
        ("def f(a): return locals(), f.__annotations__", ["__annotations__", "locals()"]),
        ("class A(metaclass=abc.ABCMeta): pass\nclass B(metaclass=EnumMeta): pass", []),
        ("match = 1\ndef f(a, /): return match", []),
        ("match x:", []),
        ("\0", []),
    ],
)
def test_syntax_that_guests_cannot_read_is_named(code: str, foreign: list[str]) -> None:
    assert syntax_not_in_guests(code) == foreign
