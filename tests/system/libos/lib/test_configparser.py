"""The guests' configparser against CPython's."""

from __future__ import annotations

from .conftest import Same


def test_read_ask_change_and_write(same: Same) -> None:
    same(r"""
import configparser, io
text = '''
[DEFAULT]
ServerAliveInterval = 45
Compression: yes
[forge.example]
User = hg   ; no comment
# comment
; comment
port=50022
Lines = first
    second

    third
empty =
[paths]
home = /srv/%(name)s
name = web
log = %(home)s/log
percent = 50%%
'''
c = configparser.ConfigParser()
print(c.sections(), c.read_string(text))
print(c.sections(), "paths" in c, len(c), list(c))
f = c["forge.example"]
print(f["user"], f["USER"], f.get("x"), f.get("x", "y"), f.getint("port"), f.getboolean("compression"), f)
print(repr(f["lines"]), repr(f["empty"]), list(f), dict(c["paths"]), c.items("paths"), c.options("paths"))
print(c.get("paths", "home", raw=True), c.get("paths", "log", vars={"name": "x"}), c.getint("forge.example", "zz", fallback=3))
print(c.getfloat("DEFAULT", "serveraliveinterval"), c.defaults(), c.has_option("paths", "Name"), c.has_section("DEFAULT"))
c["new"] = {"a": 1, "B": "two"}
c.add_section("more")
c.set("more", "k", "v\nw")
c["more"]["z"] = "1"
del c["forge.example"]["port"]
print(c.remove_option("more", "z"), c.remove_option("more", "z"), c.remove_section("nope"))
out = io.StringIO()
c.write(out)
print(out.getvalue())
out = io.StringIO()
c.write(out, space_around_delimiters=False)
print(out.getvalue())
again = configparser.ConfigParser()
again.read_file(io.StringIO(out.getvalue()))
print(again.sections() == c.sections(), again["more"]["k"] == c["more"]["k"])
for bad in (lambda: c.get("no", "x"), lambda: c.get("paths", "x"), lambda: c["no"], lambda: c["paths"]["no"],
            lambda: c.add_section("paths"), lambda: c.add_section("DEFAULT"), lambda: c.set("paths", "x", 5),
            lambda: c.set("paths", "x", "50%"), lambda: c.getboolean("paths", "name"), lambda: c.getint("paths", "name"),
            lambda: c.read_string("a = 1"), lambda: c.read_string("[a]\nb\n"), lambda: c.read_string("[a]\nb=1\nB=2\n"),
            lambda: c.read_string("[q]\n[q]\n"), lambda: c.items("no"), lambda: c.options("no"), lambda: c.set("no", "a", "b"),
            lambda: c.read_string("[w]\na=%(b)s\n"), lambda: c.get("w", "a"), lambda: c.getfloat("no", "a"),
            lambda: c.read_string("[v]\na=%(a)s\nb=%x\nc=%(\n"), lambda: c.get("v", "a"), lambda: c.get("v", "b"),
            lambda: c.get("v", "c")):
    try:
        print(bad())
    except Exception as e:
        print(type(e).__name__, str(e), isinstance(e, configparser.Error))
""")


def test_options_of_the_parser(same: Same) -> None:
    same(r"""
import configparser
c = configparser.ConfigParser(allow_no_value=True, inline_comment_prefixes=("#",), delimiters=("=",), strict=False)
c.optionxform = str
c.read_string("[A]\nKey\nOther=1 # one\nurl=http://a:b#c\n[A]\nOther=2\n [B]\n x=1\n   y=2\n z=3\n")
print({s: dict(c[s]) for s in c.sections()})
e = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
e.read_string("[a]\nroot=/x\nbin=${root}/bin\nprice=$$5\n[b]\ntop=${a:bin}/top\nbad=${a:no}\nodd=$x\n")
print(e["a"]["bin"], e["a"]["price"], e["b"]["top"])
for name in ("bad", "odd"):
    try:
        print(e["b"][name])
    except configparser.Error as error:
        print(type(error).__name__, error)
r = configparser.RawConfigParser({"d": "1"})
r.read_string("[a]\nb=%(c)s\n")
r.set("a", "n", 5)
print(r.get("a", "b"), r.get("a", "d"), r.get("a", "n"), r.items("a"))
n = configparser.ConfigParser(interpolation=None, default_section="common", converters={"list": lambda v: v.split(",")})
n.read_dict({"common": {"x": "1"}, "s": {"l": "a,b", "p": "5%"}})
print(n.getlist("s", "l"), n["s"].getlist("l"), n["s"]["p"], n["s"]["x"], n["s"].getlist("no", fallback=[]))
print(n.has_option("s", "x"), "l" in n["s"], len(n["s"]), n["s"].name, n["s"].pop("l"), n["s"].setdefault("q", "7"))
""")


def test_files_that_are_not_there(same: Same) -> None:
    same("""
import configparser
c = configparser.ConfigParser()
print(c.read("/nope.ini"), c.read(["/nope.ini", "/no/such"]))
""")
