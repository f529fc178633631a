"""os and os.path in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_os(same: Same) -> None:
    same(
        r"""
        import os, os.path, posixpath
        from os.path import join, exists


        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        p = os.path
        for a in (
            "",
            "/",
            "a",
            "a/b.c",
            "/a/b/",
            "//x",
            "///x",
            "a/../b",
            "./a/./b//c",
            ".bashrc",
            "a/.b",
            "x.tar.gz",
            "..",
            "/..",
            "a.b/c",
            "...x",
            "a/...",
        ):
            print(
                repr(a), p.split(a), p.splitext(a), p.basename(a), p.dirname(a), p.isabs(a), p.normpath(a)
            )
        print(
            p.join("a", "b", "/c", "d"),
            p.join("a/", "b", ""),
            p.join("", "x"),
            p.relpath("/a/b", "/a/c/d"),
            p.relpath("/a", "/"),
            p.commonprefix(["abc", "abd"]),
            p.commonpath(["/a/b/c", "/a/b/d"]),
            p.commonpath(["a/b", "a"]),
            p.join(b"a", b"b"),
        )
        show(lambda: p.join("a", b"b"))
        show(lambda: p.commonpath(["/a", "b"]))
        show(lambda: p.join(3))
        show(lambda: p.relpath(""))
        import sys

        base = "/tmp/ostest_q"
        os.makedirs(base + "/x/y")
        open(base + "/x/f.txt", "w").write("hi!")
        open(base + "/g", "w").close()
        print(
            sorted(os.listdir(base)),
            [
                (e.name, e.path, e.is_dir(), e.is_file())
                for e in sorted(os.scandir(base), key=lambda e: e.name)
            ],
        )
        for r, d, f in os.walk(base):
            print(r, sorted(d), sorted(f))
        for r, d, f in os.walk(base, topdown=False):
            print(r, sorted(d), sorted(f))
        print(
            os.stat(base + "/x/f.txt").st_size,
            p.getsize(base + "/x/f.txt"),
            p.isfile(base + "/g"),
            p.isdir(base),
            exists(base + "/nope"),
            os.stat(base + "/g")[6],
        )
        show(lambda: os.rmdir(base))
        show(lambda: os.mkdir(base))
        show(lambda: os.makedirs(base + "/x"))
        show(lambda: os.makedirs(base + "/x/y", exist_ok=True))
        show(lambda: os.remove(base + "/zz"))
        show(lambda: os.rmdir(base + "/zz"))
        show(lambda: os.rmdir(base + "/g"))
        show(lambda: os.listdir(base + "/g"))
        show(lambda: os.listdir(base + "/nn"))
        show(lambda: os.stat(base + "/nn"))
        show(lambda: os.mkdir(base + "/nn/mm"))
        show(lambda: os.rename(base + "/nn", base + "/oo"))
        show(lambda: os.rename(base + "/g", base + "/nn/oo"))
        os.rename(base + "/x", base + "/z")
        print(open(base + "/z/f.txt").read(), exists(base + "/x"))
        os.replace(base + "/z/f.txt", base + "/g")
        print(open(base + "/g").read())
        os.remove(base + "/g")
        os.rmdir(base + "/z/y")
        os.rmdir(base + "/z")
        print(os.listdir(base))
        os.rmdir(base)
        print(
            len(os.urandom(5)),
            os.sep,
            os.linesep,
            os.name,
            os.getenv("NOPEX"),
            os.getenv("NOPEX", "d"),
            os.error is OSError,
            os.fspath("a"),
            os.fsencode("a"),
        )
        show(lambda: os.fspath(3))
        show(lambda: open(""))
        show(lambda: os.stat("a\x00b"))
        try:
            os.remove("/tmp/none")
        except FileNotFoundError as e:
            print(repr(e), e.filename)
        """
    )
