"""fromstring, XML, parse, Element, SubElement, ElementTree, tostring, indent, dump, Comment, find and its
like.

Refuses documents with a DTD: entities of a document's own are how XML attacks its reader. Lacks:
iterparse, XMLPullParser, TreeBuilder of one's own, C14N, encodings but UTF-8, Latin-1 and ASCII.
"""

from xml.etree._parse import ParseError, Reader, build
from xml.etree._paths import find, findall, findtext, iterfind
from xml.etree._write import escaped_text, register_namespace, write


def iselement(element):
    return hasattr(element, "tag")


class Element:
    """A tag, its attributes, its text, the text behind it (tail), and the elements in it."""

    def __init__(self, tag, attrib={}, **extra):
        if not isinstance(attrib, dict):
            raise TypeError(f"attrib must be dict, not {type(attrib).__name__}")
        self.tag, self.text, self.tail, self._children = tag, None, None, []
        self.attrib = dict(attrib)
        self.attrib.update(extra)

    def __repr__(self):
        return f"<Element {self.tag!r} at {hex(id(self))}>"

    def makeelement(self, tag, attrib):
        return Element(tag, attrib)

    def __len__(self):
        return len(self._children)

    def __bool__(self):
        return len(self._children) != 0

    def __iter__(self):
        return iter(self._children)

    def __getitem__(self, index):
        return self._children[index]

    def __setitem__(self, index, element):
        self._children[index] = element

    def __delitem__(self, index):
        del self._children[index]

    def _check(self, element):
        if not isinstance(element, Element):
            raise TypeError(f"expected an Element, not {type(element).__name__}")

    def append(self, subelement):
        if not isinstance(subelement, Element):
            name = type(subelement).__name__
            raise TypeError(f"append() argument must be xml.etree.ElementTree.Element, not {name}")
        self._children.append(subelement)

    def extend(self, elements):
        for element in elements:
            self._check(element)
            self._children.append(element)

    def insert(self, index, subelement):
        self._check(subelement)
        self._children.insert(index, subelement)

    def remove(self, subelement):
        for at, child in enumerate(self._children):
            if child is subelement:
                del self._children[at]
                return
        raise ValueError("list.remove(x): x not in list")

    def clear(self):
        self.attrib, self._children, self.text, self.tail = {}, [], None, None

    def get(self, key, default=None):
        return self.attrib.get(key, default)

    def set(self, key, value):
        self.attrib[key] = value

    def keys(self):
        return list(self.attrib)

    def items(self):
        return list(self.attrib.items())

    def find(self, path, namespaces=None):
        return find(self, path, namespaces)

    def findall(self, path, namespaces=None):
        return findall(self, path, namespaces)

    def findtext(self, path, default=None, namespaces=None):
        return findtext(self, path, default, namespaces)

    def iterfind(self, path, namespaces=None):
        return iterfind(self, path, namespaces)

    def iter(self, tag=None):
        tag = None if tag == "*" else tag
        todo = [self]
        while todo:
            element = todo.pop()
            if tag is None or element.tag == tag:
                yield element
            todo.extend(reversed(element._children))

    def itertext(self):
        if not isinstance(self.tag, str) and self.tag is not None:
            return
        if self.text:
            yield self.text
        for child in self._children:
            yield from child.itertext()
            if child.tail:
                yield child.tail

    def __copy__(self):
        made = Element(self.tag, self.attrib)
        made.text, made.tail, made._children = self.text, self.tail, self._children[:]
        return made

    def __deepcopy__(self, memo):
        made = self.__copy__()
        made._children = [child.__deepcopy__(memo) for child in self._children]
        return made


def SubElement(parent, tag, attrib={}, **extra):
    element = Element(tag, attrib, **extra)
    parent.append(element)
    return element


def Comment(text=None):
    element = Element(Comment)
    element.text = text
    return element


def ProcessingInstruction(target, text=None):
    element = Element(ProcessingInstruction)
    element.text = target if not text else f"{target} {text}"
    return element


PI = ProcessingInstruction


class QName:
    """A name in a namespace."""

    def __init__(self, text_or_uri, tag=None):
        self.text = f"{{{text_or_uri}}}{tag}" if tag else text_or_uri

    def __str__(self):
        return self.text

    def __repr__(self):
        return f"<QName {self.text!r}>"

    def __hash__(self):
        return hash(self.text)

    def __eq__(self, other):
        return self.text == (other.text if isinstance(other, QName) else other)


