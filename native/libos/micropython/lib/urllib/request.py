"""urllib.request: urlopen, Request, quote and unquote; the host asks, for what was granted with
--allow-http.

Lacks: openers and handlers, proxies, cookies; `timeout` is the run's. Headers of an answer are in lower
case.
"""

from io import BytesIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit  # noqa: F401 - names of this module


class Headers:
    """Names (of any case) and values."""

    def __init__(self, values):
        self._values = values

    def get(self, name, failobj=None):
        return self._values.get(name.lower(), failobj)

    def __getitem__(self, name):
        return self.get(name)

    def __contains__(self, name):
        return name.lower() in self._values

    def __len__(self):
        return len(self._values)

    def __iter__(self):
        return iter(self._values)

    def keys(self):
        return list(self._values.keys())

    def values(self):
        return list(self._values.values())

    def items(self):
        return list(self._values.items())

    def get_all(self, name, failobj=None):
        found = self.get(name)
        return failobj if found is None else [found]

    def get_content_type(self):
        return self.get("content-type", "text/plain").split(";")[0].strip().lower()

    def get_content_charset(self, failobj=None):
        for part in self.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                return value.strip("\"'").lower()
        return failobj


class Request:
    """What to ask: url, data (bytes), headers, method."""

    def __init__(self, url, data=None, headers={}, origin_req_host=None, unverifiable=False, method=None):
        if not urlsplit(url).scheme:
            raise ValueError(f"unknown url type: {url!r}")
        self.full_url, self.data, self.headers = url, data, {}
        self.method = method
        split = urlsplit(url)
        self.type, self.host = split.scheme, split.netloc
        self.selector = (split.path or "/") + ("?" + split.query if split.query else "")
        for name, value in headers.items():
            self.add_header(name, value)

    def get_method(self):
        return self.method or ("POST" if self.data is not None else "GET")

    def get_full_url(self):
        return self.full_url

    def add_header(self, key, val):
        self.headers[key[:1].upper() + key[1:].lower()] = val

    def has_header(self, header_name):
        return header_name in self.headers

    def get_header(self, header_name, default=None):
        return self.headers.get(header_name, default)

    def header_items(self):
        return list(self.headers.items())


class Response(BytesIO):
    """An answer, read as a file of bytes."""

    def __init__(self, url, status, headers, content):
        BytesIO.__init__(self, content)
        self.url, self.status, self.code, self.headers = url, status, status, headers
        self.msg = self.reason = _phrase(status)

    def getcode(self):
        return self.status

    def geturl(self):
        return self.url

    def info(self):
        return self.headers

    def getheader(self, name, default=None):
        return self.headers.get(name, default)

    def getheaders(self):
        return self.headers.items()


def _phrase(status):
    from http import _CODES

    return _CODES[status][1] if status in _CODES else ""


def urlopen(url, data=None, timeout=None, *, cafile=None, capath=None, cadefault=False, context=None):
    """Ask. Raises HTTPError for 400 and above, URLError where the host could not be asked."""
    import host

    request = Request(url) if isinstance(url, str) else url
    if data is not None:
        request.data = data
    body = request.data
    if isinstance(body, str):
        raise TypeError(
            "POST data should be bytes, an iterable of bytes, or a file object. It cannot be of type str."
        )
    if request.type not in ("http", "https"):
        raise URLError(f"unknown url type: {request.type}")
    headers = dict(request.headers)
    if body is not None:
        if hasattr(body, "read"):
            body = body.read()
        elif not isinstance(body, (bytes, bytearray, memoryview)):
            body = b"".join(body)
        if "Content-type" not in headers:
            headers["Content-type"] = "application/x-www-form-urlencoded"
    try:
        told = host.http(request.get_method(), request.full_url, headers=headers, body=body)
    except host.HostError as error:
        text = str(error)
        if error.kind == "PermissionError" or "not granted" in text or "no function" in text:
            text += f" (grant it with --allow-http {request.host})"
        raise URLError(text)
    except OSError as error:
        raise URLError(f"{error} (grant it with --allow-http {request.host})")
    answer = Response(request.full_url, told.status, Headers(told.headers), told.content)
    if told.status >= 400:
        raise HTTPError(request.full_url, told.status, answer.msg, answer.headers, answer)
    return answer
