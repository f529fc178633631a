"""urllib.parse and http in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_urls(same: Same) -> None:
    same(
        r"""
        from urllib.parse import *
        import urllib.parse


        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        print(
            quote("a b/ü?&=~"),
            quote("a/b", safe=""),
            quote_plus("a b+c/"),
            unquote("a%20b%C3%zz%41%").encode(),
            unquote_plus("a+b%2B"),
            unquote_to_bytes("%ff%4"),
            quote(b"\xff"),
            unquote("%+1"),
        )
        print(
            urlencode({"a": 1, "b c": "x&y"}),
            urlencode([("a", [1, 2])], True),
            urlencode([("a", [1, 2])]),
            urlencode({"a": ("x", "y")}, doseq=True),
            urlencode({"q": "a b"}, quote_via=quote),
        )
        print(
            parse_qs("a=1&b=2&a=3&c=&d"),
            parse_qs("a=1&c=", keep_blank_values=True),
            parse_qsl("x=%20y+z&&=q"),
        )
        show(lambda: parse_qsl("a", strict_parsing=True))
        for u in (
            "http://user:pw@Host.com:8080/p/a;x?q=1#f",
            "//h/p",
            "mailto:a@b",
            "path?x#y",
            "",
            "HTTP://A",
            "http://[::1]:80/x",
            "http://h?q",
            "file:///etc",
            "a:80",
            "1a:b",
            "http:///x",
            "http://h:bad/",
        ):
            p = urlsplit(u)
            print(
                tuple(p),
                p.hostname,
                p.username,
                p.password,
                p.geturl(),
                tuple(urlparse(u)),
                urlparse(u).geturl(),
            )
            show(lambda: p.port)
        print(
            urlsplit("http://a/b?c#d"),
            urlparse("http://a/b;c?d"),
            urldefrag("http://a/b#c"),
            urlsplit("http://a/b")._replace(scheme="https").geturl(),
        )
        for r in (
            "g:h",
            "g",
            "./g",
            "g/",
            "/g",
            "//g",
            "?y",
            "g?y",
            "#s",
            "g#s",
            ";x",
            "",
            ".",
            "./",
            "..",
            "../",
            "../g",
            "../..",
            "../../g",
            "../../../g",
            "/./g",
            "g.",
            "..g",
            "./../g",
            "g/./h",
            "g/../h",
            "http:g",
        ):
            print(r, urljoin("http://a/b/c/d;p?q", r), urljoin("http://a", r), urljoin("http://a/b/", r))
        """
    )


def test_statuses(same: Same) -> None:
    same(
        r"""
        from http import HTTPStatus

        print(
            HTTPStatus.OK,
            HTTPStatus.NOT_FOUND.phrase,
            HTTPStatus(404).name,
            HTTPStatus.OK == 200,
            repr(HTTPStatus.OK),
        )
        """
    )
