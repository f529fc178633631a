"""html: escape and unescape.

Lacks: most of the 2,231 named references; the markup's own, Latin-1's letters and common signs are there.
"""

_LATIN = (
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn "
    "sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave "
    "Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml "
    "ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN "
    "szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute "
    "icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml "
    "yacute thorn yuml"
)
_MORE = {
    "amp": 38,
    "lt": 60,
    "gt": 62,
    "quot": 34,
    "AMP": 38,
    "LT": 60,
    "GT": 62,
    "QUOT": 34,
    "apos": 39,
    "hellip": 0x2026,
    "ndash": 0x2013,
    "mdash": 0x2014,
    "lsquo": 0x2018,
    "rsquo": 0x2019,
    "ldquo": 0x201C,
    "rdquo": 0x201D,
    "sbquo": 0x201A,
    "bdquo": 0x201E,
    "bull": 0x2022,
    "euro": 0x20AC,
    "trade": 0x2122,
    "larr": 0x2190,
    "uarr": 0x2191,
    "rarr": 0x2192,
    "darr": 0x2193,
    "infin": 0x221E,
    "ne": 0x2260,
    "le": 0x2264,
    "ge": 0x2265,
    "alpha": 0x3B1,
    "beta": 0x3B2,
    "gamma": 0x3B3,
    "delta": 0x3B4,
    "lambda": 0x3BB,
    "mu": 0x3BC,
    "pi": 0x3C0,
    "sigma": 0x3C3,
    "omega": 0x3C9,
    "Omega": 0x3A9,
    "OElig": 0x152,
    "oelig": 0x153,
    "ensp": 0x2002,
    "emsp": 0x2003,
    "thinsp": 0x2009,
    "dagger": 0x2020,
    "permil": 0x2030,
    "lsaquo": 0x2039,
    "rsaquo": 0x203A,
    "minus": 0x2212,
    "radic": 0x221A,
    "sum": 0x2211,
    "check": 0x2713,
}
_PLAIN = ("amp", "lt", "gt", "quot", "AMP", "LT", "GT", "QUOT")  # and those of Latin-1: also without ";"
_WINDOWS = (
    8364,
    129,
    8218,
    402,
    8222,
    8230,
    8224,
    8225,
    710,
    8240,
    352,
    8249,
    338,
    141,
    381,
    143,
    144,
    8216,
    8217,
    8220,
    8221,
    8226,
    8211,
    8212,
    732,
    8482,
    353,
    8250,
    339,
    157,
    382,
    376,
)
_table = {}


def escape(s, quote=True):
    s = s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return s.replace('"', "&quot;").replace("'", "&#x27;") if quote else s


def _number(code):
    if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    if 0x80 <= code < 0xA0:
        return chr(_WINDOWS[code - 0x80])
    if (
        code < 32
        and code not in (9, 10, 12, 13)
        or code == 127
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    ):
        return "\r" if code == 13 else ""
    return chr(code)


def _reference(text, at):
    """(what it stands for, place behind it) of "&" at a place, or None."""
    i, size = at + 1, len(text)
    if text[i : i + 1] == "#":
        hexadecimal = text[i + 1 : i + 2] in ("x", "X")
        i += 2 if hexadecimal else 1
        start, digits = i, "0123456789abcdefABCDEF" if hexadecimal else "0123456789"
        while i < size and text[i] in digits:
            i += 1
        if i == start:
            return None
        return _number(int(text[start:i], 16 if hexadecimal else 10)), i + (text[i : i + 1] == ";")
    if not _table:
        for code, name in enumerate(_LATIN.split()):
            _table[name] = code + 160
        _table.update(_MORE)
    end = i
    while end < size and end < i + 32 and text[end] not in "\t\n\f <&#;":
        end += 1
    if text[end : end + 1] == ";" and text[i:end] in _table:
        return chr(_table[text[i:end]]), end + 1
    while end > i:
        name = text[i:end]
        if name in _table and (name in _PLAIN or 160 <= _table[name] < 256):
            return chr(_table[name]), end
        end -= 1
    return None


def unescape(s):
    at = s.find("&")
    if at < 0:
        return s
    found, start = [], 0
    while at >= 0:
        one = _reference(s, at)
        if one is not None:
            found.append(s[start:at])
            found.append(one[0])
            start = one[1]
        at = s.find("&", max(start, at + 1))
    found.append(s[start:])
    return "".join(found)
