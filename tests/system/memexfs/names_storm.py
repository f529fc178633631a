"""One program of a storm: makes, renames, links, removes, reads and writes in its own folder of the mount,
and knows what it must find. `python names_storm.py MOUNT NUMBER ROUNDS`; fails at the first surprise."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path


def main() -> None:
    top, number, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(number)
    here = top / f"storm{number}"
    here.mkdir()
    held: list[tuple[int, bytearray]] = []
    for turn in range(rounds):
        files: dict[str, bytearray] = {}
        for _ in range(120):
            what = draw.randrange(10)
            name = f"f{draw.randrange(12)}"
            if what < 3:
                data = draw.randbytes(draw.choice((0, 7, 4_000, 60_000)))
                fd = os.open(here / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
                assert os.write(fd, data) == len(data)
                os.close(fd)
                files[name] = bytearray(data)
            elif what == 3 and files:
                name = draw.choice(list(files))
                os.unlink(here / name)
                del files[name]
            elif what == 4 and files:
                name, new = draw.choice(list(files)), f"f{draw.randrange(12)}"
                os.rename(here / name, here / new)
                files[new] = files.pop(name)
            elif what == 5:
                folder = here / f"d{turn}"
                folder.mkdir()
                os.symlink("x" * 50, folder / "link")
                assert os.readlink(folder / "link") == "x" * 50
                os.mkfifo(folder / "fifo")
                os.link(folder / "fifo", folder / "fifo2")
                assert os.lstat(folder / "fifo").st_nlink == 2
                for entry in ("link", "fifo", "fifo2"):
                    os.unlink(folder / entry)
                os.rename(folder, here / "renamed")
                (here / "renamed").rmdir()
            elif what == 6 and files:
                name = draw.choice(list(files))
                fd = os.open(here / name, os.O_RDWR)
                at = draw.randrange(80_000)
                assert os.pwrite(fd, b"patched", at) == 7
                os.close(fd)
                old = files[name]
                old.extend(bytes(max(0, at + 7 - len(old))))
                old[at : at + 7] = b"patched"
            elif what == 7 and files and len(held) < 6:
                name = draw.choice(list(files))
                held.append((os.open(here / name, os.O_RDWR), bytearray(files[name])))
                os.unlink(here / name)
                del files[name]
            elif what == 8 and held:
                fd, wanted = held.pop(draw.randrange(len(held)))
                assert os.fstat(fd).st_nlink == 0
                os.pwrite(fd, b"nameless", 0)
                wanted[0:8] = b"nameless"
                assert os.pread(fd, 200_000, 0) == wanted
                os.close(fd)
            else:
                for name, wanted in files.items():
                    assert (here / name).read_bytes() == wanted, name
                assert sorted(os.listdir(here)) == sorted(files)
        for name, wanted in files.items():
            assert (here / name).read_bytes() == wanted, name
            os.unlink(here / name)
    for fd, _ in held:
        os.close(fd)
    here.rmdir()


if __name__ == "__main__":
    main()
