"""Reading files: each bad one has its own outcome, and none stops the others."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.cortex import reader
from nexus.cortex.evaluation.credentials import HIGH, Maker
from nexus.cortex.reader import Document, Outcome, ReadLimits, display, read, walk

LIMITS = ReadLimits(max_bytes=1_000_000, max_line_chars=2000)


def refusal(path: Path, limits: ReadLimits = LIMITS) -> Outcome:
    outcome = read(path, limits)
    assert isinstance(outcome, Outcome), outcome
    assert outcome.path == path
    assert outcome.reason
    return outcome


def text_of(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    document = read(path, LIMITS)
    assert isinstance(document, Document), document
    return document.text


# ---- reading -----------------------------------------------------------------------------------


def test_a_file_comes_with_its_text_hash_size_time_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"# Hi\r\n\xc3\xa9\n")
    document = read(path, LIMITS)
    assert isinstance(document, Document)
    assert document.text == "# Hi\r\n\u00e9\n"
    assert document.sha256 == "ae8e82cc581ac2b249928734b15d7fb920a845f514d0faac4fea86a2ecc43505"
    assert (document.size, document.mtime_ns) == (9, path.stat().st_mtime_ns)
    assert (document.kind, document.redacted) == ("markdown", ())


def test_marked_encodings_are_decoded(tmp_path: Path) -> None:
    text = "caf\u00e9 \U0001f600\n"
    assert text_of(tmp_path / "a.txt", b"\xef\xbb\xbf" + text.encode()) == text
    for encoding in ("utf-16", "utf-32"):
        assert text_of(tmp_path / "a.txt", text.encode(encoding)) == text
    assert text_of(tmp_path / "a.txt", b"\xfe\xff" + text.encode("utf-16-be")) == text


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_skipped(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(data)
    outcome = refusal(path)
    assert outcome.status == "skipped"
    assert "empty" in outcome.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x02\x01\x01", "binary: program"),
        (b"\x89PNG\r\n\x1a\n....", "binary: PNG image"),
        (b"%PDF-1.7\nplain letters", "binary: PDF"),
        (b"PK\x03\x04....", "binary: ZIP archive"),
        (b"text\0with a null", "binary"),
        (b"x" * 9000 + b"\0", "binary"),
        (b"\xff\xfea\0b\0\0\0", "binary"),
    ],
)
def test_a_binary_file_is_skipped(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    outcome = refusal(path, ReadLimits())
    assert (outcome.status, outcome.reason) == ("skipped", reason)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)  # sparse: it takes no room
    outcome = refusal(path, ReadLimits())
    assert outcome.status == "skipped"
    assert outcome.reason == "too large: 200.0 MB, the limit is 20 MB"
    assert "cortex.max_file_mb" in outcome.hint


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab\n" * 100)
    assert isinstance(read(path, ReadLimits(300)), Document)
    assert isinstance(read(path, ReadLimits(299)), Outcome)


def test_text_that_is_not_utf8_names_the_byte_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "it's.txt"
    path.write_bytes(b"one\ntwo caf\xe9\n")
    outcome = refusal(path)
    assert outcome.status == "failed"
    assert outcome.reason == "not UTF-8: byte 0xe9 at offset 11, line 2"
    assert outcome.hint.startswith("iconv -f ISO-8859-1 -t UTF-8 ")
    assert "'\"'\"'" in outcome.hint, "the name is quoted for the shell"
    path.write_bytes(b"\xff\xfea\0b")
    assert refusal(path).reason.startswith("not UTF-16-LE")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_line_that_is_too_long_is_named(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(line_end.join(["short", "x" * 2000, "y" * 2001, "z"]), newline="")
    assert refusal(path).reason == "line 3 is longer than 2000 characters"
    path.write_text(line_end.join(["short", "x" * 2000, "z"] * 9), newline="")
    assert isinstance(read(path, LIMITS), Document)
    path.write_text("word " * 400_000)
    assert "line 1 is longer" in refusal(path, ReadLimits()).reason


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    outcome = refusal(tmp_path / "gone.md")
    assert (outcome.status, outcome.reason) == ("failed", "it does not exist (any more)")
    assert refusal(tmp_path).reason == "a folder, not a file"


class _Meanwhile:
    """Does something to the file after it was opened: what a second program may do at any time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *actions) -> None:
        self.actions = list(actions)
        original = reader._read_at_most

        def reading(file, limit):
            if self.actions:
                self.actions.pop(0)()
            return original(file, limit)

        monkeypatch.setattr(reader, "_read_at_most", reading)


def test_a_file_deleted_while_being_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.md"
    path.write_text("text")
    _Meanwhile(monkeypatch, path.unlink)
    assert refusal(path).reason == "it does not exist (any more)"


def test_a_file_that_changes_once_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.md"
    path.write_text("old")
    _Meanwhile(monkeypatch, lambda: path.write_text("new and longer"))
    document = read(path, LIMITS)
    assert isinstance(document, Document)
    assert document.text == "new and longer"


