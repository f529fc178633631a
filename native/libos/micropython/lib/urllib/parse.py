"""urllib.parse: quote, unquote, urlencode, parse_qs, urlsplit, urlparse, urljoin, urldefrag and their kin.

Lacks: bytes as URLs, encodings but UTF-8 in unquote().
"""

from collections import namedtuple

_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
_RELATIVE = (
    "",
    "ftp",
    "http",
    "gopher",
    "nntp",
    "imap",
    "wais",
    "file",
    "https",
    "shttp",
    "mms",
    "prospero",
    "rtsp",
    "rtspu",
    "sftp",
    "svn",
    "svn+ssh",
    "ws",
    "wss",
)
_PARAMS = (
    "",
    "ftp",
    "hdl",
    "prospero",
    "http",
    "imap",
    "https",
    "shttp",
    "rtsp",
    "rtspu",
    "sip",
    "sips",
    "mms",
    "sftp",
    "tel",
)


def quote_from_bytes(bs, safe="/"):
    if isinstance(bs, str):
        raise TypeError("quote_from_bytes() expected bytes")
    kept = _SAFE + (safe.encode() if isinstance(safe, str) else safe)
    return "".join([chr(byte) if byte in kept else f"%{byte:02X}" for byte in bs])


def quote(string, safe="/", encoding=None, errors=None):
    return quote_from_bytes(string.encode() if isinstance(string, str) else string, safe)


def quote_plus(string, safe="", encoding=None, errors=None):
    if isinstance(string, str):
        return quote(string, safe + " ").replace(" ", "+")
    return quote(string, safe + " ").replace(" ", "+")


def _hex(letters):
    try:
        return (
            int(str(letters, "ascii"), 16)
            if len(letters) == 2
            and letters.isalpha()
            or letters.isdigit()
            or all(chr(byte) in "0123456789abcdefABCDEF" for byte in letters)
            and len(letters) == 2
            else -1
        )
    except ValueError:
        return -1


def unquote_to_bytes(string):
    data = string.encode() if isinstance(string, str) else string
    parts = data.split(b"%")
    found = [parts[0]]
    for part in parts[1:]:
        value = _hex(part[:2]) if len(part) >= 2 else -1
        found.append(b"%" + part if value < 0 else bytes([value]) + part[2:])
    return b"".join(found)


def unquote(string, encoding="utf-8", errors="replace"):
    if "%" not in string:
        return string
    data = unquote_to_bytes(string)
    try:
        return data.decode()
    except UnicodeError:
        from _text import decoded

        return decoded(data, "utf-8", errors or "replace")


def unquote_plus(string, encoding="utf-8", errors="replace"):
    return unquote(string.replace("+", " "), encoding, errors)


def urlencode(query, doseq=False, safe="", encoding=None, errors=None, quote_via=quote_plus):
    parts = []
    for name, value in query.items() if hasattr(query, "items") else query:
        name = quote_via(name if isinstance(name, (str, bytes)) else str(name), safe)
        many = (
            doseq
            and not isinstance(value, (str, bytes))
            and hasattr(value, "__len__")
            or (doseq and isinstance(value, (list, tuple, set, dict)))
        )
        for one in value if many else (value,):
            parts.append(name + "=" + quote_via(one if isinstance(one, (str, bytes)) else str(one), safe))
    return "&".join(parts)


def parse_qsl(
    qs,
    keep_blank_values=False,
    strict_parsing=False,
    encoding="utf-8",
    errors="replace",
    max_num_fields=None,
    separator="&",
):
    found = []
    if not qs:
        return found
    if max_num_fields is not None and max_num_fields < 1 + qs.count(separator):
        raise ValueError("Max number of fields exceeded")
    for pair in qs.split(separator):
        if not pair and not strict_parsing:
            continue
        at = pair.find("=")
        if at < 0 and strict_parsing:
            raise ValueError(f"bad query field: {pair!r}")
        name, value = (pair, "") if at < 0 else (pair[:at], pair[at + 1 :])
        if value or keep_blank_values:
            found.append((unquote_plus(name, encoding, errors), unquote_plus(value, encoding, errors)))
    return found


def parse_qs(
    qs,
    keep_blank_values=False,
    strict_parsing=False,
    encoding="utf-8",
    errors="replace",
    max_num_fields=None,
    separator="&",
):
    found = {}
    for name, value in parse_qsl(
        qs, keep_blank_values, strict_parsing, encoding, errors, max_num_fields, separator
    ):
        found.setdefault(name, []).append(value)
    return found


