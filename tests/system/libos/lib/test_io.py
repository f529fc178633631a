"""io in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_io(same: Same) -> None:
    same(
        r"""
        import io


        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        s = io.StringIO("a\nb\nc")
        print(s.read(1), s.readline(), list(s), s.tell(), s.getvalue())
        print("x", 3, "é", file=s)
        print(ascii(s.getvalue()) if 0 else s.getvalue().encode())
        s.seek(1)
        s.write("QQ")
        print(s.getvalue().encode(), s.tell(), s.truncate(), s.getvalue().encode())
        with io.StringIO() as f:
            f.writelines(["a", "b\n"])
            f.seek(6)
            f.write("z")
            print(repr(f.getvalue()))
            f.seek(0)
            print(f.readlines(), f.readable(), f.seekable())
        show(f.getvalue)
        show(lambda: io.StringIO(3))
        show(lambda: io.StringIO().write(b"x"))
        show(lambda: io.StringIO().seek(-1))
        show(lambda: io.StringIO().seek(1, 1))
        print(
            list(io.StringIO("a\r\nb\rc\n", newline=None)),
            list(io.StringIO("a\r\nb\rc\n", newline="")),
            list(io.StringIO("a\r\nb\rc\n")),
            list(io.StringIO("a\nb\n", newline="\r\n")),
        )
        b = io.BytesIO(b"hello\nworld")
        print(b.readline(), b.read(), b.tell(), b.seek(0), list(b))
        b.seek(2)
        b.write(b"LL!!")
        print(b.getvalue(), b.tell())
        b.truncate(3)
        print(b.getvalue(), b.tell(), b.read())
        b.seek(6)
        b.write(b"Z")
        print(b.getvalue())
        b.seek(-1, 2)
        print(b.read())
        print(bytes(b.getbuffer()))
        show(lambda: io.BytesIO("a"))
        show(lambda: io.BytesIO().write("a"))
        show(io.BytesIO().fileno)
        t = io.TextIOWrapper(io.BytesIO(b"x\r\ny"), encoding="utf-8")
        print(t.read())
        print(io.SEEK_END)
        try:
            io.StringIO().fileno()
        except io.UnsupportedOperation as e:
            print("U", e)


        class S(io.StringIO):
            def up(self):
                return self.getvalue().upper()


        x = S()
        x.write("abc")
        print(x.up(), isinstance(x, io.IOBase))
        import sys

        old = sys.stdout
        sys.stdout = s = io.StringIO()
        print("hid", 1)
        sys.stdout = old
        print(repr(s.getvalue()))
        """
    )
