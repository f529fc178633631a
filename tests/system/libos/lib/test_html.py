"""html and html.parser in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_html(same: Same) -> None:
    same(
        r"""
        import html
        from html.parser import HTMLParser

        print(html.escape('<a href="x">\'&'), html.escape('"', quote=False))
        print(
            [
                html.unescape(x).encode()
                for x in (
                    "&lt;&gt;&amp;&quot;&#39;&#x27;&eacute;&nbsp",
                    "&notit;",
                    "&unknown;",
                    "&",
                    "&&amp;",
                    "&#0;&#128;&#x110000;&#;",
                    "&copy 2020 &euro; &euro x",
                    "&amp;lt;",
                    "a & b",
                    "&#65",
                    "&hellip;&mdash;",
                )
            ]
        )


        class P(HTMLParser):
            def handle_starttag(self, t, a):
                print("S", t, a, self.get_starttag_text())

            def handle_endtag(self, t):
                print("E", t)

            def handle_data(self, d):
                print("D", repr(d))

            def handle_comment(self, d):
                print("C", d)

            def handle_decl(self, d):
                print("!", d)

            def handle_pi(self, d):
                print("?", d)


        p = P()
        p.feed(
            "<!DOCTYPE html><html><body class='a b' id=x disabled data-q=\"1 &lt; 2\">"
            "<p>Hi &amp; you<br/><img src=a.png />"
            "<!-- c --> 1 &lt; 2 <a href=\"u?a=1&b=2\">t</a></P>"
            "<script>if (a<b) {x='</p>'}</script><style>p>a{}</style><?php x?></body></html>\n"
        )
        p.close()
        print(p.getpos())
        p = P()
        p.feed("<p")
        p.feed(">te")
        p.feed("xt</")
        p.feed("p>&am")
        p.feed("p; end")
        p.close()
        """
    )
