"""The version stands in one place for each reader, and everywhere it is the same."""

from __future__ import annotations

import re
import tomllib

import nexus
from tests.docs.markdown import ROOT


def test_package_code_and_changelog_name_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == nexus.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [h for h in re.findall(r"^## (\S+)", changes, re.MULTILINE) if h != "Unreleased"]
    assert headings[0] == nexus.__version__


def test_no_hint_sends_anybody_to_a_package_of_another_name() -> None:
    # `nexus` on a public index is somebody else's package, and would put its files over ours.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    told = [
        (path, name, extra)
        for path in (ROOT / "src" / "nexus").rglob("*.py")
        for name, extra in re.findall(r"pip install '(\w+)\[([\w-]+)\]'", path.read_text(encoding="utf-8"))
    ]
    assert told
    assert [hint for hint in told if hint[1] != project["name"] or hint[2] not in extras] == []
