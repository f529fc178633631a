"""One file out of a wheel or tarball, whatever is wrong with the archive."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.models.archive import extract
from nexus.core.models.sources import SourceError

CONTENT = b"weights " * 50_000


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other", b"x" * 1000)
        archive.writestr("pkg/model.bin", CONTENT)
    return path


def tarred(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("other", b"x" * 1000), ("pkg/model.bin", CONTENT)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("pkg/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return path


@pytest.fixture(params=[zipped, tarred])
def archive(request, tmp_path):
    return request.param(tmp_path / "archive")


def test_the_member_is_appended(archive):
    out = io.BytesIO()
    out.write(b"before ")
    assert extract(archive, "pkg/model.bin", out, len(CONTENT)) == len(CONTENT)
    assert out.getvalue() == b"before " + CONTENT


def test_a_missing_member_is_named(archive):
    with pytest.raises(SourceError, match="no file pkg/nothing"):
        extract(archive, "pkg/nothing", io.BytesIO(), None)


def test_more_than_expected_is_refused_before_a_byte_is_written(archive):
    out = io.BytesIO()
    with pytest.raises(SourceError, match="expected"):
        extract(archive, "pkg/model.bin", out, len(CONTENT) - 1)
    assert out.getvalue() == b""


def test_a_truncated_archive_is_broken(archive):
    archive.write_bytes(archive.read_bytes()[:-600])
    with pytest.raises(SourceError, match="broken"):
        extract(archive, "pkg/model.bin", io.BytesIO(), None)


def test_a_link_is_not_followed(tmp_path):
    with pytest.raises(SourceError, match="no file"):
        extract(tarred(tmp_path / "t"), "pkg/link", io.BytesIO(), None)


def test_a_zip_that_lies_about_a_members_length_is_bounded(tmp_path):
    path = zipped(tmp_path / "z")
    real, small = len(CONTENT).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(real, small))
    out = io.BytesIO()
    with pytest.raises(SourceError):
        extract(path, "pkg/model.bin", out, 10)
    assert len(out.getvalue()) <= 10


@given(data=st.binary(max_size=200), at=st.integers(0, 900), kind=st.sampled_from([zipped, tarred]))
def test_damage_anywhere_gives_the_content_or_a_clear_error(tmp_path_factory, data, at, kind):
    path = kind(tmp_path_factory.mktemp("fuzz") / "archive")
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    out = io.BytesIO()
    try:
        extract(path, "pkg/model.bin", out, len(CONTENT))
    except SourceError:
        return
    assert len(out.getvalue()) <= len(CONTENT)
