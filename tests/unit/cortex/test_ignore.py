"""Which files a folder asks to leave alone. git itself is the judge where it has a say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import ignore
from nexus.cortex.ignore import Ignore, Level, parse
from nexus.cortex.reader import Outcome, walk


def ignored(rules: str, path: str, *, folder: bool = False) -> bool:
    rule = Level("/", ".gitignore", parse(rules)).verdict(f"/{path}", folder=folder)
    return rule is not None and not rule.keeps


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("*.log", "a/b.log", True),
        ("*.log", "a/b.logs", False),
        ("/a.log", "a.log", True),
        ("/a.log", "b/a.log", False),
        ("a/b", "a/b", True),
        ("a/b", "c/a/b", False),
        ("**/b", "a/x/b", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/*/b", "a/x/y/b", False),
        ("a**b", "axxb", True),
        ("x/a**b", "x/a/b", False),
        ("build/", "build", False),
        ("*.log\n!keep.log", "keep.log", False),
        ("!keep.log\n*.log", "keep.log", True),
        ("# note", "# note", False),
        ("\\#note", "#note", True),
        ("\\!note", "!note", True),
        ("note   ", "note", True),
        ("note\\ ", "note ", True),
        ("a[0-9]c", "a5c", True),
        ("a[!0-9]c", "a5c", False),
        ("a[]x]c", "a]c", True),
        ("a[[:digit:]]c", "a5c", True),
        ("a[", "a[", False),
        ("a\\*b", "axb", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("\ufeffa.log\r\nb.log\r\n", "a.log", True),
        ("\ufeffa.log\r\nb.log\r\n", "b.log", True),
        ("fo\u0301o*", "fo\u0301obar", True),
        ("", "a", False),
        ("/", "a", False),
    ],
)
def test_rules_mean_what_git_means_by_them(rules: str, path: str, *, expected: bool) -> None:
    assert ignored(rules, path) is expected


def test_a_rule_for_folders_is_not_for_files() -> None:
    assert ignored("build/", "a/build", folder=True)
    assert not ignored("build/", "a/build")


def judged_by_git(root: Path, paths: Sequence[str]) -> list[bool]:
    command = [
        "git",
        "-c",
        "core.excludesFile=/dev/null",
        "check-ignore",
        "--no-index",
        "-v",
        "-n",
        "-z",
        "--stdin",
    ]
    run = subprocess.run(
        command,
        cwd=root,
        input="\0".join(paths),
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert run.returncode in (0, 1), run.stderr
    fields = run.stdout.split("\0")[:-1]
    return [bool(fields[at + 2]) and not fields[at + 2].startswith("!") for at in range(0, len(fields), 4)]


_NAMES = st.sampled_from(["a", "b", "ab", "a.b", "b.a", "a b", "[a]", "*a", "a\\b", "A"])
# `**` is a name of its own here: git reads `a**/**` in a way that its manual does not tell.
_TOKENS = st.sampled_from(["a", "b", ".", "*", "?", "[ab]", "[!a]", "[a", "\\*", " ", "A"])
_PARTS = st.one_of(
    st.just(["**"]),
    st.lists(_TOKENS, min_size=1, max_size=4).filter(lambda tokens: "**" not in "".join(tokens)),
)
_LINES = st.builds(
    lambda no, first, parts, last: no + first + "/".join("".join(part) for part in parts) + last,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(_PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", "/*", " "]),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


@given(
    st.lists(_LINES, min_size=1, max_size=5), st.lists(st.lists(_NAMES, min_size=1, max_size=3), max_size=30)
)
def test_git_agrees(repository: Path, rules: list[str], paths: list[list[str]]) -> None:
    (repository / ".gitignore").write_text("\n".join(rules))
    names = sorted({"/".join(parts) for parts in paths} - {"."})
    if not names:
        return
    expected = judged_by_git(repository, names)
    levels = Ignore().inside(repository, [".gitignore"])
    found = []
    for name in names:
        parts = name.split("/")
        heads = ["/".join(parts[:end]) for end in range(1, len(parts))]
        outer = [bool(levels.why(f"{repository}/{head}", folder=True)) for head in heads]
        found.append(any(outer) or bool(levels.why(f"{repository}/{name}", folder=False)))
    assert found == expected


# ---- in a tree ---------------------------------------------------------------------------------


def make(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def seen(root: Path) -> dict[str, str]:
    """Name below root -> why it was left out, "" for a file to read."""
    found = {}
    for item in walk(root):
        path, reason = (item.path, item.reason) if isinstance(item, Outcome) else (item, "")
        found[os.path.relpath(path, root)] = reason
    return found


def test_deeper_rules_go_before_those_above(tmp_path: Path) -> None:
    make(
        tmp_path,
        **{
            ".gitignore": "*.txt\nout/\n",
            "a.txt": "x",
            "b.md": "x",
            "in/.gitignore": "!keep.txt\n/here.md\n",
            "in/keep.txt": "x",
            "in/here.md": "x",
            "in/deep/here.md": "x",
            "out/.gitignore": "!*\n",
            "out/c.md": "x",
        },
    )
    assert seen(tmp_path) == {
        ".gitignore": "",
        "a.txt": "ignored by .gitignore: *.txt",
        "b.md": "",
        "in/.gitignore": "",
        "in/deep/here.md": "",
        "in/here.md": "ignored by .gitignore: /here.md",
        "in/keep.txt": "",
        "out": "ignored by .gitignore: out/",
    }


def test_rules_above_a_folder_hold_up_to_its_repository(tmp_path: Path) -> None:
    make(
        tmp_path,
        **{
            ".gitignore": "*.md\n",
            "repo/.git/info/exclude": "private.*\n",
            "repo/.gitignore": "/docs/*.log\n",
            "repo/docs/a.md": "x",
            "repo/docs/b.log": "x",
            "repo/docs/private.txt": "x",
        },
    )
    assert seen(tmp_path / "repo" / "docs") == {
        "a.md": "",
        "b.log": "ignored by .gitignore: /docs/*.log",
        "private.txt": "ignored by exclude: private.*",
    }


def test_the_projects_own_file_has_the_last_word(tmp_path: Path) -> None:
    make(
        tmp_path,
        **{
            ".gitignore": "*.local.md\n",
            ".cortex/ignore": "drafts/\n!notes.local.md\n",
            "notes.local.md": "x",
            "other.local.md": "x",
            "drafts/a.md": "x",
            "part/drafts/b.md": "x",
        },
    )
    expected = {
        ".cortex": "ignored by rule: .cortex",
        ".gitignore": "",
        "notes.local.md": "",
        "other.local.md": "ignored by .gitignore: *.local.md",
        "drafts": "ignored by .cortex/ignore: drafts/",
        "part/drafts": "ignored by .cortex/ignore: drafts/",
    }
    assert seen(tmp_path) == expected
    assert seen(tmp_path / "part") == {"drafts": "ignored by .cortex/ignore: drafts/"}


def test_what_is_named_is_read_all_the_same(tmp_path: Path) -> None:
    make(tmp_path, **{".git/HEAD": "x", ".gitignore": "*.log\nbuilt/\n", "a.log": "x", "built/b.md": "x"})
    assert list(walk(tmp_path / "a.log")) == [tmp_path / "a.log"]
    assert seen(tmp_path / "built") == {"b.md": ""}


def test_what_was_ignored_can_be_counted(tmp_path: Path) -> None:
    make(tmp_path, **{".gitignore": "*.log\n", "a.log": "x", "node_modules/b.js": "x"})
    (tmp_path / "dead.md").symlink_to("nowhere")
    outcomes = [item for item in walk(tmp_path) if isinstance(item, Outcome)]
    assert [outcome.ignored for outcome in outcomes] == [True, False, True]


def test_rule_files_that_cannot_be_followed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignore, "MAX_RULES", 3)
    make(
        tmp_path, **{"a/.gitignore": "#" * (ignore.MAX_BYTES + 1), "d/.gitignore": "x\n" * 4, "rules": "*.md"}
    )
    for name in ("b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / ".gitignore").symlink_to(tmp_path / "rules")
    os.mkfifo(tmp_path / "c" / ".gitignore")
    failed = {
        os.path.relpath(item.path, tmp_path): item.reason
        for item in walk(tmp_path)
        if isinstance(item, Outcome) and item.status == "failed"
    }
    assert failed == {
        "a/.gitignore": "its rules are not followed: it is larger than 1 MB",
        "b/.gitignore": "its rules are not followed: Too many levels of symbolic links",
        "c/.gitignore": "its rules are not followed: it is no file",
        "d/.gitignore": "only its last 3 rules are followed",
    }


def test_a_rule_made_to_hang_does_not(tmp_path: Path) -> None:
    make(tmp_path, **{".gitignore": "*a" * 60 + "b\n" + "**/a/" * 60 + "b\n", "a" * 200: "x"})
    assert seen(tmp_path)["a" * 200] == ""
