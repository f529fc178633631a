"""A saved flow is used whole or not at all; whatever is wrong with it, the error names the file."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.errors import ModelCorruptError, NexusError, StorageError
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings

SMALL = FlowSettings(base_bits=6, user_bits=6, energy_bits=6, match_bits=6)
HEAD = 32


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    flow = Flow(SMALL)
    flow.read(b"something was learnt here, ", learn=True)
    flow.read(b"and something of the user's", learn=True, mixer=1)
    path = tmp_path_factory.mktemp("saved") / "a.flow"
    flow.save(path)
    return path.read_bytes()


def sealed(body: bytes) -> bytes:
    """With a checksum that holds, as one who wants to harm would write it."""
    return body + hashlib.sha256(body).digest()


def parts(whole: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Head, settings, unpacked arrays."""
    length = struct.unpack_from("<I", whole, 12)[0]
    at, arrays = HEAD + length, []
    while at < len(whole) - 32:
        packed = struct.unpack_from("<QQ", whole, at)[1]
        arrays.append(zlib.decompress(whole[at + 16 : at + 16 + packed]))
        at += 16 + packed
    return whole[:HEAD], whole[HEAD : HEAD + length], arrays


def joined(head: bytes, text: bytes, arrays: list[bytes]) -> bytes:
    packed = [zlib.compress(array, 1) for array in arrays]
    each = zip(arrays, packed, strict=True)
    body = b"".join(struct.pack("<QQ", len(array), len(small)) + small for array, small in each)
    return sealed(head[:12] + struct.pack("<I", len(text)) + head[16:] + text + body)


def refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "broken.flow"
    path.write_bytes(data)
    with pytest.raises(ModelCorruptError, match=reason) as caught:
        Flow.load(path)
    assert str(path) in caught.value.message


def test_the_file_is_private_and_written_whole(tmp_path: Path, whole: bytes) -> None:
    flow, path = Flow(SMALL), tmp_path / "a.flow"
    flow.save(path)
    flow.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StorageError, match="absent"):
        flow.save(tmp_path / "absent" / "a.flow")
    head, text, arrays = parts(whole)
    assert joined(head, text, arrays) == whole
    assert json.loads(text) == SMALL.as_dict()


def test_every_cut_and_every_changed_byte_is_seen(tmp_path: Path, whole: bytes) -> None:
    for length in [0, 4, 8, 31, 63, len(whole) // 2, len(whole) - 33, len(whole) - 1]:
        refused(tmp_path, whole[:length], "cut short|not a saved flow")
    for at in range(8, len(whole), len(whole) // 40):
        refused(tmp_path, whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :], "checksum|version")


def test_foreign_files_are_named(tmp_path: Path, whole: bytes) -> None:
    refused(tmp_path, b"GGUF" + bytes(100), "not a saved flow")
    refused(tmp_path, sealed(whole[:8] + struct.pack("<I", 2) + whole[12:-32]), "version 2")
    with pytest.raises(StorageError, match="cannot read"):
        Flow.load(tmp_path)


def test_what_a_forger_would_write_is_refused(tmp_path: Path, whole: bytes) -> None:
    head, text, arrays = parts(whole)
    known = json.loads(text)
    for wrong in (
        known | {"base_bits": 60},
        known | {"mixer_rate": float("nan")},
        known | {"base_bits": "6"},
        known | {"more": 1},
        [6],
        "x",
    ):
        refused(tmp_path, joined(head, json.dumps(wrong).encode(), arrays), "settings")
    refused(tmp_path, joined(head, b"\xff{", arrays), "settings")
    refused(tmp_path, joined(head, b"[" * 4000, arrays), "settings")
    refused(tmp_path, joined(head, text + b" " * 5000, arrays), "settings are said to take")
    refused(tmp_path, joined(head, text, arrays[:-1]), "is missing")
    refused(tmp_path, joined(head, text, [*arrays, b"more"]), "too many")
    refused(tmp_path, joined(head, text, [arrays[0] + b"\0", *arrays[1:]]), "buckets has 1025 bytes")
    refused(tmp_path, joined(head, text, [b"\xff" * len(arrays[0]), *arrays[1:]]), "values")
    no_numbers = np.full(len(arrays[1]) // 4, np.nan, np.float32).tobytes()
    refused(tmp_path, joined(head, text, [arrays[0], no_numbers, *arrays[2:]]), "values")


def test_a_bomb_is_not_unpacked(tmp_path: Path, whole: bytes) -> None:
    head, text, arrays = parts(whole)
    bomb = zlib.compress(bytes(1 << 26), 9)
    body = struct.pack("<QQ", len(arrays[0]), len(bomb)) + bomb
    refused(tmp_path, sealed(head + text + body), "unpacks to another size")
    far = struct.pack("<QQ", len(arrays[0]), 1 << 62)
    refused(tmp_path, sealed(head + text + far), "buckets")
    refused(tmp_path, sealed(head + text + struct.pack("<QQ", len(arrays[0]), 4) + b"junk"), "unpacked")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=300), from_the_settings_on=st.booleans())
def test_no_bytes_do_anything_but_load_or_be_refused(
    tmp_path: Path, whole: bytes, body: bytes, from_the_settings_on: bool
) -> None:
    path = tmp_path / "fuzzed.flow"
    start = whole[:HEAD] if from_the_settings_on else whole[: HEAD + struct.unpack_from("<I", whole, 12)[0]]
    path.write_bytes(sealed(start + body))
    with pytest.raises(NexusError, match=r"fuzzed\.flow"):
        Flow.load(path)
