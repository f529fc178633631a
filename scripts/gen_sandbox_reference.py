"""Write the list of modules into docs/reference/sandbox-python.md, from the modules' own docstrings.

What stands between the page's two marks is made anew, the rest is kept as people wrote it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scripts import generated

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "native" / "libos" / "micropython" / "lib"
PAGE = ROOT / "docs" / "reference" / "sandbox-python.md"
_MARKED = re.compile(r"(?<=<!-- modules: make docs -->\n).*(?=<!-- end of modules -->)", re.DOTALL)
# The interpreter's own modules have no docstrings.
_BUILT_IN = {
    "array": ("array, with append and extend", "the other methods of lists."),
    "builtins": ("the names that need no import", "breakpoint, help, ExceptionGroup, aiter, anext."),
    "cmath": ("e pi phase polar rect cos exp log log10 sin sqrt", "the others."),
    "deflate": ("DeflateIO; MicroPython's own. zlib and gzip are CPython's names for it", ""),
    "errno": ("the common error numbers, errorcode", "rarer ones."),
    "gc": ("collect, enable, disable, isenabled", "generations, callbacks, get_objects."),
    "micropython": ("const; MicroPython's own", ""),
    "struct": ("calcsize pack pack_into unpack unpack_from", "Struct, iter_unpack, error."),
    "sys": (
        "argv exit stdin stdout stderr path modules maxsize byteorder version version_info implementation"
        " platform exc_info getsizeof intern",
        "what is about frames and the import machinery.",
    ),
}


def modules() -> Iterator[tuple[str, str]]:
    """(dotted name, docstring) of every public module of the library."""
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if any(re.match(r"_(?!_)", part) for part in name.split(".")):
            continue
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if not text:
            raise SystemExit(f"{path.relative_to(ROOT)} has no docstring")
        yield name, text


def told(name: str, docstring: str) -> tuple[str, str]:
    """What a module has, and what is to be known beside: its limits, and what it lacks."""
    first, _, rest = re.sub(r"[ \t]*\n[ \t]*(?!\n)", "\n", docstring).partition("\n\n")
    first, lacks, more = first.partition("Lacks: ")
    has = " ".join(first.split()).removeprefix(f"{name}: ").rstrip(".")
    beside = " ".join([lacks + more, rest]).split()
    return has, " ".join(beside)


def cell(text: str) -> str:
    """As a table takes it; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    plain = [
        re.sub(r"[\\*<\[\]]|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])", _escaped, part) for part in parts[::2]
    ]
    parts[::2] = plain
    return "".join(parts).replace("|", "\\|")


def _escaped(signs: re.Match[str]) -> str:
    return "".join(f"\\{sign}" for sign in signs[0])


def rows() -> Iterator[str]:
    """The two tables."""
    from nexus.unikernel.imports import BUILT_IN

    library = dict(modules())
    own = BUILT_IN - set(library) - {"__main__"}
    if own != set(_BUILT_IN):
        raise SystemExit(f"{Path(__file__).name}: {', '.join(sorted(own ^ set(_BUILT_IN)))}: say what it is")
    head = "| module | what it has | what differs |\n|---|---|---|"
    yield head
    for name, docstring in sorted(library.items()):
        has, beside = told(name, docstring)
        yield f"| `{name}` | {cell(has)} | {cell(beside)} |"
    yield "\nOf the interpreter itself:\n"
    yield head
    for name, (has, beside) in sorted(_BUILT_IN.items()):
        yield f"| `{name}` | {cell(has)} | {cell('Lacks: ' + beside if beside else '')} |"


def page() -> str:
    """The whole page."""
    text = PAGE.read_text(encoding="utf-8")
    if len(_MARKED.findall(text)) != 1:
        raise SystemExit(f"{PAGE.relative_to(ROOT)} has lost the marks around its list of modules")
    made = "\n" + "\n".join(rows()) + "\n\n"
    return _MARKED.sub(lambda _: made, text)


if __name__ == "__main__":
    generated.write(__doc__ or "", page)
