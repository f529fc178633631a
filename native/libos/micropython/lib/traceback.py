"""print_exc, format_exc, print_exception, format_exception, format_exception_only.

The text is the interpreter's own traceback. Lacks: chains of exceptions, stack and frame objects, limit.
"""

import sys


def _text(error):
    import io

    out = io.StringIO()
    sys.print_exception(error, out)
    return out.getvalue()


def _error(error, value):
    return value if value is not None else error


def format_exception(error, value=None, tb=None, limit=None, chain=True):
    return _text(_error(error, value)).splitlines(True)


def format_exception_only(error, value=None):
    value = _error(error, value)
    kind, text = type(value), str(value)
    if isinstance(value, KeyError) and len(value.args) == 1:
        text = repr(value.args[0])
    name = kind.__name__
    module = getattr(kind, "__module__", "builtins")
    if module not in ("builtins", "__main__"):
        name = module + "." + name
    return [name + (": " + text if text else "") + "\n"]


def format_exc(limit=None, chain=True):
    error = sys.exc_info()[1]
    return "NoneType: None\n" if error is None else _text(error)


def print_exc(limit=None, file=None, chain=True):
    (file or sys.stderr).write(format_exc())


def print_exception(error, value=None, tb=None, limit=None, file=None, chain=True):
    (file or sys.stderr).write("".join(format_exception(error, value)))
