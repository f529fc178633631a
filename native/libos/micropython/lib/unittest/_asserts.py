"""What a TestCase asserts, with CPython's words when it does not hold. Knows nothing of runs and results."""

from unittest._expected import Logs, NoLogs, Raised, Warned

_LONGEST = 80 * 8


_short = repr


def _cut(*values):
    """Texts of values side by side, what is long and alike in them cut out of the middle."""
    texts = [repr(value) for value in values]
    longest = max([len(text) for text in texts])
    if longest <= 80:
        return texts
    size, first = 0, texts[0]
    while size < len(first) and all([text[size : size + 1] == first[size] for text in texts]):
        size += 1
    room = 80 - (longest - size + 17)
    if room > 5:
        return [_middle(first[:size], 5, room) + text[size:] for text in texts]
    return [_middle(first[:size], 5, 5) + _middle(text[size:], 41, 5) for text in texts]


def _middle(text, before, after):
    skipped = len(text) - before - after
    if skipped > 12:
        text = f"{text[:before]}[{skipped} chars]{text[len(text) - after :]}"
    return text


class Asserts:
    failureException = AssertionError
    longMessage = True
    maxDiff = _LONGEST

    def fail(self, msg=None):
        raise self.failureException(msg)

    def _fail(self, msg, standard):
        raise self.failureException(self._formatMessage(msg, standard))

    def _formatMessage(self, msg, standardMsg):
        if not self.longMessage:
            return msg or standardMsg
        return standardMsg if msg is None else f"{standardMsg} : {msg}"

    def _truncateMessage(self, message, diff):
        if self.maxDiff is None or len(diff) <= self.maxDiff:
            return message + diff
        return f"{message}\nDiff is {len(diff)} characters long. Set self.maxDiff to None to see it."

    def addTypeEqualityFunc(self, typeobj, function):
        self._equalities[typeobj] = function

    def assertTrue(self, expr, msg=None):
        if not expr:
            self._fail(msg, f"{_short(expr)} is not true")

    def assertFalse(self, expr, msg=None):
        if expr:
            self._fail(msg, f"{_short(expr)} is not false")

    def assertEqual(self, first, second, msg=None):
        if type(first) is type(second):
            how = self._equalities.get(type(first))
            if how is not None:
                if isinstance(how, str):
                    how = getattr(self, how)
                how(first, second, msg=msg)
                return
            name = _EQUALITIES.get(type(first))
            if name is not None:
                getattr(self, name)(first, second, msg=msg)
                return
        if not first == second:
            self._fail(msg, "{} != {}".format(*_cut(first, second)))

    def assertNotEqual(self, first, second, msg=None):
        if not first != second:
            self._fail(msg, f"{_short(first)} == {_short(second)}")

    def _near(self, first, second, places, delta):
        if delta is not None and places is not None:
            raise TypeError("specify delta or places not both")
        gap = abs(first - second)
        if delta is not None:
            return gap <= delta, f"within {_short(delta)} delta", gap
        places = 7 if places is None else places
        return round(gap, places) == 0, f"within {places!r} places", gap

    def assertAlmostEqual(self, first, second, places=None, msg=None, delta=None):
        if first == second:
            return
        near, how, gap = self._near(first, second, places, delta)
        if not near:
            self._fail(msg, f"{_short(first)} != {_short(second)} {how} ({_short(gap)} difference)")

    def assertNotAlmostEqual(self, first, second, places=None, msg=None, delta=None):
        near, how, gap = self._near(first, second, places, delta)
        if delta is not None:
            if first == second or near:
                self._fail(msg, f"{_short(first)} == {_short(second)} {how} ({_short(gap)} difference)")
        elif first == second or near:
            self._fail(msg, f"{_short(first)} == {_short(second)} {how}")

    def assertIn(self, member, container, msg=None):
        if member not in container:
            self._fail(msg, f"{_short(member)} not found in {_short(container)}")

    def assertNotIn(self, member, container, msg=None):
        if member in container:
            self._fail(msg, f"{_short(member)} unexpectedly found in {_short(container)}")

    def assertIs(self, expr1, expr2, msg=None):
        if expr1 is not expr2:
            self._fail(msg, f"{_short(expr1)} is not {_short(expr2)}")

    def assertIsNot(self, expr1, expr2, msg=None):
        if expr1 is expr2:
            self._fail(msg, f"unexpectedly identical: {_short(expr1)}")

    def assertIsNone(self, obj, msg=None):
        if obj is not None:
            self._fail(msg, f"{_short(obj)} is not None")

    def assertIsNotNone(self, obj, msg=None):
        if obj is None:
            self._fail(msg, "unexpectedly None")

    def assertIsInstance(self, obj, cls, msg=None):
        if not isinstance(obj, cls):
            self._fail(msg, f"{_short(obj)} is not an instance of {cls!r}")

    def assertNotIsInstance(self, obj, cls, msg=None):
        if isinstance(obj, cls):
            self._fail(msg, f"{_short(obj)} is an instance of {cls!r}")

    def assertLess(self, a, b, msg=None):
        if not a < b:
            self._fail(msg, f"{_short(a)} not less than {_short(b)}")

    def assertLessEqual(self, a, b, msg=None):
        if not a <= b:
            self._fail(msg, f"{_short(a)} not less than or equal to {_short(b)}")

    def assertGreater(self, a, b, msg=None):
        if not a > b:
            self._fail(msg, f"{_short(a)} not greater than {_short(b)}")

    def assertGreaterEqual(self, a, b, msg=None):
        if not a >= b:
            self._fail(msg, f"{_short(a)} not greater than or equal to {_short(b)}")

    def assertRegex(self, text, expected_regex, msg=None):
        import re

        if isinstance(expected_regex, (str, bytes)):
            expected_regex = re.compile(expected_regex)
        if not expected_regex.search(text):
            self._fail(msg, f"Regex didn't match: {expected_regex.pattern!r} not found in {text!r}")

    def assertNotRegex(self, text, unexpected_regex, msg=None):
        import re

        if isinstance(unexpected_regex, (str, bytes)):
            unexpected_regex = re.compile(unexpected_regex)
        match = unexpected_regex.search(text)
        if match:
            part = text[match.start() : match.end()]
            self._fail(msg, f"Regex matched: {part!r} matches {unexpected_regex.pattern!r} in {text!r}")

    def _called(self, context, values, named):
        """The context itself, or None once a callable given with it was called in it."""
        if not values:
            context.msg = named.pop("msg", None)
            if named:
                name = next(iter(named))
                raise TypeError(f"{name!r} is an invalid keyword argument for this function")
            return context
        call = values[0]
        context.name = getattr(call, "__name__", None) or str(call)
        with context:
            call(*values[1:], **named)
        return None

    def assertRaises(self, expected_exception, *args, **kwargs):
        return self._called(Raised(self, expected_exception), args, kwargs)

    def assertRaisesRegex(self, expected_exception, expected_regex, *args, **kwargs):
        return self._called(Raised(self, expected_exception, expected_regex), args, kwargs)

    def assertWarns(self, expected_warning, *args, **kwargs):
        return self._called(Warned(self, expected_warning), args, kwargs)

    def assertWarnsRegex(self, expected_warning, expected_regex, *args, **kwargs):
        return self._called(Warned(self, expected_warning, expected_regex), args, kwargs)

    def assertLogs(self, logger=None, level=None):
        return Logs(self, logger, level)

    def assertNoLogs(self, logger=None, level=None):
        return NoLogs(self, logger, level)

    def assertMultiLineEqual(self, first, second, msg=None):
        self.assertIsInstance(first, str, "First argument is not a string")
        self.assertIsInstance(second, str, "Second argument is not a string")
        if first == second:
            return
        if len(first) > 2**16 or len(second) > 2**16:
            self._fail(msg, "{} != {}".format(*_cut(first, second)))
        from unittest._compare import text_difference

        words = "{} != {}".format(*_cut(first, second))
        self._fail(msg, self._truncateMessage(words, text_difference(first, second)))

    def assertSequenceEqual(self, first, second, msg=None, seq_type=None):
        kind = "sequence"
        if seq_type is not None:
            kind = seq_type.__name__
            for which, value in (("First", first), ("Second", second)):
                if not isinstance(value, seq_type):
                    raise self.failureException(f"{which} sequence is not a {kind}: {_short(value)}")
        if first == second:
            return
        from unittest._compare import pretty_difference, sequence_difference

        if seq_type is None and len(first) == len(second) and all([a == b for a, b in zip(first, second)]):
            return
        left, right = _cut(first, second)
        words = f"{kind[0].upper() + kind[1:]}s differ: {left} != {right}\n"
        words += sequence_difference(kind, first, second)
        self._fail(msg, self._truncateMessage(words, pretty_difference(first, second)))

    def assertListEqual(self, first, second, msg=None):
        self.assertSequenceEqual(first, second, msg, list)

    def assertTupleEqual(self, first, second, msg=None):
        self.assertSequenceEqual(first, second, msg, tuple)

    def assertSetEqual(self, first, second, msg=None):
        missing, added = first - second, second - first
        if not (missing or added):
            return
        lines = []
        for found, which in ((missing, "first"), (added, "second")):
            if found:
                lines.append(
                    f"Items in the {which} set but not the {'second' if which == 'first' else 'first'}:"
                )
                lines.extend([repr(item) for item in found])
        self._fail(msg, "\n".join(lines))

    def assertDictEqual(self, first, second, msg=None):
        self.assertIsInstance(first, dict, "First argument is not a dictionary")
        self.assertIsInstance(second, dict, "Second argument is not a dictionary")
        if first != second:
            from unittest._compare import pretty_difference

            words = "{} != {}".format(*_cut(first, second))
            self._fail(msg, self._truncateMessage(words, pretty_difference(first, second)))

    def assertCountEqual(self, first, second, msg=None):
        from unittest._compare import count_difference

        differences = count_difference(list(first), list(second))
        if differences:
            lines = ["Element counts were not equal:"]
            lines.extend(
                [f"First has {here}, Second has {there}:  {item!r}" for here, there, item in differences]
            )
            words = self._truncateMessage(lines[0] + "\n", "\n".join(lines[1:]))
            self._fail(msg, words)


_EQUALITIES = {
    dict: "assertDictEqual",
    list: "assertListEqual",
    tuple: "assertTupleEqual",
    set: "assertSetEqual",
    frozenset: "assertSetEqual",
    str: "assertMultiLineEqual",
}