def XML(text, parser=None):
    return build(Reader(text), Element)


fromstring = XML


def fromstringlist(sequence, parser=None):
    parts = list(sequence)
    return XML((b"" if parts and isinstance(parts[0], bytes) else "").join(parts))


def XMLID(text, parser=None):
    tree = XML(text)
    return tree, {element.get("id"): element for element in tree.iter() if element.get("id")}


def parse(source, parser=None):
    tree = ElementTree()
    tree.parse(source)
    return tree


def tostring(
    element,
    encoding=None,
    method=None,
    *,
    xml_declaration=None,
    default_namespace=None,
    short_empty_elements=True,
):
    parts = []
    ElementTree(element)._write(
        parts.append, encoding, xml_declaration, default_namespace, method, short_empty_elements
    )
    text = "".join(parts)
    return text if str(encoding).lower() == "unicode" else escaped_text(text, encoding or "us-ascii")


def tostringlist(element, encoding=None, method=None, **named):
    return [tostring(element, encoding, method, **named)]


def dump(elem):
    import sys

    ElementTree(getattr(elem, "_root", elem))._write(sys.stdout.write, "unicode", None, None, None, True)
    sys.stdout.write("" if (getattr(elem, "_root", elem).tail or "").endswith("\n") else "\n")


def indent(tree, space="  ", level=0):
    root = getattr(tree, "_root", tree)
    if level < 0:
        raise ValueError(f"Initial indentation level must be >= 0, got {level}")
    if len(root):
        _indent(root, space, level)


def _indent(element, space, level):
    inside = "\n" + (level + 1) * space
    if not (element.text or "").strip():
        element.text = inside
    for child in element:
        if len(child):
            _indent(child, space, level + 1)
        if not (child.tail or "").strip():
            child.tail = inside
    if not child.tail.strip():
        child.tail = "\n" + level * space


class ElementTree:
    """A root, read from a file or written to one."""

    def __init__(self, element=None, file=None):
        self._root = element
        if file:
            self.parse(file)

    def getroot(self):
        return self._root

    def _setroot(self, element):
        self._root = element

    def parse(self, source, parser=None):
        if hasattr(source, "read"):
            content = source.read()
        else:
            with open(source, "rb") as file:
                content = file.read()
        self._root = XML(content)
        return self._root

    def iter(self, tag=None):
        return self._root.iter(tag)

    def _relative(self, path):
        return "." + path if path[:1] == "/" else path

    def find(self, path, namespaces=None):
        return self._root.find(self._relative(path), namespaces)

    def findall(self, path, namespaces=None):
        return self._root.findall(self._relative(path), namespaces)

    def findtext(self, path, default=None, namespaces=None):
        return self._root.findtext(self._relative(path), default, namespaces)

    def iterfind(self, path, namespaces=None):
        return self._root.iterfind(self._relative(path), namespaces)

    def _write(self, put, encoding, declaration, default_namespace, method, short):
        method = method or "xml"
        if method not in ("xml", "html", "text"):
            raise ValueError(f"unknown method {method!r}")
        name = encoding or "us-ascii"
        if declaration is None:
            declaration = str(encoding).lower() not in ("none", "utf-8", "us-ascii", "unicode")
        if method == "xml" and declaration:
            put(f"<?xml version='1.0' encoding='{'utf-8' if name == 'unicode' else name}'?>\n")
        write(put, self._root, default_namespace, method, short, (Comment, ProcessingInstruction))

    def write(
        self,
        file_or_filename,
        encoding=None,
        xml_declaration=None,
        default_namespace=None,
        method=None,
        *,
        short_empty_elements=True,
    ):
        parts = []
        self._write(parts.append, encoding, xml_declaration, default_namespace, method, short_empty_elements)
        content = "".join(parts)
        if str(encoding).lower() != "unicode":
            content = escaped_text(content, encoding or "us-ascii")
        if hasattr(file_or_filename, "write"):
            file_or_filename.write(content)
            return
        with open(file_or_filename, "w" if isinstance(content, str) else "wb") as file:
            file.write(content)


__all__ = [
    "PI",
    "XML",
    "XMLID",
    "Comment",
    "Element",
    "ElementTree",
    "ParseError",
    "ProcessingInstruction",
    "QName",
    "SubElement",
    "dump",
    "fromstring",
    "fromstringlist",
    "indent",
    "iselement",
    "parse",
    "register_namespace",
    "tostring",
    "tostringlist",
]
