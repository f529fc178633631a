"""Every link of the documentation leads somewhere, and every path or name it gives exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Found, anchors, links, pages, spans

NAMED_IN = ("README.md", "SPEC.md", "CONTRIBUTING.md", "docs/map.md", "docs/paths/*.md")
SOURCE = ROOT / "src" / "nexus"
_PLACED = re.compile(r"`([A-Za-z_][\w.:]*(?:\(\))?)` (?:\(|in )`([\w./-]+/[\w.-]+\.(?:py|c|h|cpp|hpp))`")


def broken(link: Found) -> str:
    """Why the link leads nowhere; empty where it leads somewhere."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link.text):
        return ""
    path, _, anchor = link.text.partition("#")
    target = link.page if not path else (link.page.parent / path).resolve()
    if not target.exists():
        return f"{link}: no such file"
    if not target.is_relative_to(ROOT):
        return f"{link}: leaves the repository"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return f"{link}: no such heading"
    return ""


def missing_path(span: Found) -> str:
    """Why a code span that names a path or an object of ours is wrong; empty where it is right."""
    text = span.text
    if re.fullmatch(r"nexus(\.\w+)+(:\w+(\.\w+)*)?(\(\))?", text):
        return "" if _exists_in_code(text.removesuffix("()").replace(":", ".")) else f"{span}: no such name"
    path, _, name = text.partition(":")
    if not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)+/?|[\w*-]+/", path):
        return ""
    first = path.split("/")[0]
    bases = [base for base in (ROOT, SOURCE) if (base / first).exists()]
    if not bases:
        return ""  # a path of the user's, not of ours
    found = [hit for base in bases for hit in base.glob(path.rstrip("/"))]
    if not found:
        return f"{span}: no such path"
    if re.fullmatch(r":?[A-Za-z_][\w.]*(\(\))?", name) and found[0].suffix == ".py":
        wanted = name.lstrip(":").removesuffix("()").split(".")
        return "" if _names(found[0]).issuperset(wanted) else f"{span}: no such name in it"
    return ""


def _exists_in_code(dotted: str) -> bool:
    parts = dotted.split(".")[1:]
    for count in range(len(parts), -1, -1):
        base = SOURCE.joinpath(*parts[:count])
        for module in (base.with_suffix(".py"), base.with_suffix(".pyi"), base / "__init__.py"):
            if module.is_file():
                return _names(module).issuperset(parts[count:])
    return SOURCE.joinpath(*parts).is_dir()


def _names(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return found


def test_every_link_leads_somewhere() -> None:
    assert pages()
    assert [reason for page in pages() for link in links(page) if (reason := broken(link))] == []


def test_every_path_and_name_given_exists() -> None:
    named = [span for page in pages(*NAMED_IN) for span in spans(page)]
    assert named
    assert [reason for span in named if (reason := missing_path(span))] == []


@pytest.mark.parametrize(
    "name",
    ["README.md", "SPEC.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/map.md"],
)
def test_the_standing_pages_are_there(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize(
    "text", ["nowhere.md", "log.md#no-such-heading", "../../outside.md", "#no-such-heading"]
)
def test_a_broken_link_is_caught(text: str) -> None:
    assert broken(Found(ROOT / "docs" / "log.md", 1, text))


@pytest.mark.parametrize(
    "text",
    [
        "src/nexus/core/absent.py",
        "core/absent.py",
        "tests/absent/",
        "scripts/*.absent",
        "src/nexus/core/ids.py:absent",
        "nexus.core.absent",
        "nexus.core.ids.absent()",
    ],
)
def test_a_wrong_name_is_caught(text: str) -> None:
    assert missing_path(Found(ROOT / "docs" / "log.md", 1, text))


@pytest.mark.parametrize(
    "text",
    [
        *("src/nexus/core/ids.py", "core/", "core/ids.py:point_id", "scripts/*.sh", "nexus.core"),
        *("nexus.core.ids:point_id", "nexus.core.paths.Home.from_env()", "nexus --help"),
        *("/api/status", "a/b", "NEXUS_HOME/run", "x = 1"),
    ],
)
def test_what_is_right_or_not_ours_passes(text: str) -> None:
    assert missing_path(Found(ROOT / "docs" / "log.md", 1, text)) == ""


def misplaced(page: Path) -> list[str]:
    """Names that a page puts into a file, as "`name` (`file`" or "`name` in `file`", and are not there."""
    wrong = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for names, path in _PLACED.findall(line):
            name = re.split(r"[.:(]+", names.rstrip("()"))[-1]
            text = (ROOT / path).read_text(encoding="utf-8")
            if not re.search(rf"\b{re.escape(name)}\b", text):
                wrong.append(f"{page.name}:{number}: {path} has no {name}")
    return wrong


def test_paths_name_functions_where_they_are() -> None:
    walked = pages("docs/paths/*.md")
    assert {page.stem for page in walked} >= {"ask", "add", "page-in", "publish", "write"}
    assert [reason for page in walked for reason in misplaced(page)] == []
    assert all(_PLACED.search(page.read_text(encoding="utf-8")) for page in walked if page.stem != "page-in")


def test_a_misplaced_function_is_caught(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("`Ledger.nowhere` (`src/nexus/cortex/ledger.py`) and `x` in `Makefile`\n")
    assert len(misplaced(tmp_path / "a.md")) == 1


def test_the_map_has_every_package() -> None:
    text = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    packages = sorted(path.parent.relative_to(ROOT).as_posix() for path in SOURCE.rglob("__init__.py"))
    assert len(packages) > 20
    assert [name for name in packages if name != "src/nexus" and f"`{name}/`" not in text] == []
