"""Elements as XML text."""

_PREFIXES = {
    "http://www.w3.org/XML/1998/namespace": "xml",
    "http://www.w3.org/1999/xhtml": "html",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://schemas.xmlsoap.org/wsdl/": "wsdl",
    "http://www.w3.org/2001/XMLSchema": "xs",
    "http://www.w3.org/2001/XMLSchema-instance": "xsi",
    "http://purl.org/dc/elements/1.1/": "dc",
}
_VOID = (
    "area",
    "base",
    "basefont",
    "br",
    "col",
    "embed",
    "frame",
    "hr",
    "img",
    "input",
    "isindex",
    "link",
    "meta",
    "param",
    "source",
    "track",
    "wbr",
)


def register_namespace(prefix, uri):
    if prefix[:2] == "ns" and prefix[2:].isdigit():
        raise ValueError("Prefix format reserved for internal use")
    for known, name in list(_PREFIXES.items()):
        if known == uri or name == prefix:
            del _PREFIXES[known]
    _PREFIXES[uri] = prefix


def escaped_text(text, encoding):
    """The text as bytes, what the encoding lacks as references to characters."""
    top = {
        "utf-8": 0x110000,
        "utf8": 0x110000,
        "us-ascii": 128,
        "ascii": 128,
        "iso-8859-1": 256,
        "latin-1": 256,
    }
    if encoding.lower() not in top:
        raise LookupError(f"unknown encoding: {encoding}")
    top = top[encoding.lower()]
    if top == 0x110000:
        return text.encode()
    return b"".join([bytes([ord(c)]) if ord(c) < top else f"&#{ord(c)};".encode() for c in text])


def _text(value):
    if not isinstance(value, str):
        raise TypeError(f"cannot serialize {value!r} (type {type(value).__name__})")
    if "&" in value:
        value = value.replace("&", "&amp;")
    if "<" in value:
        value = value.replace("<", "&lt;")
    return value.replace(">", "&gt;") if ">" in value else value


def _value(value, html):
    if html:
        return value.replace("&", "&amp;").replace(">", "&gt;").replace('"', "&quot;")
    value = _text(value).replace('"', "&quot;")
    return value.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#09;")


def write(put, root, default_namespace, method, short, special):
    if method == "text":
        for part in root.itertext():
            put(part)
        put(root.tail or "")
        return
    uses, names = {}, {}
    if default_namespace:
        uses[default_namespace] = ""

    def named(name, attribute=False):
        name = getattr(name, "text", name)
        if not isinstance(name, str):
            raise TypeError(f"cannot serialize {name!r} (type {type(name).__name__})")
        if name in names:
            return names[name]
        if name[:1] != "{":
            if default_namespace and not attribute:
                raise ValueError("cannot use non-qualified names with default_namespace option")
            return name
        uri, tag = name[1:].rsplit("}", 1)
        if uri not in uses:
            prefix = _PREFIXES.get(uri) or f"ns{len(uses)}"
            if prefix == "xml":
                names[name] = "xml:" + tag
                return names[name]
            uses[uri] = prefix
        names[name] = f"{uses[uri]}:{tag}" if uses[uri] else tag
        return names[name]

    for element in root.iter():  # all the namespaces are declared by the root
        if element.tag not in special and element.tag is not None:
            named(element.tag)
        for key in element.attrib:
            named(key, True)
    _element(put, root, named, uses, method == "html", short, special)


def _element(put, element, named, uses, html, short, special):
    tag, text = element.tag, element.text
    if tag is special[0]:
        put(f"<!--{text}-->")
    elif tag is special[1]:
        put(f"<?{text}?>")
    elif tag is None:
        put(_text(text) if text else "")
        for child in element:
            _element(put, child, named, None, html, short, special)
    else:
        tag = named(tag)
        put("<" + tag)
        for uri, prefix in sorted((uses or {}).items(), key=lambda pair: pair[1]):
            put(f' xmlns{":" if prefix else ""}{prefix}="{_value(uri, html)}"')
        for key, value in element.attrib.items():
            value = getattr(value, "text", value)
            put(f' {named(key, True)}="{_value(value, html)}"')
        if text or len(element) or not short or html:
            put(">")
            put((text if html and tag.lower() in ("script", "style") else _text(text)) if text else "")
            for child in element:
                _element(put, child, named, None, html, short, special)
            put("" if html and tag.lower() in _VOID else f"</{tag}>")
        else:
            put(" />")
    put(_text(element.tail) if element.tail else "")
