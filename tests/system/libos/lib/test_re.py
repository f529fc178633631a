"""The guests' re against CPython's."""


def test_findall_split_sub_match(same):
    same(r"""
import re
print(re.findall(r"\d+", "a1b22c333"), re.findall(r"(\w)(\d)", "a1b2"), re.findall(r"(\w)\d", "a1b2"))
print(re.split(r"[,;]\s*", "a, b;c"), re.split(r"(-)", "a-b-c"))
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world"))
print(re.sub(r"\d", lambda m: str(int(m.group())*2), "a1b2"), re.subn("a","b","aaa",count=2))
m=re.match(r"(?P<y>\d{4})-(?P<m>\d\d)", "2024-05-06")
print(m, m.group(), m.group(1), m["m"], m.groups(), m.groupdict(), m.span("m"), m.start(), m.end(2))
print(m.lastindex, m.lastgroup, m.re.pattern, bool(m))
print(re.search(r"(?i)HELLO", "say hello"), re.fullmatch(r"a+b?", "aab"), re.fullmatch(r"a+", "aab"))
print(re.match("b","ab"), re.compile(r"^\w+$", re.M).findall("ab\ncd e\nfg"))
""")


def test_kinds_of_patterns(same):
    same(r'''
import re
print([m.span() for m in re.finditer(r"\b\w", "ab cd e")], re.findall(r"a*", "baac"))
print(re.split(r"x*", "axbc"), re.sub(r"x*", "-", "abxd"), re.findall(r"(?=(\d\d))", "1234"))
print(re.findall(r"(?<=\$)\d+", "$5 6 $70"), re.findall(r"(?<!\$)\b\d+", "$5 6 $70"))
print(re.findall(r"(?!a)\w", "abc"))
print(re.findall(r"<.+?>", "<a><b>"), re.findall(r"<.+>", "<a><b>"))
print(re.findall(r"(a|ab)(c|bcd)(d*)", "abcd"), re.match(r"(a*)*b","aaab"))
print(re.match(r"(?:a|b)*?c","abac"), re.findall(r"(\w+)\s\1", "the the cat cat"))
print(re.findall(r'"([^"]*)"', 'a "b" "c d"'), re.findall(r"[^\W\d_]+", "a1_b é"))
print(re.escape("a.b*c[1]"), re.sub(r"[aeiou]", "", "education"))
print(re.findall(r"[\w.+-]+@[\w-]+\.[\w.]+", "x a.b@c.com, d@e.org."))
print(re.sub(r"\s+", " ", " a  b\n c ").strip(), re.findall(r"x{2,3}", "xxxxxx x xx"))
print(re.findall(r"x{2,3}?", "xxxxxx"), re.findall("é+", "aéébé"), re.sub("é","e","caféé"))
print(re.compile(r"""
  (\d+)  # number
  \s* ([a-z]+)
""", re.X).findall("12 ab 3cd"))
print(re.findall(r"a.c", "a\nc abc"), re.findall(r"a.c", "a\nc abc", re.S))
print(re.findall(r"^a|b$", "ab\nab"), re.findall(r"\Aa|b\Z", "ab\nab"))
''')


def test_errors_of_patterns(same):
    same(r"""
import re
for p in ["(", "a)", "[a", "*a", "a**", "(?P<n>a)(?P<n>b)", r"\1", "(?<=a*)b", "a{3,2}", r"\q", "[b-a]", "(?P<1>a)", "(?z)", "\\", "(?P=x)"]:
    try: re.compile(p); print("ok", p)
    except re.error as e: print(p, "|", e)
""")


def test_groups_bytes_and_templates(same):
    same(r"""
import re
print(re.findall(rb"\d+", b"a1b22"), re.sub(b"a", b"b", b"aa"), re.match(r"(a)?(b)?", "b").groups())
print(re.match(r"(a)?(b)?", "b").groups("-"), re.match(r"(?:(a)|b)*", "ab").groups())
print(re.sub(r"(?P<x>a)", r"[\g<x>\g<0>\g<1>]", "ba"), re.sub("a", r"\n\\", "a"))
print(re.search("b", "abc").expand(r"<\g<0>>"))
print(re.match(r"(\()?a(?(1)\)|b)", "(a)"), re.match(r"(\()?a(?(1)\)|b)", "ab"))
print(re.match(r"(?>a+)ab", "aaab"), re.match(r"a++b", "aab"), re.findall(r"(?i:a)b", "Ab AB ab"))
print(re.compile("a", re.I), re.compile("a|b"))
p=re.compile(r"\s*(?:(\d+\.?\d*)|(.))")
print([p.match("3+4.5*x",0).groups()], p.match("3+4",1).groups(), [t for t in p.findall("3 + 4.5*(x)")])
print(re.match("a","b"), re.search("","abc").span(), re.findall("","ab"), re.split("","ab"))
print(re.sub("$","!","ab\n"), re.sub("^","> ","a\nb",flags=re.M))
print(re.findall(r"(?m)^(\w+):\s*(.*)$","a: 1\nb: 2\n"))
""")
