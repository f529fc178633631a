"""Which modules code imports, and which syntax it has, that guests do not have.

Reads the code, never runs it. Invariant: a module it names is certain to be imported when the lines that say
so are reached; imports that the code itself expects to fail (`try: import x`, `except ImportError`) and those
for type checkers are not named. Code that is no Python gives nothing: the guest shows its traceback.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from nexus.unikernel import abi

# What the interpreter itself brings, whatever the library beside the image has.
BUILT_IN = frozenset(
    "__main__ array binascii builtins cmath collections deflate errno gc hashlib heapq io json math"
    " micropython random re struct sys".split()
)
_EXPECTED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_HEAD, _ENTRY = struct.Struct("<II"), struct.Struct("<48sQQ")
_MOST = 4096
_ENDED_FOR = re.compile(rb"(?:ModuleNotFound|Import)Error: No module named '([\w.]{1,200})'\s*\Z")


def archive_modules(library: bytes) -> frozenset[str]:
    """The dotted names in a module archive ("lib/urllib/request.mpy"). Empty for bytes that are none."""
    if len(library) < _HEAD.size:
        return frozenset()
    magic, count = _HEAD.unpack_from(library)
    if magic != abi.ARCHIVE_MAGIC or count > _MOST or _HEAD.size + count * _ENTRY.size > len(library):
        return frozenset()
    found = set()
    for number in range(count):
        raw = _ENTRY.unpack_from(library, _HEAD.size + number * _ENTRY.size)[0]
        path = raw.partition(b"\0")[0].decode(errors="replace")
        stem, dot, ending = path.removeprefix("lib/").rpartition(".")
        if dot and ending in ("mpy", "py"):
            name = stem.replace("/", ".")
            found.add(name.removesuffix(".__init__"))
    return frozenset(found)


def library_modules(library: Path | None) -> frozenset[str]:
    """As `archive_modules`, of an image's library file."""
    try:
        return archive_modules(library.read_bytes()) if library is not None else frozenset()
    except OSError:
        return frozenset()


def needs_cpython(code: str | bytes, python: Path | None = None) -> list[str]:
    """The modules and syntax for which code has to be run by CPython (`python`), as guests lack them.

    Empty where a module is nowhere to be had: the guest's ImportError then says what there is. Syntax alone
    counts only where the fallback works.
    """
    from nexus.unikernel import fallback

    missing = not_in_guests(code, guest_modules())
    if fallback.lacking(missing, python):
        return []
    foreign = syntax_not_in_guests(code)
    return missing + (foreign if missing or (foreign and fallback.preflight().works) else [])


def advice(stderr: bytes, library: Path | None) -> str:
    """What to say to code that ended with a traceback for want of a module: what guests have, and what there
    is beside them. Empty for any other end. `library`: the image's library file."""
    from nexus.unikernel import fallback

    found = _ENDED_FOR.search(stderr)
    if found is None:
        return ""
    name = found[1].decode(errors="replace")
    there = {each.partition(".")[0] for each in BUILT_IN | library_modules(library)}
    has = ", ".join(sorted(each for each in there if not each.startswith("_")))
    said = f"sandboxes do not have {name}; they have {has}. The fallback is CPython in bubblewrap"
    if fallback.lacking([name]):
        return f"{said}, which does not have {name} either"
    look = fallback.preflight()
    if not look.works:
        return f"{said}, which does not work here: {look.detail}; {look.mend}".rstrip("; ")
    return f"{said}: nexus sandbox run --cpython"


def guest_modules() -> frozenset[str]:
    """The dotted names of what this machine's Python image has; without one, the built-in ones."""
    from nexus.core.errors import NexusError
    from nexus.unikernel import builder

    try:
        library = builder.python_image().library
    except NexusError:
        return BUILT_IN
    return BUILT_IN | library_modules(library)


def not_in_guests(code: str | bytes, guest: Collection[str]) -> list[str]:
    """The modules that code imports and guests lack, sorted. `guest`: dotted names of what guests have.

    A submodule is named in full where guests have the package, but not it: "urllib.robotparser".
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    there = BUILT_IN | frozenset(guest)
    packages = {name.rpartition(".")[0] for name in there if "." in name}
    try:
        wanted = set(_imported(tree.body))
    except RecursionError:
        return []
    lacking = set()
    for name in wanted:
        top = name.partition(".")[0]
        if top not in there and top not in packages:
            lacking.add(top)
        elif name not in there and name not in packages and top in packages:
            lacking.add(name)
    return sorted(lacking)


def syntax_not_in_guests(code: str | bytes) -> list[str]:
    """What of the language code uses that MicroPython cannot read, or reads otherwise: "match", "except*"."""
    try:
        tree = ast.parse(code)
        return sorted({name for node in ast.walk(tree) if (name := _foreign(node))})
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _foreign(node: ast.AST) -> str:
    match node:
        case ast.Match():
            return "match"
        case ast.TryStar():
            return "except*"
        case ast.comprehension(is_async=1):
            return "async comprehensions"
        case ast.Lambda(args=ast.arguments(posonlyargs=[_, *_])):
            return "lambda with /"
        case ast.ClassDef(keywords=keywords) if any(map(_is_own_metaclass, keywords)):
            return "metaclasses"
        case ast.FunctionDef(name="__getattribute__" | "__del__" as name):
            return name
        case ast.Call(func=ast.Name(id="locals")):
            return "locals()"
        case ast.Attribute(attr="__annotations__"):
            return "__annotations__"
        case _:
            return ""


def _is_own_metaclass(keyword: ast.keyword) -> bool:
    name = getattr(keyword.value, "attr", getattr(keyword.value, "id", ""))
    return keyword.arg == "metaclass" and name not in ("ABCMeta", "EnumMeta", "EnumType")


def _imported(body: Sequence[ast.AST]) -> Iterator[str]:
    """Dotted names that must be there, in any order."""
    for node in body:
        if isinstance(node, ast.Try | ast.TryStar) and _expects(node.handlers):
            yield from _imported([*node.handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With) and any(_suppresses(item.context_expr) for item in node.items):
            continue
        elif isinstance(node, ast.If) and _for_type_checkers(node.test):
            yield from _imported(node.orelse)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level and node.module:
                yield node.module
        else:
            if isinstance(node, ast.Call) and (name := _called(node)):
                yield name
            yield from _imported(list(ast.iter_child_nodes(node)))


def _called(node: ast.Call) -> str:
    """The module of `__import__("x")` and `importlib.import_module("x")`; relative ones are nobody's."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in ("__import__", "import_module") or not node.args:
        return ""
    first = node.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
        return first.value
    return ""


def _expects(handlers: Sequence[ast.ExceptHandler]) -> bool:
    return any(handler.type is None or _names(handler.type) & _EXPECTED for handler in handlers)


def _suppresses(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return "suppress" in _names(node.func) and any(_names(each) & _EXPECTED for each in node.args)


def _for_type_checkers(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in _names(test) and not isinstance(test, ast.UnaryOp)


def _names(node: ast.expr) -> set[str]:
    """The last words of a name, an attribute, or a tuple of such."""
    if isinstance(node, ast.Tuple):
        return set().union(*(_names(each) for each in node.elts))
    return {node.attr} if isinstance(node, ast.Attribute) else {getattr(node, "id", "")}
