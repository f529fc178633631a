"""Programs that people use, on the mount and on the raw disk: they succeed, and leave the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memex_mounts import needs_fuse, needs_root

pytestmark = [pytest.mark.slow, needs_root, needs_fuse]


@pytest.fixture(params=["raw", "mount", "passthrough"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if request.param == "raw":
        top = tmp_path_factory.mktemp("tools")
    else:
        top = request.getfixturevalue("memex_mount" if request.param == "mount" else "memex_passed")
    folder = top / "tools"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def sh(folder: Path, script: str) -> str:
    """What the script says; it ends at the first command that fails. Skips where a program is missing."""
    for line in script.splitlines():
        if line.startswith("#needs "):
            for program in line.split()[1:]:
                if shutil.which(program) is None:
                    pytest.skip(f"needs {program}: apt-get install {program}")
    env = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    env |= {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", textwrap.dedent(script)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_git(place: Path) -> None:
    said = sh(
        place,
        """\
        #needs git
        git init -q one && cd one
        for n in $(seq 60); do mkdir -p d$((n % 7)); seq $n 400 > d$((n % 7))/f$n; done
        git add . && git commit -qm first
        for n in 3 9 27; do echo changed >> d$((n % 7))/f$n; done
        git mv d1 moved && git rm -q d2/f2 && git commit -qam second
        git checkout -q -b side HEAD~1 && echo side > side && git add side && git commit -qm side
        git checkout -q - && git merge -q --no-edit side
        test -z "$(git status --porcelain)"
        cd .. && git clone -q one two && git -C two gc -q --aggressive && git -C two fsck --strict
        git -C two worktree add -q ../three HEAD~1 && git -C two stash list
        git -C two log --format=%s | sort
        """,
    )
    assert said.split() == ["first", "second", "side"] or "Merge" in said
    sh(place, "diff -r --exclude=.git one two")


def test_make_of_a_c_program(place: Path) -> None:
    parts = 12
    for n in range(parts):
        (place / f"p{n}.c").write_text(f'#include "all.h"\nint p{n}(int x) {{ return x + {n}; }}\n')
    (place / "all.h").write_text("".join(f"int p{n}(int);\n" for n in range(parts)))
    calls = " + ".join(f"p{n}(1)" for n in range(parts))
    (place / "main.c").write_text(
        f'#include "all.h"\n#include <stdio.h>\nint main(void) {{ printf("%d\\n", {calls}); return 0; }}\n'
    )
    objects = " ".join(f"p{n}.o" for n in range(parts))
    (place / "Makefile").write_text(
        f"prog: main.o {objects}\n\t$(CC) -o $@ $^\n"
        "%.o: %.c all.h\n\t$(CC) -c -g -o $@ $<\nclean:\n\trm -f *.o prog\n"
    )
    script = """\
        #needs make gcc
        make -s -j3 prog && ./prog
        test "$(make prog)" = "make: 'prog' is up to date."
        touch p3.c && make -n prog | grep -c -- "-c -g"
        make -s prog && ./prog && make -s clean && ls | wc -l
        """
    assert sh(place, script).split() == ["78", "1", "78", str(parts + 3)]


@pytest.mark.parametrize("journal", ["wal", "delete", "truncate", "persist"])
def test_sqlite(place: Path, journal: str) -> None:
    script = f"""\
        import sqlite3, sys, multiprocessing as m
        def write(n):
            db = sqlite3.connect("t.db", timeout=60, isolation_level=None)
            for k in range(40):
                db.execute("begin immediate")
                db.execute("insert into t values (?, ?)", (n, "x" * 900))
                db.execute("rollback" if k % 4 == 3 else "commit")
        if __name__ == "__main__":
            db = sqlite3.connect("t.db")
            assert db.execute("pragma journal_mode={journal}").fetchone()[0] == "{journal}"
            db.execute("create table t(a, b)")
            db.commit()
            ps = [m.Process(target=write, args=(n,)) for n in range(3)]
            [p.start() for p in ps]; [p.join() for p in ps]
            assert [p.exitcode for p in ps] == [0, 0, 0]
            print(db.execute("select count(*) from t").fetchone()[0])
            print(db.execute("pragma integrity_check").fetchone()[0])
            db.execute("vacuum")
        """
    (place / "t.py").write_text(textwrap.dedent(script))
    assert sh(place, "python3 t.py").split() == ["90", "ok"]


def test_editors_and_what_replaces_files(place: Path) -> None:
    (place / "v.txt").write_text("first\n")
    inode = (place / "v.txt").stat().st_ino
    vim = """\
        #needs vim
        vim -u NONE -es '+normal Ohello' '+wq' v.txt < /dev/null && cat v.txt
        """
    assert sh(place, vim).split() == ["hello", "first"]
    sh(place, "sed -i s/hello/bye/ v.txt")
    assert (place / "v.txt").read_text() == "bye\nfirst\n"
    assert (place / "v.txt").stat().st_ino != inode
    script = """\
        import os, tempfile
        f = tempfile.NamedTemporaryFile("w", dir=".", delete=False)
        f.write("whole"); f.flush(); os.fsync(f.fileno()); f.close()
        os.replace(f.name, "v.txt")
        print(open("v.txt").read(), sorted(os.listdir(".")))
        """
    (place / "r.py").write_text(textwrap.dedent(script))
    assert sh(place, "python3 r.py") == "whole ['r.py', 'v.txt']\n"


def test_archives_copies_and_comparisons(place: Path) -> None:
    script = """\
        #needs tar cp diff find
        mkdir src && cd src
        for n in $(seq 40); do
            mkdir -p a/b$((n % 5))
            head -c $((n * 997)) /dev/zero | tr '\\0' x > a/b$((n % 5))/f$n
        done
        ln a/b1/f1 hard && ln -s a/b2 soft && mkfifo pipe
        chmod 4751 a/b1/f6 && touch -d @86400 a/b3/f3 && truncate -s 1G sparse && cd ..
        tar -cSf a.tar src && mkdir out && tar -xf a.tar -C out && cp -a src copy
        for d in src out/src copy; do
            diff -r --no-dereference src/a $d/a
            format='%p %y %m %s %n %l %T@ %U %G\\n'
            (cd $d && find . ! -type d -printf "$format" | sort) > list.$(echo $d | tr -d /)
            test "$(stat -c %b $d/sparse)" -lt 100
        done
        diff list.src list.copy && sed 's/[.][0-9]* 0 0$//' list.src > one
        sed 's/[.][0-9]* 0 0$//' list.outsrc > two && diff one two
        rm -rf src out copy && ls
        """
    assert sh(place, script).split() == ["a.tar", "list.copy", "list.outsrc", "list.src", "one", "two"]


def test_locks_modules_and_searches(place: Path) -> None:
    script = """\
        #needs flock
        flock lk true
        (flock -n 9 && ! flock -n lk true) 9>lk
        echo "x = 41 + 1" > modz.py
        env -u PYTHONDONTWRITEBYTECODE python3 -c "import modz; print(modz.x)" && ls __pycache__ | wc -l
        find . -newer lk -name 'm*' && du -s . > /dev/null && df . > /dev/null
        """
    assert sh(place, script).split()[:2] == ["42", "1"]


def test_a_program_is_run_from_the_mount(place: Path) -> None:
    shutil.copy(shutil.which("true") or "/bin/true", place / "mytrue")
    (place / "script").write_text("#!/bin/sh\necho from the mount\n")
    (place / "script").chmod(0o755)
    assert sh(place, "./mytrue && ./script") == "from the mount\n"


def test_what_others_hold_open_is_removed_and_goes_on(place: Path) -> None:
    script = """\
        exec 5<>held && echo text >&5 && rm held && cat /proc/self/fd/5 2>/dev/null || true
        echo more >&5
        test "$(wc -c < /proc/self/fd/5)" = 10
        mkdir -p deep/er && (cd deep/er && rm -rf ../../deep && ls -A | wc -l)
        """
    assert sh(place, script).split()[-1] == "0"
    assert os.listdir(place) == []
