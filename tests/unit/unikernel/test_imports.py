"""Which modules code needs that guests lack."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import MissingPartError
from nexus.core.paths import Home
from nexus.unikernel import abi
from nexus.unikernel.images import Image
from nexus.unikernel.imports import (
    BUILT_IN,
    archive_modules,
    guest_modules,
    library_modules,
    needs_cpython,
    not_in_guests,
)
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox

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


def test_what_is_said_to_be_built_in_is_in_guests(python_image: Image) -> None:
    try:
        guest = Sandbox(image=python_image, limits=Limits(wall=60, cpu=60))
        names = sorted(BUILT_IN | library_modules(python_image.library))
        code = "\ntry:\n    __import__({0!r})\nexcept ImportError:\n    print({0!r})"
        done = guest.run("".join(map(code.format, names)))
    except MissingPartError as error:
        pytest.skip(f"no guest can be run here: {error}")
    assert (done.ok, done.stdout.decode().split()) == (True, [])


def test_without_an_image_only_what_is_built_in_is_there(home: Home) -> None:
    assert guest_modules() == BUILT_IN
    assert needs_cpython("import statistics") == ["statistics"]
    assert needs_cpython("import math") == []
    assert needs_cpython("import surely_absent, statistics") == []  # CPython would not have it either
