"""open(): files below /tmp, in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_files_below_tmp_are_written_and_read(same: Same) -> None:
    same(
        r"""
        import os


        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        with open("/tmp/nexus_open.txt", "w") as f:
            print(f.write("one\ntwo\r\nthré\rfour"), f.tell())
            print("x", 3, file=f)
            f.writelines(["a\n", "b"])
        print(f.closed)
        print(open("/tmp/nexus_open.txt").read().encode())
        print([l.encode() for l in open("/tmp/nexus_open.txt", newline="").readlines()])
        print([l.encode() for l in open("/tmp/nexus_open.txt").readlines()])
        print([l.encode() for l in open("/tmp/nexus_open.txt", newline="\r").readlines()])
        print([l.encode() for l in open("/tmp/nexus_open.txt", newline="\r\n").readlines()])
        print([l.encode() for l in open("/tmp/nexus_open.txt", newline="\n").readlines()])
        print(open("/tmp/nexus_open.txt", "rb").readlines())
        print(open("/tmp/nexus_open.txt", "rb").read(5), [l.encode() for l in open("/tmp/nexus_open.txt")])
        f = open("/tmp/nexus_open.txt")
        print(f.read(5), f.read(6).encode(), f.readline(2), f.readline())
        f.seek(2)
        print(f.readline(), f.tell(), f.seek(0, 2), f.read())
        f.close()
        show(f.read)
        show(lambda: iter(f))
        show(f.tell)
        open("/tmp/nexus_open.bin", "wb").write(b"ab\xffcd\xc3")
        for e in ("strict", "replace", "ignore"):
            show(lambda: open("/tmp/nexus_open.bin", errors=e).read())
        show(lambda: open("/tmp/nexus_open.bin", encoding="latin-1").read())
        show(lambda: open("/tmp/nexus_open.bin", encoding="ascii").read())
        show(lambda: open("/tmp/nexus_open.bin", "w", encoding="ascii").write("é"))
        show(lambda: open("/tmp/nonexist/x"))
        show(lambda: open("/tmp/nonexist/x", "w"))
        show(lambda: open("/tmp/nexus_open.txt", "x"))
        show(lambda: open("/tmp/nexus_open.txt/b", "w"))
        show(lambda: open("/tmp"))
        show(lambda: open("/tmp", "w"))
        show(lambda: open("/tmp/nexus_open.txt", "z"))
        show(lambda: open("/tmp/nexus_open.txt", "rw"))
        show(lambda: open("/tmp/nexus_open.txt", "rb", encoding="utf-8"))
        show(lambda: open("/tmp/nexus_open.txt", "w").read())
        show(lambda: open("/tmp/nexus_open.txt", "wb").write("a"))
        show(lambda: open("/tmp/nexus_open.txt", "w").write(b"a"))
        show(lambda: open("/tmp/nexus_open.txt", "r").write("a"))
        with open("/tmp/nexus_open.txt", "w+b") as f:
            f.write(b"hello world")
            f.seek(0)
            print(f.read(5), f.tell())
            f.seek(-3, 2)
            f.write(b"XYZW")
            f.seek(0)
            print(f.read(), f.truncate(4), f.tell())
            f.seek(1)
            b = bytearray(2)
            print(f.readinto(b), b)
        with open("/tmp/nexus_open.txt", "a+") as f:
            print(f.tell())
            f.write("end")
            f.seek(0)
            print(f.read())
        with open("/tmp/nexus_open.txt", "r+") as f:
            f.write("J")
            f.seek(0)
            print(f.read())
        try:
            open("/tmp/nexus_none")
        except FileNotFoundError as e:
            print(e, e.errno, e.filename, e.strerror)
        print(
            open("/tmp/nexus_open.txt"),
            open("/tmp/nexus_open.txt", "rb"),
            open("/tmp/nexus_open.txt", "wb"),
        )
        os.remove("/tmp/nexus_open.txt")
        os.remove("/tmp/nexus_open.bin")
        """
    )