class _Place:
    """What netloc says."""

    def _host(self):
        place = self.netloc[self.netloc.rfind("@") + 1 :]
        if place.startswith("["):
            end = place.find("]")
            return place[1:end], place[end + 2 :]
        at = place.find(":")
        return (place, "") if at < 0 else (place[:at], place[at + 1 :])

    def _user(self):
        at = self.netloc.rfind("@")
        if at < 0:
            return None, None
        name = self.netloc[:at]
        at = name.find(":")
        return (name, None) if at < 0 else (name[:at], name[at + 1 :])

    @property
    def hostname(self):
        return self._host()[0].lower() or None

    @property
    def port(self):
        port = self._host()[1]
        if not port:
            return None
        if not port.isdigit():
            raise ValueError(f"Port could not be cast to integer value as {port!r}")
        if int(port) > 65535:
            raise ValueError("Port out of range 0-65535")
        return int(port)

    @property
    def username(self):
        return self._user()[0]

    @property
    def password(self):
        return self._user()[1]

    def _replace(self, **changes):
        return type(self)(*[changes.get(name, getattr(self, name)) for name in self._names])

    def __repr__(self):
        return type(self).__name__ + "(" + ", ".join([f"{n}={getattr(self, n)!r}" for n in self._names]) + ")"


_SPLIT = ("scheme", "netloc", "path", "query", "fragment")
_PARSED = ("scheme", "netloc", "path", "params", "query", "fragment")


class SplitResult(_Place, namedtuple("SplitResult", _SPLIT)):
    _names = _SPLIT

    def geturl(self):
        return urlunsplit(self)


class ParseResult(_Place, namedtuple("ParseResult", _PARSED)):
    _names = _PARSED

    def geturl(self):
        return urlunparse(self)


class DefragResult(_Place, namedtuple("DefragResult", ("url", "fragment"))):
    _names = ("url", "fragment")

    def geturl(self):
        return self.url + ("#" + self.fragment if self.fragment else "")


def urlsplit(url, scheme="", allow_fragments=True):
    url = url.lstrip(" \t\n\r\f\v\0")
    for letter in "\t\r\n":
        url = url.replace(letter, "")
    scheme = scheme.strip()
    place = query = fragment = ""
    at = url.find(":")
    if (
        at > 0
        and "a" <= url[0].lower() <= "z"
        and all(
            "a" <= letter <= "z" or "0" <= letter <= "9" or letter in "+-." for letter in url[:at].lower()
        )
    ):
        scheme, url = url[:at].lower(), url[at + 1 :]
    if url[:2] == "//":
        end = min([found for found in (url.find(mark, 2) for mark in "/?#") if found >= 0] or [len(url)])
        place, url = url[2:end], url[end:]
        if ("[" in place) != ("]" in place):
            raise ValueError("Invalid IPv6 URL")
    if allow_fragments and "#" in url:
        url, fragment = url.split("#", 1)
    if "?" in url:
        url, query = url.split("?", 1)
    return SplitResult(scheme, place, url, query, fragment)


def urlparse(url, scheme="", allow_fragments=True):
    scheme, place, path, query, fragment = urlsplit(url, scheme, allow_fragments)
    params = ""
    if scheme in _PARAMS and ";" in path:
        at = path.find(";", path.rfind("/") + 1)
        if at >= 0:
            path, params = path[:at], path[at + 1 :]
    return ParseResult(scheme, place, path, params, query, fragment)


def urlunsplit(components):
    scheme, place, url, query, fragment = components
    if place or (scheme and scheme in _RELATIVE and url[:2] != "//"):
        if url and url[:1] != "/":
            url = "/" + url
        url = "//" + (place or "") + url
    if scheme:
        url = scheme + ":" + url
    if query:
        url += "?" + query
    if fragment:
        url += "#" + fragment
    return url


def urlunparse(components):
    scheme, place, url, params, query, fragment = components
    return urlunsplit((scheme, place, url + ";" + params if params else url, query, fragment))


def urljoin(base, url, allow_fragments=True):
    if not base or not url:
        return url or base
    b_scheme, b_place, b_path, b_params, b_query, _ = urlparse(base, "", allow_fragments)
    scheme, place, path, params, query, fragment = urlparse(url, b_scheme, allow_fragments)
    if scheme != b_scheme or scheme not in _RELATIVE:
        return url
    if place:
        return urlunparse((scheme, place, path, params, query, fragment))
    if not path and not params:
        return urlunparse((scheme, b_place, b_path, b_params, query or b_query, fragment))
    base_parts = b_path.split("/")
    if base_parts[-1]:
        base_parts.pop()
    if path[:1] == "/":
        parts = path.split("/")
    else:
        parts = base_parts + path.split("/")
        parts = parts[:1] + [part for part in parts[1:-1] if part] + parts[-1:] if len(parts) > 1 else parts
    found = []
    for part in parts:
        if part == "..":
            if found:
                found.pop()
        elif part != ".":
            found.append(part)
    if parts[-1] in (".", ".."):
        found.append("")
    return urlunparse((scheme, b_place, "/".join(found) or "/", params, query, fragment))


def urldefrag(url):
    if "#" not in url:
        return DefragResult(url, "")
    scheme, place, path, params, query, fragment = urlparse(url)
    return DefragResult(urlunparse((scheme, place, path, params, query, "")), fragment)
