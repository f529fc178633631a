"""Two thousand mutated documents of all kinds, one after the other, as files of the tree would come."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nexus.memexfs.extract import extract
from nexus.memexfs.extract_process import ExtractProcess
from tests import memex_corpus, memex_files

pytestmark = pytest.mark.slow


@pytest.mark.timeout(1800)
def test_no_mutation_raises_hangs_or_comes_out_unfit_to_be_stored(tmp_path: Path) -> None:
    seed = random.Random(11)
    documents = list(memex_corpus.files(70))
    path = tmp_path / "file"
    process = ExtractProcess()
    states = set()
    try:
        for number in range(2000):
            name, data = documents[number % len(documents)]
            changed = memex_files.mutated(data, seed)
            path.write_bytes(changed)
            found = extract(path, name.encode(), process=process)
            states.add(found.state)
            for part in (found.text, found.title, found.lead, found.author, found.language, found.problem):
                part.encode()
                assert "\0" not in part
            assert found.problem or found.state == "indexed"
            if changed.strip():
                assert found.text or found.state != "indexed" or found.kind in ("other", "image", "text")
        path.write_bytes(memex_files.pdf(["still here"]))
        assert extract(path, b"a.pdf", process=process).text == "still here"
    finally:
        process.close()
    assert {"indexed", "unreadable"} <= states
