"""The tree over WebDAV, by a plain client of HTTP, by curl, and by the conformance suite litmus."""

from __future__ import annotations

import base64
import http.client
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import pytest

from nexus.core.errors import AlreadyRunningError, InvalidInputError
from nexus.memexfs import dav_resources
from nexus.memexfs.real import Files
from nexus.memexfs.store import Facts
from nexus.memexfs.tree import Tree
from nexus.memexfs.webdav import WebDAV
from tests.memex_views import Views

TOKEN = "a token: with a colon, and Ümlaut"


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class Client:
    """Asks with the token unless told otherwise."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.place = urlsplit(url).netloc

    def ask(self, method: str, path: str, body: bytes = b"", token: str = TOKEN, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.place, timeout=60)
        try:
            secret = base64.b64encode(f"me:{token}".encode()).decode()
            sent = {"Authorization": f"Basic {secret}"} if token else {}
            sent |= {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, quote(path), body or None, sent)
            reply = connection.getresponse()
            return Answer(reply.status, reply.read(), dict(reply.getheaders()))
        finally:
            connection.close()

    def names(self, path: str) -> list[str]:
        reply = self.ask("PROPFIND", path, Depth="1")
        assert reply.status == 207, reply
        found = [unquote(part) for part in re.findall(r"<\w+:href>([^<]*)", reply.body.decode())]
        return sorted(part.rstrip("/").rpartition("/")[2] for part in found[1:])


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Views]:
    made = Views(tmp_path / "memex")
    made.put("policy/returns.md", "We pay back what a refund is asked for.\n", Facts("markdown"))
    made.put("policy/shipping.md", "A parcel takes three days; a refund is rare.\n", Facts("markdown"))
    yield made
    made.close()


@pytest.fixture
def client(views: Views) -> Iterator[Client]:
    tree = Tree(views.root)
    views.scene.telling.tree = tree
    server = WebDAV(tree, TOKEN)
    yield Client(server.start())
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


@pytest.fixture
def plain(folder: Path) -> Iterator[Client]:
    """The real tree alone."""
    files = Files(folder)
    server = WebDAV(Tree(files.root, orphans=files.orphan), TOKEN)
    yield Client(server.start())
    server.stop()


# ---- the namespace -----------------------------------------------------------------------------


def test_it_shows_the_same_tree_and_asks_the_same_questions(client: Client) -> None:
    assert {"files", "tags", "search", ".memex"} <= set(client.names("/"))
    assert client.names("/files/policy") == ["returns.md", "shipping.md"]
    assert client.names("/search/a refund please") == ["01 returns.md", "02 shipping.md"]
    assert client.ask("GET", "/search/a refund please/01 returns.md").body.startswith(b"We pay back")
    assert client.ask("PUT", "/search/a refund please/02 shipping.md", b"Two days.\n").status == 204
    assert client.ask("GET", "/files/policy/shipping.md").body == b"Two days.\n"
    assert b"files: 2" in client.ask("GET", "/.memex/status").body


def test_nothing_below_a_question_deletes_bytes(client: Client) -> None:
    assert client.ask("DELETE", "/search/a refund please/01 returns.md").status in (403, 207)
    assert client.ask("DELETE", "/search/a refund please/").status in (403, 207)
    assert client.ask("GET", "/files/policy/returns.md").status == 200


def test_tags_are_given_and_taken_by_folders(client: Client) -> None:
    assert client.ask("MKCOL", "/tags/shop").status == 201
    to = f"http://{client.place}/tags/shop/returns.md"
    assert client.ask("COPY", "/files/policy/returns.md", Destination=to).status in (201, 204)
    assert client.names("/tags/shop") == ["returns.md"]
    assert client.ask("DELETE", "/tags/shop/returns.md").status == 204
    assert client.names("/tags/shop") == []
    assert client.ask("GET", "/files/policy/returns.md").status == 200


# ---- files -------------------------------------------------------------------------------------


def test_files_are_written_read_moved_and_removed(plain: Client, folder: Path) -> None:
    data = os.urandom(3_000_001)
    assert plain.ask("PUT", "/a.bin", data).status == 201
    assert (folder / "a.bin").read_bytes() == data
    assert plain.ask("GET", "/a.bin").body == data
    part = plain.ask("GET", "/a.bin", Range="bytes=1000000-1000009")
    assert (part.status, part.body) == (206, data[1_000_000:1_000_010])
    assert plain.ask("MKCOL", "/d").status == 201
    assert plain.ask("MOVE", "/a.bin", Destination=f"{plain.url}d/b.bin").status == 204
    assert plain.ask("COPY", "/d", Destination=f"{plain.url}e").status in (201, 204)
    assert (folder / "e" / "b.bin").read_bytes() == data
    assert plain.ask("DELETE", "/d").status == 204
    assert [path.name for path in folder.iterdir()] == ["e"]


def test_what_is_replaced_by_a_move_is_renamed_over(plain: Client, folder: Path) -> None:
    for name in ("old", "new"):
        (folder / name).write_text(name)
    inode = (folder / "new").stat().st_ino
    assert plain.ask("MOVE", "/new", Destination=f"{plain.url}old").status == 204
    assert (folder / "old").read_text() == "new"
    assert (folder / "old").stat().st_ino == inode
    (folder / "third").write_text("3")
    assert plain.ask("MOVE", "/third", Destination=f"{plain.url}old", Overwrite="F").status == 412
    assert (folder / "old").read_text() == "new"


def test_every_name_is_shown_and_found_again(plain: Client, folder: Path) -> None:
    names = [
        b"plain",
        "Äpfel & <Birnen>".encode(),
        b"100%",
        b"caf\xe9",
        b"\\xe9",
        b"a#b?c",
        b"x\x07y",
        b"n" * 255,
    ]
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(str(number))
    shown = plain.names("/")
    assert len(shown) == len(names)
    assert "caf\\xe9" in shown
    assert sorted(int(plain.ask("GET", f"/{name}").body) for name in shown) == list(range(len(names)))
    assert plain.ask("DELETE", "/caf\\xe9").status == 204
    left = {os.fsencode(path.name) for path in folder.iterdir()}
    assert b"caf\xe9" not in left
    assert b"\\xe9" in left


def test_links_are_what_they_lead_to_and_what_is_no_file_is_left_out(plain: Client, folder: Path) -> None:
    (folder / "file").write_text("words")
    (folder / "link").symlink_to("file")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "nothing").symlink_to("missing")
    os.mkfifo(folder / "pipe")
    assert plain.names("/") == ["file", "link"]
    assert plain.ask("GET", "/link").body == b"words"
    for name in ("out", "nothing", "pipe"):
        assert plain.ask("GET", f"/{name}").status == 404


def test_errors_say_what_they_are(plain: Client, folder: Path) -> None:
    assert plain.ask("GET", "/none").status == 404
    assert plain.ask("PUT", "/none/below", b"x").status == 409
    assert plain.ask("MKCOL", "/none/below").status == 409
    assert plain.ask("PUT", "/" + "n" * 256, b"x").status == 414
    assert plain.ask("GET", "/../../../etc/passwd").status in (400, 403, 404)
    (folder / "d").mkdir()
    assert plain.ask("PUT", "/d", b"x").status == 405
    assert plain.ask("DELETE", "/").status >= 400
    assert (folder / "d").is_dir()


def test_what_is_too_much_for_one_answer_is_refused(
    plain: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = plain.ask("PROPFIND", "/", Depth="infinity")
    assert (reply.status, b"propfind-finite-depth" in reply.body) == (403, True)
    assert plain.ask("PROPFIND", "/").status == 403
    monkeypatch.setattr(dav_resources, "MOST", 20)
    for number in range(20):
        (folder / str(number)).touch()
    assert len(plain.names("/")) == 20
    (folder / "one more").touch()
    reply = plain.ask("PROPFIND", "/", Depth="1")
    assert (reply.status, b"too many" in reply.body) == (507, True)


def test_every_path_gets_a_whole_answer_and_reaches_nothing_outside(plain: Client, folder: Path) -> None:
    seed = random.Random(3)
    pieces = [
        "..",
        ".",
        "a",
        "\\xe9",
        "\\xff\\x2f",
        "%2e",
        "\x00",
        "\x1f",
        "Ä",
        "\ud7ff",
        "*",
        " ",
        "n" * 300,
        ":dir_browser",
    ]
    before = sorted(folder.parent.rglob("*"))
    for method in ("GET", "PUT", "PROPFIND", "MKCOL", "DELETE", "LOCK", "HEAD", "POST", "PROPPATCH"):
        for _ in range(12):
            path = "/" + seed.choice(("/", "")) + "/".join(seed.choices(pieces, k=seed.randrange(1, 4)))
            body = seed.choice((b"x", b"<a", b"")) if method not in ("GET", "HEAD") else b""
            headers = {"Depth": seed.choice(("0", "1", "x")), "If": seed.choice(("(<x>)", "(", ""))}
            assert 200 <= plain.ask(method, path, body, **headers).status < 600
    outside = [path for path in sorted(folder.parent.rglob("*")) if folder not in path.parents]
    assert outside == [path for path in before if folder not in path.parents]


def _held() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_client_that_goes_away_leaves_nothing_open(plain: Client, folder: Path) -> None:
    (folder / "big").write_bytes(bytes(50_000_000))
    before = _held()
    for _ in range(5):
        connection = http.client.HTTPConnection(plain.place, timeout=60)
        secret = base64.b64encode(f"me:{TOKEN}".encode()).decode()
        connection.request("GET", "/big", headers={"Authorization": f"Basic {secret}"})
        connection.getresponse().read(10)
        connection.close()
    assert plain.ask("GET", "/big").status == 200
    deadline = 200
    while _held() > before + 2 and deadline:
        plain.ask("GET", "/none")
        deadline -= 1
    assert _held() <= before + 2


# ---- who may -----------------------------------------------------------------------------------


def test_nobody_gets_in_without_the_token(plain: Client, folder: Path) -> None:
    (folder / "file").write_text("words")
    for method in ("GET", "PUT", "DELETE", "PROPFIND", "OPTIONS", "MOVE"):
        for token in ("", "wrong"):
            assert plain.ask(method, "/file", b"x" if method == "PUT" else b"", token).status == 401
    assert (folder / "file").read_text() == "words"


def test_a_page_of_somebody_else_gets_nothing_even_with_the_password_kept(plain: Client) -> None:
    assert plain.ask("GET", "/", Origin="http://evil.example").status == 403
    assert plain.ask("GET", "/", Origin="null").status == 403
    assert plain.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 403
    assert plain.ask("GET", "/", Host="rebound.example:80").status == 403
    assert plain.ask("GET", "/", Host="").status in (400, 403)
    assert plain.ask("GET", "/", Origin=f"http://{plain.place}").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::", ""])
def test_it_listens_on_this_machine_only(folder: Path, host: str) -> None:
    with pytest.raises(InvalidInputError, match="open to the network"):
        WebDAV(Tree(Files(folder).root), TOKEN, host=host)


def test_a_port_that_is_taken_is_said(plain: Client, folder: Path) -> None:
    port = int(plain.place.rpartition(":")[2])
    with pytest.raises(AlreadyRunningError, match=str(port)):
        WebDAV(Tree(Files(folder).root), TOKEN, port=port).start()


# ---- other people's clients --------------------------------------------------------------------


def test_curl_speaks_to_it_in_digest_form(plain: Client, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "up").write_text("from curl\n")
    login = ["curl", "-sS", "--fail", "--digest", "-u", f"me:{TOKEN}"]
    subprocess.run([*login, "-T", tmp_path / "up", f"{plain.url}up.txt"], check=True, capture_output=True)
    assert (folder / "up.txt").read_text() == "from curl\n"
    got = subprocess.run([*login, f"{plain.url}up.txt"], check=True, capture_output=True)
    assert got.stdout == b"from curl\n"


@pytest.mark.skipif(shutil.which("litmus") is None, reason="needs litmus: sudo apt install litmus")
def test_litmus_passes(folder: Path, tmp_path: Path) -> None:
    """A foreign suite of 104 tests: basic, copymove, props, locks, http."""
    files = Files(folder)
    server = WebDAV(Tree(files.root, orphans=files.orphan), "plain-token")
    url = server.start()
    try:
        command = ["litmus", "-k", url, "me", "plain-token"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    finally:
        server.stop()
    said = ran.stdout + ran.stderr
    assert len(re.findall(r"of (\d+) tests run: \1 passed, 0 failed", said)) == 5, said[-4000:]
    assert "SKIPPED" not in said