def test_a_file_replaced_by_a_rename_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fresh = tmp_path / "a.md", tmp_path / "fresh"
    path.write_text("old")
    fresh.write_text("new")
    _Meanwhile(monkeypatch, lambda: fresh.replace(path))
    document = read(path, LIMITS)
    assert isinstance(document, Document)
    assert document.text == "new"


def test_a_file_that_never_rests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    path.write_text("1")
    _Meanwhile(monkeypatch, *[lambda n=n: path.write_text("x" * (n + 5)) for n in range(5)])
    outcome = refusal(path)
    assert (outcome.status, outcome.reason) == ("failed", "it changed while it was being read")


@pytest.mark.parametrize("name", [".env", "id_rsa", "server.pem", "x/.aws/credentials"])
def test_a_secret_file_is_not_even_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)  # to open it would wait for ever
    assert refusal(path).reason.startswith("secret file: ")


def test_a_link_with_a_harmless_name_does_not_hide_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "id_rsa").write_text("key")
    (tmp_path / "notes.md").symlink_to("id_rsa")
    assert refusal(tmp_path / "notes.md").reason == "secret file: SSH key (id_rsa*)"


CODE = '''"""Opens the harbour at nine."""

import harbour

HOST = "harbour.internal"
password = "{}"


def connect() -> harbour.Gate:
    """The gate, opened as the keeper."""
    return harbour.Gate(HOST, user="keeper", secret_word="{}")
'''
PASSWORD = "vK7#" + "qLw9Tz4x"


@pytest.mark.parametrize("name", ["page.md", "harbour.py", "app.toml", "note.txt", "harbour"])
def test_one_password_is_blacked_out_and_the_file_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(CODE.format(PASSWORD, PASSWORD))
    document = read(path, LIMITS)
    assert isinstance(document, Document)
    assert document.text == CODE.format(*["[removed: password-or-key]"] * 2)
    assert [(f.kind, f.line) for f in document.redacted] == [("password-or-key", 6), ("password-or-key", 11)]


@pytest.mark.parametrize("kind", HIGH)
def test_nothing_of_a_sure_credential_is_left_either(tmp_path: Path, kind: str) -> None:
    secret = HIGH[kind](Maker(5))
    path = tmp_path / "notes.md"
    path.write_text("The keeper opens the harbour at nine.\n" * 200 + f"\nsee {secret}\n")
    document = read(path, LIMITS)
    assert isinstance(document, Document)
    assert [(f.kind, f.line) for f in document.redacted] == [(kind, 202)]
    assert secret.split("@")[0][-10:] not in document.text
    assert document.text.count("\n") == 202 + secret.count("\n")


def test_a_file_that_is_mostly_a_key_is_refused_by_kind_and_line(tmp_path: Path) -> None:
    path = tmp_path / "deploy"
    key = HIGH["private-key"](Maker(1))
    path.write_text(f"My key:\n\n{key}\n")
    outcome = refusal(path)
    assert (outcome.status, outcome.reason) == ("skipped", "mostly secrets: private-key in line 3")
    assert outcome.hint == "take them out of the file, then add it again"
    assert key[60:80] not in repr(outcome)


def test_a_list_of_credentials_is_refused_and_the_report_stays_short(tmp_path: Path) -> None:
    path = tmp_path / "accounts.txt"
    lines = [f'password{n} = "{Maker(n).letters(16)}#7"' for n in range(12)]
    about = "what it is for, and who has it, and when it was changed for the last time, in a few words"
    path.write_text("\n".join(f"{line}\n{about}" for line in lines))
    outcome = refusal(path)
    assert outcome.reason.startswith("mostly secrets: password-or-key in line 1, password-or-key in line 3,")
    assert outcome.reason.endswith("password-or-key in line 19 and 2 more")
    path.write_text("\n".join(f"{line}\n{about}\n{about}\n{about}" for line in lines))
    assert isinstance(read(path, LIMITS), Document)


def test_a_path_may_hold_no_credential_for_it_is_stored_too(tmp_path: Path) -> None:
    token = HIGH["github-token"](Maker(1))
    (tmp_path / f"export?token={token}").write_text("The harbour opens at nine.\n")
    assert refusal(tmp_path / f"export?token={token}").reason == "its path holds a secret: github-token"
    (tmp_path / "link.md").symlink_to(f"export?token={token}")
    assert refusal(tmp_path / "link.md").reason == "its path holds a secret: github-token"


# ---- walking -----------------------------------------------------------------------------------


