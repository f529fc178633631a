"""The real tree on a real mount: a few of everything; the thorough ones are in tests/system/memexfs."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.memex_mounts import needs_fuse, needs_root
from tests.memex_posix import served
from tests.memex_random import exercise

pytestmark = [needs_root, needs_fuse]


def test_two_thousand_random_operations_agree_with_a_model(tmp_path: Path) -> None:
    with served(tmp_path) as place, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(exercise, place / "x", 2_000, 11).result()


def test_git_works_and_all_of_it_is_really_there(tmp_path: Path) -> None:
    with served(tmp_path) as place:
        script = (
            "git init -q r && cd r && seq 100 > f && git add f && "
            "git -c user.name=a -c user.email=a@b commit -qm m && git fsck --strict && git status --porcelain"
        )
        done = subprocess.run(["sh", "-ec", script], cwd=place, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        (place / "kept").write_text("plain file")
        os.link(place / "kept", place / "again")
    tree = tmp_path / "tree"
    assert (tree / "r" / "f").read_text().split()[-1] == "100"
    assert (tree / "kept").read_text() == "plain file"
    assert (tree / "again").stat().st_nlink == 2
