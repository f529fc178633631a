"""zlib and gzip in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_deflate(same: Same) -> None:
    same(
        r"""
        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        import zlib, gzip

        for d in (b"", b"a", b"hello" * 500, bytes(range(256)) * 30):
            print(
                zlib.crc32(d),
                zlib.adler32(d),
                zlib.decompress(zlib.compress(d)) == d,
                gzip.decompress(gzip.compress(d)) == d,
                zlib.decompress(zlib.compress(d, wbits=-15), -15) == d,
                zlib.decompress(zlib.compress(d, wbits=31), 31) == d,
            )
        print(
            zlib.decompress(b"x\x9c\xcbH\xcd\xc9\xc9W(\xcf/\xcaI\x01\x00\x1a\x0b\x04]"),
            zlib.crc32(b"b", zlib.crc32(b"a")),
            len(zlib.compress(b"a" * 10000)) < 200,
        )
        show(lambda: zlib.decompress(b"garbage!"))
        show(lambda: gzip.decompress(b"garbage!"))
        show(lambda: zlib.decompress(b""))
        """
    )
