"""One URL into one file: what a broken network and a wrong server do to it."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from pathlib import Path

import pytest

from nexus.core.errors import StorageError
from nexus.core.models.digest import Digest
from nexus.core.models.download import DigestError, Downloader, require_space
from nexus.core.models.sources import SourceError

CONTENT = random.Random(1).randbytes(700_000)
SHA256 = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_file_with_progress(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    steps = []
    target = tmp_path / "f"
    downloader.fetch(f"{site.url}/f", target, digest=SHA256, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == CONTENT
    assert left(tmp_path) == ["f"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_cut_connections_are_continued_where_they_broke(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.cuts = [300_000, 200_000]
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [wanted for _, wanted in site.seen] == ["", "bytes=300000-", "bytes=500000-"]


def test_a_server_without_ranges_makes_it_start_again(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.ranges = False
    site.cuts = [300_000]
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_without_validator_is_never_continued(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.etag = False
    site.cuts = [300_000]
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [wanted for _, wanted in site.seen] == ["", ""]


def test_a_file_replaced_on_the_server_is_not_mixed_with_the_old_one(site, tmp_path):
    site.files["/f"] = b"old" * 100_000
    site.cuts = [100_000]
    with pytest.raises(SourceError):
        Downloader(retries=0).fetch(f"{site.url}/f", tmp_path / "f")
    assert "f.part" in left(tmp_path)
    site.files["/f"] = CONTENT
    Downloader().fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_of_another_url_is_not_continued(site, downloader, tmp_path):
    site.files |= {"/a": b"a" * 300_000, "/b": CONTENT}
    site.cuts = [100_000]
    with pytest.raises(SourceError):
        Downloader(retries=0).fetch(f"{site.url}/a", tmp_path / "f")
    downloader.fetch(f"{site.url}/b", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"url": 1}', b"\xff"])
def test_a_damaged_note_beside_the_part_means_from_zero(site, downloader, tmp_path, note):
    site.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(b"junk")
    (tmp_path / "f.part.json").write_bytes(note)
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_fetched_again(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    url = f"{site.url}/f"
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()[:12]}"'
    (tmp_path / "f.part").write_bytes(CONTENT + b"more")
    (tmp_path / "f.part.json").write_text(json.dumps({"url": url, "validator": tag}))
    downloader.fetch(url, tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_deleted(site, downloader, tmp_path):
    site.files["/f"] = CONTENT[:-1] + b"?"
    with pytest.raises(DigestError, match=SHA256.value):
        downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert left(tmp_path) == []


@pytest.mark.parametrize("announce", [True, False])
def test_a_longer_file_than_expected_is_refused(site, downloader, tmp_path, announce):
    site.files["/f"] = CONTENT
    site.announce = announce
    with pytest.raises(SourceError, match="1000"):
        downloader.fetch(f"{site.url}/f", tmp_path / "f", sizes=(1000,))
    assert left(tmp_path) == []


def test_a_length_that_is_not_announced_is_taken_to_the_end(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.announce = False
    downloader.fetch(f"{site.url}/f", tmp_path / "f", sizes=(len(CONTENT),), digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(site, downloader, tmp_path, status):
    site.files["/f"] = CONTENT
    site.statuses = [status]
    with pytest.raises(SourceError, match=f"HTTP {status}"):
        downloader.fetch(f"{site.url}/f", tmp_path / "f")
    assert len(site.seen) == 1


def test_a_server_in_trouble_is_asked_again(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.statuses = [503, 429, 500]
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert len(site.seen) == 4


def test_patience_ends_and_what_has_come_is_kept(site, downloader, tmp_path):
    site.files["/f"] = CONTENT
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(SourceError, match="4 times in a row"):
        downloader.fetch(f"{site.url}/f", tmp_path / "f")
    assert (tmp_path / "f.part").stat().st_size == 100_000
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert site.seen[-1] == ("/f", "bytes=100000-")


def test_a_finished_file_is_not_fetched_again(site, downloader, tmp_path):
    (tmp_path / "f").write_bytes(CONTENT)
    downloader.fetch(f"{site.url}/f", tmp_path / "f")
    assert site.seen == []


def test_a_closed_port_is_told_at_once(downloader, tmp_path):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(SourceError, match=f"127.0.0.1:{port}: connection refused"):
            downloader.fetch(f"http://127.0.0.1:{port}/f", tmp_path / "f")


def test_an_unknown_host_is_told(downloader, tmp_path):
    with pytest.raises(SourceError, match="host name not found"):
        downloader.fetch("http://nowhere.invalid/f", tmp_path / "f")


def test_a_file_url_is_copied(downloader, tmp_path):
    (tmp_path / "origin").write_bytes(CONTENT)
    downloader.fetch((tmp_path / "origin").as_uri(), tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    with pytest.raises(SourceError, match="missing"):
        downloader.fetch((tmp_path / "missing").as_uri(), tmp_path / "g")


@pytest.mark.parametrize(
    "url", ["ftp://host/f", "data:,x", "f", "", "http://[::1", "http://user:hunter2@127.0.0.1/f"]
)
def test_other_schemes_and_broken_urls_are_refused(downloader, tmp_path, url):
    with pytest.raises(SourceError) as caught:
        downloader.fetch(url, tmp_path / "f")
    assert "hunter2" not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(site, downloader, tmp_path, monkeypatch):
    # A proxy is asked for the whole URL, so the stand-in holds a file of that name.
    site.files["http://models.invalid/f"] = CONTENT
    monkeypatch.setenv("http_proxy", site.url)
    downloader.fetch("http://models.invalid/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_the_query_of_a_url_is_not_shown(site, downloader, tmp_path):
    site.statuses = [403]
    with pytest.raises(SourceError, match="403") as caught:
        downloader.fetch(f"{site.url}/f?signature=hunter3", tmp_path / "f")
    assert "hunter3" not in str(caught.value)


def test_a_redirect_is_followed_and_continued(site, downloader, tmp_path):
    site.files["/real"] = CONTENT
    site.redirects["/f"] = f"{site.url}/real"
    site.cuts = [300_000]
    downloader.fetch(f"{site.url}/f", tmp_path / "f", digest=SHA256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert site.seen[-1] == ("/real", "bytes=300000-")


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_a_redirect_out_of_http_is_refused(site, downloader, tmp_path, scheme):
    (tmp_path / "private").write_text("x")
    site.redirects["/f"] = f"{scheme}://{tmp_path}/private"
    with pytest.raises(SourceError):
        downloader.fetch(f"{site.url}/f", tmp_path / "f")
    assert left(tmp_path) == ["private"]


def test_more_than_the_disk_holds_is_refused_beforehand(tmp_path):
    with pytest.raises(StorageError, match="MB free"):
        require_space(tmp_path, 1 << 60)
    require_space(tmp_path, 0)
