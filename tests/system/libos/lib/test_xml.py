"""The guests' xml.etree.ElementTree against CPython's."""

from __future__ import annotations

import pytest

from nexus.unikernel.images import Image
from nexus.unikernel.sandbox import Sandbox

from .conftest import Same


def test_documents(same: Same) -> None:
    same(r'''
import io
import xml.etree.ElementTree as ET
text = """<?xml version="1.0"?>
<!-- before -->
<data n='1'>
  <country name="Li&amp;e">
    <rank updated="yes">2</rank><year>2008</year>
    <neighbor name="A" direction="E"/><neighbor name="S" direction="W"/>
  </country>
  <country name="Si"><rank>5</rank>tail &lt;&#65;&#x42;<![CDATA[<raw>&]]></country><!-- c -->
  <e a="x&#10;y	z"/>end
</data>
"""
root = ET.fromstring(text)
print(root.tag, root.attrib, len(root), [c.tag for c in root], root[0][1].text, root.find("country").get("name"))
for path in ("country", "country/rank", ".//rank", "*", "./country[@name='Si']/rank", ".//neighbor[2]", "country[rank]", ".//year/..",
             ".//neighbor[@direction!='E']", "country[rank='5']", ".//*[@name]", ".", "country[last()]", "nope", ".//rank[.='2']",
             "country[1]/neighbor", ".//country//neighbor[last()]", "*/*"):
    print(path, [(e.tag, e.attrib, e.text) for e in root.findall(path)], root.findtext(path, "none"))
print([e.tag for e in root.iter()], [e.text for e in root.iter("rank")], list(root[1].itertext()))
print(ET.tostring(root), ET.tostring(root, encoding="unicode"))
for rank in root.iter("rank"):
    rank.text = str(int(rank.text) + 1)
    rank.set("updated", "é<\"'>\n")
root.remove(root[1])
new = ET.SubElement(root, "new", {"k": "v"}, z="1")
new.append(ET.Comment(" hi "))
ET.SubElement(new, "empty").tail = "t"
print(ET.tostring(root), ET.tostring(new, short_empty_elements=False), ET.tostring(root, "utf-8"), ET.tostring(new, "utf-8", xml_declaration=True))
ET.indent(root)
ET.dump(root)
tree = ET.ElementTree(root)
out = io.BytesIO()
tree.write(out, encoding="utf-8", xml_declaration=True)
print(out.getvalue(), ET.parse(io.BytesIO(out.getvalue())).getroot().tag, tree.find("new").attrib, ET.parse(io.StringIO("<q/>")).getroot().tag)
ns = ET.fromstring('<a xmlns="u:1" xmlns:b="u:2" b:x="1" y="2"><b:c/><d xmlns=""/><e xml:lang="en"/></a>')
print([e.tag for e in ns.iter()], ns.attrib, ET.tostring(ns))
print(ns.find("b:c", {"b": "u:2"}).tag, ns.findall("{*}e")[0].attrib)
ET.register_namespace("my", "u:1")
print(ET.tostring(ns, "unicode"), ET.tostring(ET.XML("<p>a<br/>b</p>"), method="html"), ET.tostring(ET.XML("<p>a<b>c</b>d</p>"), method="text"))
e = ET.Element("x")
print(bool(len(e)), e.text, e.get("q", 5), e.keys(), list(e), ET.iselement(e), ET.tostring(e), ET.tostring(ET.fromstring("<é>ü</é>")))
''')


def test_what_is_no_document(same: Same) -> None:
    same(r"""
import xml.etree.ElementTree as ET
for text in ("", "   ", "text", "<a>", "<a></b>", "<a></a><b/>", "<a></a>x", "<a b=1/>", "<a b='1' b='2'/>", "<a>&nope;</a>", "<a>&</a>",
             "<a", "<a b", "<a>\n <b>\n</a>", "<a><![CDATA[x</a>", "<a><!-- x</a>", "<1/>", "< a/>", "<a>]]></a>", "<x:a/>", "</a>",
             "<a b='<'/>", "<a>&#0;</a>", "<a/><a/>", "<a b='1'c='2'/>", " <?xml version='1.0'?><a/>", "<a><b></b", "<a>x"):
    try:
        print(text, ET.tostring(ET.fromstring(text)))
    except ET.ParseError as e:
        print(repr(text), e, e.code, e.position)
""")


@pytest.mark.parametrize("inside", ['<!ENTITY a "aaaa">', '<!ENTITY x SYSTEM "file:///etc/passwd">', ""])
def test_a_document_type_is_refused(python_image: Image, inside: str) -> None:
    code = f"""
import xml.etree.ElementTree as ET
try:
    print(ET.fromstring({f"<!DOCTYPE d [{inside}]><d>&a;</d>"!r}).text)
except ET.ParseError as e:
    print(e)
"""
    result = Sandbox(image=python_image).run(code)
    assert result.stdout == b"documents with a DTD are refused: line 1, column 0\n"
