"""Every public name says what it is: itself, or through what it implements.

A method may leave it to a class that it inherits from, ours or another package's, or to a Protocol of its
room that has a method of that name. `forward` is said by its class, as torch has it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "nexus"
Function = ast.FunctionDef | ast.AsyncFunctionDef
_PLAIN = {"Protocol", "Generic", "ABC", "Enum", "IntEnum", "StrEnum", "NamedTuple", "TypedDict", "Exception"}


class House:
    """The public classes and functions of a folder of modules."""

    def __init__(self, source: Path) -> None:
        self.modules = {
            path.relative_to(source).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
            for path in sorted(source.rglob("*.py"))
        }
        self.classes: dict[str, list[ast.ClassDef]] = {}
        for tree in self.modules.values():
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    self.classes.setdefault(node.name, []).append(node)
        self.said = {
            (_room(module), method.name)
            for module, tree in self.modules.items()
            for node in tree.body
            if isinstance(node, ast.ClassDef) and "Protocol" in _bases(node)
            for method in _methods(node)
            if ast.get_docstring(method)
        }

    def silent(self) -> Iterator[str]:
        """What has no docstring, one line each."""
        for module, tree in self.modules.items():
            for node in tree.body:
                if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
                    continue
                if not ast.get_docstring(node):
                    yield f"{module}:{node.lineno} {node.name}"
                if isinstance(node, ast.ClassDef):
                    for method in _methods(node):
                        promised = (_room(module), method.name) in self.said
                        if not (promised or self._documented(node, method)):
                            yield f"{module}:{method.lineno} {node.name}.{method.name}"

    def _documented(self, owner: ast.ClassDef, method: Function) -> bool:
        if method.name.startswith("_") or method.name == "forward" or _setter(method):
            return True
        return bool(ast.get_docstring(method)) or self._inherits(owner, method.name)

    def _inherits(self, owner: ast.ClassDef, name: str) -> bool:
        for base in _bases(owner) - _PLAIN:
            if base not in self.classes:
                return True  # another package's, which documents it
            for known in self.classes[base]:
                if any(m.name == name and ast.get_docstring(m) for m in _methods(known)):
                    return True
                if known is not owner and self._inherits(known, name):
                    return True
        return False


def _room(module: str) -> str:
    return module.split("/")[0]


def _bases(node: ast.ClassDef) -> set[str]:
    """The last names of what a class inherits from: `Generic` of `typing.Generic[T]`."""
    bare = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in bare}


def _methods(node: ast.ClassDef) -> list[Function]:
    return [found for found in node.body if isinstance(found, Function)]


def _setter(method: Function) -> bool:
    names = [d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in method.decorator_list]
    return bool({"setter", "overload", "override"} & set(names))


def test_every_public_name_is_documented() -> None:
    house = House(SOURCE)
    assert len(house.classes) > 500
    assert list(house.silent()) == []


@pytest.mark.parametrize(
    ("code", "silent"),
    [
        ("def f():\n    pass", ["m.py:1 f"]),
        ("class A:\n    '''Say.'''\n    def g(self):\n        pass", ["m.py:3 A.g"]),
        ("class A:\n    def _g(self):\n        pass", ["m.py:1 A"]),
        ("class _A:\n    def g(self):\n        pass\ndef _f():\n    pass", []),
        ("class P(Protocol):\n    '''P.'''\n    def g(self):\n        '''G.'''\nclass A:\n    '''A.'''\n"
         "    def g(self):\n        pass", []),
        ("class B:\n    '''B.'''\n    def g(self):\n        '''G.'''\nclass A(B):\n    '''A.'''\n"
         "    def g(self):\n        pass\n    def h(self):\n        pass", ["m.py:9 A.h"]),
    ],
)  # fmt: skip
def test_what_is_found(tmp_path: Path, code: str, silent: list[str]) -> None:
    (tmp_path / "m.py").write_text(code)
    assert list(House(tmp_path).silent()) == silent
