"""A program that works on a mount and ends with 1 at the first thing that is not as on a disk.

`python tests/memex_client.py FOLDER ROUNDS`
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path


def main(folder: str, rounds: str) -> None:
    at = Path(folder)
    at.mkdir()
    log = at / "log"
    held = ""
    with log.open("a+") as lines:  # open all the time
        for number in range(int(rounds)):
            content = random.Random(number).randbytes(number % 7 * 30_000)
            part, whole = at / "part", at / "whole"
            fd = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
            assert os.write(fd, content) == len(content)
            os.fsync(fd)
            os.close(fd)
            part.rename(whole)
            assert whole.read_bytes() == content, number
            assert whole.stat().st_size == len(content)

            made = at / f"d{number}"
            made.mkdir()
            (made / "link").symlink_to("../whole")
            assert (made / "link").read_bytes() == content
            os.link(whole, made / "hard")
            assert sorted(entry.name for entry in made.iterdir()) == ["hard", "link"]
            (made / "hard").unlink()
            (made / "link").unlink()
            made.rmdir()
            assert not made.exists()

            held += f"{number}\n"
            print(number, file=lines, flush=True)
            lines.seek(0)
            found = lines.read()
            assert found == held, (number, found, held, log.read_text())
    assert log.read_text() == held


if __name__ == "__main__":
    main(*sys.argv[1:])
