"""An initramfs is a cpio archive that other programs read, with its folders before their files."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
from scripts.kernel.build import needs
from scripts.kernel.initramfs import Initramfs


def _entries(archive: bytes) -> list[tuple[str, int, bytes]]:
    """(name, mode, data) of each entry, read by the format's own rules."""
    data, at, found = gzip.decompress(archive), 0, []
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        end = at + 110 + fields[11]
        name = data[at + 110 : end - 1].decode()
        start = (end + 3) // 4 * 4
        found.append((name, fields[1], data[start : start + fields[6]]))
        at = (start + fields[6] + 3) // 4 * 4
    return found


def _made() -> bytes:
    root = Initramfs()
    root.console()
    root.file("a/b/odd", b"12345", 0o755)
    root.file("init", "text")
    root.link("a/link", "b/odd")
    return root.archive()


def test_entries_in_order() -> None:
    assert _entries(_made()) == [
        ("dev", 0o040755, b""),
        ("dev/console", 0o020600, b""),
        ("a", 0o040755, b""),
        ("a/b", 0o040755, b""),
        ("a/b/odd", 0o100755, b"12345"),
        ("init", 0o100644, b"text"),
        ("a/link", 0o120777, b"b/odd"),
        ("TRAILER!!!", 0, b""),
    ]


def test_cpio_reads_it(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed: the format is checked by the test above alone")
    data = gzip.decompress(_made())
    done = subprocess.run(
        ["cpio", "-t", "--quiet"], input=data, cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.decode().split()[-1] == "a/link"


def test_what_a_module_needs() -> None:
    assert needs(b"x\0license=GPL\0depends=zstd_compress,other\0name=a\0") == ["zstd_compress", "other"]
    assert needs(b"x\0depends=\0name=a\0") == []
    assert needs(b"no module") == []
