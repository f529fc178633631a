"""getLogger, basicConfig, Logger, Handler, StreamHandler, Formatter, NullHandler.

Formats as CPython's with the styles % and {. Where a record was made (lineno, filename) is not known: they
are 0 and "". Lacks: style $, FileHandler, LoggerAdapter, logging.config, logging.handlers, filters by
name, threads.
"""

import sys

CRITICAL = FATAL = 50
ERROR = 40
WARNING = WARN = 30
INFO = 20
DEBUG = 10
NOTSET = 0
BASIC_FORMAT = "%(levelname)s:%(name)s:%(message)s"
_names = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO", 10: "DEBUG", 0: "NOTSET"}
raiseExceptions = True


def getLevelName(level):
    if level in _names:
        return _names[level]
    for number, name in _names.items():
        if name == level:
            return number
    return f"Level {level}"


def addLevelName(level, name):
    _names[level] = name


def getLevelNamesMapping():
    return {name: number for number, name in _names.items()}


def _level(level):
    if isinstance(level, int):
        return level
    if not isinstance(level, str):
        raise TypeError(f"Level not an integer or a valid string: {level!r}")
    found = {"WARN": 30, "FATAL": 50}.get(level) or getLevelName(level)
    if not isinstance(found, int):
        raise ValueError(f"Unknown level: {level!r}")
    return found


