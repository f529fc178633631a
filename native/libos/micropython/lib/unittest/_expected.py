"""What a `with self.assert...():` expects of its body: an exception, a warning, messages of a logger, or
none.
"""


class _Context:
    msg = name = None

    def __init__(self, case):
        self._case = case

    def _fail(self, standard):
        raise self._case.failureException(self._case._formatMessage(self.msg, standard))

    def _fail_missing(self, what):
        wanted = getattr(self.expected, "__name__", None) or str(self.expected)
        self._fail(f"{wanted} {what} by {self.name}" if self.name else f"{wanted} {what}")


class _Kinds(_Context):
    def __init__(self, case, expected, pattern=None):
        _Context.__init__(self, case)
        self.expected, self._pattern = expected, pattern
        if pattern is not None:
            import re

            self._pattern = re.compile(pattern) if isinstance(pattern, (str, bytes)) else pattern
        for kind in expected if isinstance(expected, tuple) else (expected,):
            if not (isinstance(kind, type) and issubclass(kind, self._base)):
                raise TypeError(self._refusal)

    def _differs(self, error):
        return self._pattern is not None and not self._pattern.search(str(error))

    def _fail_text(self, error):
        self._fail(f'"{self._pattern.pattern}" does not match "{error}"')


class Raised(_Kinds):
    _base = BaseException
    _refusal = "assertRaises() arg 1 must be an exception type or tuple of exception types"

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self._fail_missing("not raised")
        if not issubclass(kind, self.expected):
            return False
        self.exception = error
        if self._differs(error):
            self._fail_text(error)
        return True


class Warned(_Kinds):
    _base = Warning
    _refusal = "assertWarns() arg 1 must be a warning type or tuple of warning types"

    def __enter__(self):
        import warnings

        self._catch = warnings.catch_warnings(record=True)
        self.warnings = self._catch.__enter__()
        warnings.simplefilter("always", self.expected)
        return self

    def __exit__(self, kind, error, trace):
        self._catch.__exit__(kind, error, trace)
        if kind is not None:
            return
        first = None
        for record in self.warnings:
            if not isinstance(record.message, self.expected):
                continue
            first = first or record.message
            if self._differs(record.message):
                continue
            self.warning, self.filename, self.lineno = record.message, record.filename, record.lineno
            return
        if first is not None:
            self._fail_text(first)
        self._fail_missing("not triggered")


class Logs(_Context):
    """Inside, `records` and `output` are what the logger was told."""

    def __init__(self, case, logger, level):
        import logging

        _Context.__init__(self, case)
        self.logger = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger)
        self.level = logging.INFO if not level else level
        if isinstance(self.level, str):
            self.level = getattr(logging, self.level)

    def __enter__(self):
        import logging

        self.records, self.output = records, output = [], []
        written = logging.Formatter("%(levelname)s:%(name)s:%(message)s")

        class Keep(logging.Handler):
            def emit(self, record):
                records.append(record)
                output.append(written.format(record))

        logger = self.logger
        self._before = logger.handlers[:], logger.level, logger.propagate
        handler = Keep()
        handler.setLevel(self.level)
        logger.handlers = [handler]
        logger.setLevel(self.level)
        logger.propagate = False
        return self

    def __exit__(self, kind, error, trace):
        self.logger.handlers, level, self.logger.propagate = self._before
        self.logger.setLevel(level)
        if kind is None:
            self._judge()

    def _judge(self):
        import logging

        if not self.records:
            level = logging.getLevelName(self.level)
            self._fail(f"no logs of level {level} or higher triggered on {self.logger.name}")


class NoLogs(Logs):
    def __enter__(self):
        Logs.__enter__(self)

    def _judge(self):
        if self.records:
            self._fail(f"Unexpected logs found: {self.output!r}")