def seen(root: Path) -> list[tuple[str, str]]:
    """(name below root, reason) of everything met; the reason of a file to read is empty."""
    found: list[tuple[str, str]] = []
    for item in walk(root):
        path, reason = (item.path, item.reason) if isinstance(item, Outcome) else (item, "")
        found.append((os.path.relpath(path, root), reason))
    return found


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def test_files_come_sorted_and_folders_in_place(tmp_path: Path) -> None:
    make(tmp_path, "b.md", "a/z.md", "a/b/c.md", "a.md", ".github/x.yml", "B.md")
    expected = [".github/x.yml", "B.md", "a/b/c.md", "a/z.md", "a.md", "b.md"]
    assert seen(tmp_path) == [(name, "") for name in expected]


def test_a_file_gives_itself_and_nothing_gives_a_report(tmp_path: Path) -> None:
    make(tmp_path, "a.md")
    assert list(walk(tmp_path / "a.md")) == [tmp_path / "a.md"]
    (missing,) = walk(tmp_path / "none")
    assert isinstance(missing, Outcome)
    assert missing.status == "failed"


def test_what_tools_made_is_left_out_and_said(tmp_path: Path) -> None:
    make(tmp_path, ".git/config", "node_modules/a/b.js", "src/__pycache__/a.pyc", "src/a.py", ".cortex/m.md")
    assert seen(tmp_path) == [
        (".cortex", "ignored by rule: .cortex"),
        (".git", "ignored by rule: .git"),
        ("node_modules", "ignored by rule: node_modules"),
        ("src/__pycache__", "ignored by rule: __pycache__"),
        ("src/a.py", ""),
    ]


def test_a_build_folder_is_output_only_next_to_its_project(tmp_path: Path) -> None:
    make(tmp_path, "book/build/a.md", "book/target/b.md", "crate/Cargo.toml", "crate/target/x.rs")
    make(tmp_path, "web/package.json", "web/dist/x.js", "web/build/x.js")
    assert [(name, reason) for name, reason in seen(tmp_path) if reason] == [
        ("crate/target", "ignored by rule: target next to Cargo.toml"),
        ("web/build", "ignored by rule: build next to package.json"),
        ("web/dist", "ignored by rule: dist next to package.json"),
    ]
    assert ("book/build/a.md", "") in seen(tmp_path)


def test_links_are_reported_and_loops_end(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside.md"
    make(tmp_path, "root/a/b.md", "outside.md")
    (root / "a" / "up").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "x.md").symlink_to("y.md")
    (root / "y.md").symlink_to("x.md")
    (root / "dead.md").symlink_to("nowhere.md")
    (root / "inside.md").symlink_to("a/b.md")
    (root / "out.md").symlink_to(outside)
    assert seen(root) == [
        ("a/b.md", ""),
        ("a/up", "symbolic link to a folder, not followed"),
        ("dead.md", "symbolic link to nothing"),
        ("inside.md", ""),
        ("out.md", f"symbolic link to a file outside: {outside}"),
        ("self", "symbolic link that leads back to itself"),
        ("x.md", "symbolic link that leads back to itself"),
        ("y.md", "symbolic link that leads back to itself"),
    ]
    assert isinstance(read(root / "inside.md", LIMITS), Document)


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the name of a socket is limited to 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        (tmp_path / "null").symlink_to("/dev/null")
        assert [reason for _, reason in seen(tmp_path)] == [
            "symbolic link to a file outside: /dev/null",
            "a pipe, not a file",
            "a socket, not a file",
        ]
    assert refusal(tmp_path / "pipe").reason == "a pipe, not a file"
    assert refusal(Path("/dev/zero")).reason == "a device, not a file"


def test_names_that_are_not_utf8_or_not_printable_are_safe_to_show(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("x")
    except OSError:
        pytest.skip("this file system takes no names that are not UTF-8")
    make(tmp_path, "ok.md")
    bad, good = walk(tmp_path)
    assert isinstance(bad, Outcome)
    assert (bad.status, bad.reason) == ("failed", "the name is not UTF-8: caf\\xe9.md")
    assert json.dumps({"path": str(bad.path), "reason": bad.reason}).encode()
    assert str(bad.path).encode()
    assert good == tmp_path / "ok.md"
    assert display("a\x1b[31m\nb\u202e.md") == "a\\x1b[31m\\nb\\u202e.md"


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder with a locked file and a locked folder. Root reads everything, so it steps down.

    pytest's own tmp_path lies in a folder that only its owner may enter.
    """
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    make(folder, "closed/a.md", "locked.md", "open.md")
    (folder / "locked.md").chmod(0)
    (folder / "closed").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        (folder / "closed").chmod(0o700)
        shutil.rmtree(folder)


def test_what_may_not_be_read_is_reported_and_the_rest_goes_on(forbidden: Path) -> None:
    assert seen(forbidden) == [("closed", "permission denied"), ("locked.md", ""), ("open.md", "")]
    outcome = refusal(forbidden / "locked.md")
    assert (outcome.status, outcome.reason) == ("failed", "permission denied")
    assert outcome.hint == f"allow it: chmod u+rX {forbidden / 'locked.md'}"
    assert isinstance(read(forbidden / "open.md", LIMITS), Document)