class LogRecord:
    def __init__(self, name, level, pathname, lineno, msg, args, exc_info, func=None, sinfo=None):
        import _host

        if len(args) == 1 and isinstance(args[0], dict) and args[0]:
            args = args[0]
        self.name, self.levelno, self.levelname = name, level, getLevelName(level)
        self.msg, self.args, self.exc_info, self.exc_text, self.stack_info = msg, args, exc_info, None, sinfo
        self.pathname = self.filename = pathname
        self.module, self.lineno, self.funcName = "", lineno, func
        now = _host.now_ns()
        self.created, self.msecs = now / 1e9, float(now // 1000000 % 1000)
        self.process, self.processName = 1, "MainProcess"
        self.thread, self.threadName = 1, "MainThread"

    def getMessage(self):
        text = str(self.msg)
        return text % self.args if self.args else text

    def __repr__(self):
        return f'<LogRecord: {self.name}, {self.levelno}, {self.pathname}, {self.lineno}, "{self.msg}">'


class Formatter:
    default_time_format = "%Y-%m-%d %H:%M:%S"
    default_msec_format = "%s,%03d"

    def __init__(self, fmt=None, datefmt=None, style="%", validate=True, *, defaults=None):
        if style not in "%{":
            raise ValueError("Style must be one of: %,{")
        self._fmt = fmt or ("%(message)s" if style == "%" else "{message}")
        self.datefmt, self._style, self._defaults = datefmt, style, defaults or {}

    def formatTime(self, record, datefmt=None):
        import time

        when = time.localtime(int(record.created))
        if datefmt:
            return time.strftime(datefmt, when)
        return "%04d-%02d-%02d %02d:%02d:%02d,%03d" % (tuple(when)[:6] + (int(record.msecs),))

    def formatException(self, info):
        import io

        out = io.StringIO()
        sys.print_exception(info[1], out)
        return out.getvalue().rstrip("\n")

    def usesTime(self):
        return "asctime" in self._fmt

    def formatMessage(self, record):
        values = dict(self._defaults)
        values.update(record.__dict__)
        return self._fmt % values if self._style == "%" else self._fmt.format(**values)

    def format(self, record):
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        text = self.formatMessage(record)
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            text += "\n" + record.stack_info
        return text


class Filter:
    def __init__(self, name=""):
        self.name = name

    def filter(self, record):
        return not self.name or record.name == self.name or record.name.startswith(self.name + ".")


class _Filtered:
    def addFilter(self, one):
        if one not in self.filters:
            self.filters.append(one)

    def removeFilter(self, one):
        if one in self.filters:
            self.filters.remove(one)

    def filter(self, record):
        for one in self.filters:
            if not (one.filter(record) if hasattr(one, "filter") else one(record)):
                return False
        return True


class Handler(_Filtered):
    def __init__(self, level=NOTSET):
        self.level, self.formatter, self.filters, self.name = _level(level), None, [], None

    def setLevel(self, level):
        self.level = _level(level)

    def setFormatter(self, formatter):
        self.formatter = formatter

    def format(self, record):
        return (self.formatter or Formatter()).format(record)

    def handle(self, record):
        kept = self.filter(record)
        if kept:
            self.emit(record)
        return kept

    def emit(self, record):
        raise NotImplementedError("emit must be implemented by Handler subclasses")

    def flush(self):
        pass

    def close(self):
        pass


class StreamHandler(Handler):
    terminator = "\n"

    def __init__(self, stream=None):
        Handler.__init__(self)
        self._stream = stream

    @property
    def stream(self):
        return self._stream or sys.stderr

    def setStream(self, stream):
        self._stream = stream

    def emit(self, record):
        self.stream.write(self.format(record) + self.terminator)


class NullHandler(Handler):
    def emit(self, record):
        pass


class Logger(_Filtered):
    def __init__(self, name, level=NOTSET):
        self.name, self.level, self.parent, self.propagate = name, _level(level), None, True
        self.handlers, self.filters, self.disabled = [], [], False

    def __repr__(self):
        return f"<{type(self).__name__} {self.name} ({getLevelName(self.getEffectiveLevel())})>"

    def setLevel(self, level):
        self.level = _level(level)

    def addHandler(self, handler):
        if handler not in self.handlers:
            self.handlers.append(handler)

    def removeHandler(self, handler):
        if handler in self.handlers:
            self.handlers.remove(handler)

    def hasHandlers(self):
        return bool(self.handlers) or self.propagate and self.parent is not None and self.parent.hasHandlers()

    def getEffectiveLevel(self):
        one = self
        while one is not None:
            if one.level:
                return one.level
            one = one.parent
        return NOTSET

    def isEnabledFor(self, level):
        return not self.disabled and level > _disabled[0] and level >= self.getEffectiveLevel()

    def getChild(self, suffix):
        return getLogger(suffix if self is root else self.name + "." + suffix)

    def handle(self, record):
        if self.disabled or not self.filter(record):
            return
        found, one = False, self
        while one is not None:
            for handler in one.handlers:
                found = True
                if record.levelno >= handler.level:
                    handler.handle(record)
            one = one.parent if one.propagate else None
        if not found and record.levelno >= WARNING:
            sys.stderr.write(Formatter().format(record) + "\n")

    def _log(self, level, msg, args, exc_info=None, extra=None, stack_info=False, stacklevel=1):
        if exc_info:
            if isinstance(exc_info, BaseException):
                exc_info = (type(exc_info), exc_info, None)
            elif not isinstance(exc_info, tuple):
                exc_info = sys.exc_info()
        record = LogRecord(self.name, level, "", 0, msg, args, exc_info)
        for name, value in (extra or {}).items():
            if name in ("message", "asctime") or hasattr(record, name):
                raise KeyError(f"Attempt to overwrite {name!r} in LogRecord")
            setattr(record, name, value)
        self.handle(record)

    def log(self, level, msg, *args, **named):
        if self.isEnabledFor(level):
            self._log(level, msg, args, **named)

    def debug(self, msg, *args, **named):
        self.log(DEBUG, msg, *args, **named)

    def info(self, msg, *args, **named):
        self.log(INFO, msg, *args, **named)

    def warning(self, msg, *args, **named):
        self.log(WARNING, msg, *args, **named)

    warn = warning

    def error(self, msg, *args, **named):
        self.log(ERROR, msg, *args, **named)

    def critical(self, msg, *args, **named):
        self.log(CRITICAL, msg, *args, **named)

    fatal = critical

    def exception(self, msg, *args, exc_info=True, **named):
        self.log(ERROR, msg, *args, exc_info=exc_info, **named)


root = Logger("root", WARNING)
_loggers, _disabled = {}, [0]


def getLogger(name=None):
    if not name or name == "root":
        return root
    if name not in _loggers:
        made = _loggers[name] = Logger(name)
        made.parent = root
        for other in sorted(_loggers, key=len):
            if name.startswith(other + "."):
                made.parent = _loggers[other]
        for other, one in _loggers.items():
            if other.startswith(name + ".") and len(one.parent.name if one.parent is not root else "") < len(
                name
            ):
                one.parent = made
    return _loggers[name]


def basicConfig(*, level=None, format=None, datefmt=None, style="%", stream=None, handlers=None, force=False):
    if force:
        root.handlers = []
    if root.handlers:
        return
    default = BASIC_FORMAT if style == "%" else "{levelname}:{name}:{message}"
    formatter = Formatter(format or default, datefmt, style)
    for handler in handlers or [StreamHandler(stream)]:
        if handler.formatter is None:
            handler.setFormatter(formatter)
        root.addHandler(handler)
    if level is not None:
        root.setLevel(level)


def disable(level=CRITICAL):
    _disabled[0] = _level(level)


def _to_root(method):
    def run(*values, **named):
        if not root.handlers:
            basicConfig()
        getattr(root, method)(*values, **named)

    return run


debug, info, warning, error, critical, exception, log = [
    _to_root(method) for method in "debug info warning error critical exception log".split()
]
warn, fatal = warning, critical


def shutdown():
    pass
