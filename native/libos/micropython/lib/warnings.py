"""warn, simplefilter, filterwarnings, resetwarnings, catch_warnings, showwarning, formatwarning,
warn_explicit.

A message goes to stderr as "FILE:LINE: Category: text"; where it was raised is not known, so the form is
"sys:1: Category: text". Filters match the category and the start of the message. Lacks: modules and lines.
"""

import sys

filters = [
    ("ignore", "", DeprecationWarning),
    ("ignore", "", PendingDeprecationWarning),
    ("ignore", "", ImportWarning),
    ("ignore", "", ResourceWarning),
]
_seen = []


class WarningMessage:
    def __init__(self, message, category, filename, lineno, file=None, line=None, source=None):
        self.message, self.category, self.filename, self.lineno = message, category, filename, lineno
        self.file, self.line, self.source = file, line, source

    def __str__(self):
        return (
            f"{{message : {self.message!r}, category : {self.category.__name__!r}, "
            f"filename : {self.filename!r}, lineno : {self.lineno}, line : {self.line!r}}}"
        )


def simplefilter(action, category=Warning, lineno=0, append=False):
    filterwarnings(action, "", category, "", lineno, append)


def filterwarnings(action, message="", category=Warning, module="", lineno=0, append=False):
    if action not in ("error", "ignore", "always", "default", "module", "once"):
        raise AssertionError(f"invalid action: {action!r}")
    one = (action, message, category)
    if one in filters:
        if append:
            return
        filters.remove(one)
    filters.insert(len(filters) if append else 0, one)
    _seen.clear()


def resetwarnings():
    filters.clear()
    _seen.clear()


def formatwarning(message, category, filename, lineno, line=None):
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def showwarning(message, category, filename, lineno, file=None, line=None):
    (file or sys.stderr).write(formatwarning(message, category, filename, lineno, line))


def _matches(pattern, text):
    pattern = pattern.rstrip("$")
    if pattern.endswith(".*"):
        pattern = pattern[:-2]
    if any([c in pattern for c in "*+?[(|^\\"]):
        import re

        return re.match(pattern, text) is not None
    return text.lower().startswith(pattern.lower())


def warn(message, category=None, stacklevel=1, source=None):
    warn_explicit(message, category, "sys", 1)


def warn_explicit(
    message, category, filename, lineno, module=None, registry=None, module_globals=None, source=None
):
    if isinstance(message, Warning):
        category = type(message)
    category = category or UserWarning
    if not (isinstance(category, type) and issubclass(category, Warning)):
        raise TypeError(f"category must be a Warning subclass, not '{type(category).__name__}'")
    text = str(message)
    if not isinstance(message, Warning):
        message = category(text)
    action = "default"
    for kind, start, wanted in filters:
        if issubclass(category, wanted) and _matches(start, text):
            action = kind
            break
    if action == "error":
        raise message
    if action == "ignore":
        return
    if action != "always":
        if (text, category) in _seen:
            return
        _seen.append((text, category))
    if _records:
        _records[-1].append(WarningMessage(message, category, filename, lineno))
    else:
        showwarning(message, category, filename, lineno)


_records = []


class catch_warnings:
    def __init__(self, *, record=False, module=None, action=None, category=Warning, lineno=0, append=False):
        self._record, self._filter = record, (action, category)

    def __enter__(self):
        self._kept, self._kept_seen = filters[:], _seen[:]
        _seen.clear()
        self._kept_records = _records[:]
        if self._filter[0]:
            simplefilter(*self._filter)
        if self._record:
            _records.append([])
            return _records[-1]
        return None

    def __exit__(self, kind, error, trace):
        filters[:], _seen[:], _records[:] = self._kept, self._kept_seen, self._kept_records
