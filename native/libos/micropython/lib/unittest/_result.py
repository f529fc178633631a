"""What became of tests, and the words in which that is written."""

import sys
import time
from unittest._case import class_name


def _trace(error):
    """The traceback as text, without the calls of this package."""
    import traceback

    lines, ours, text = traceback.format_exception(error), False, ""
    for line in lines:
        if line.startswith("  File "):
            ours = "unittest/_" in line.split('"')[1]
        elif not line.startswith("    "):
            ours = False
        if not ours:
            text += line
    return text


class TestResult:
    """`errors`, `failures`, `expectedFailures` hold (test, traceback), `skipped` (test, reason)."""

    failfast = tb_locals = buffer = False

    def __init__(self, stream=None, descriptions=None, verbosity=None):
        self.errors, self.failures, self.skipped = [], [], []
        self.expectedFailures, self.unexpectedSuccesses = [], []
        self.testsRun, self.shouldStop = 0, False

    def startTestRun(self):
        pass

    stopTestRun = printErrors = startTestRun

    def startTest(self, test):
        self.testsRun += 1

    def stopTest(self, test):
        pass

    def _bad(self, kept, test, error):
        kept.append((test, _trace(error[1] if isinstance(error, tuple) else error)))
        if self.failfast:
            self.stop()

    def addError(self, test, err):
        self._bad(self.errors, test, err)

    def addFailure(self, test, err):
        self._bad(self.failures, test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._bad(self.failures if isinstance(err, test.failureException) else self.errors, subtest, err)

    def addSuccess(self, test):
        pass

    def addSkip(self, test, reason):
        self.skipped.append((test, reason))

    def addExpectedFailure(self, test, err):
        self.expectedFailures.append((test, _trace(err)))

    def addUnexpectedSuccess(self, test):
        self.unexpectedSuccesses.append(test)
        if self.failfast:
            self.stop()

    def wasSuccessful(self):
        return not (self.failures or self.errors or self.unexpectedSuccesses)

    def stop(self):
        self.shouldStop = True

    def __repr__(self):
        return (
            f"<{class_name(type(self)).replace('._result.', '.result.' if type(self) is TestResult else '.runner.')} "  # noqa: E501 - one line of words
            f"run={self.testsRun} errors={len(self.errors)} failures={len(self.failures)}>"
        )


class _Stream:
    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        self.stream.write(text)

    def writeln(self, text=""):
        self.stream.write(text + "\n")

    def flush(self):
        if hasattr(self.stream, "flush"):
            self.stream.flush()


class TextTestResult(TestResult):
    separator1, separator2 = "=" * 70, "-" * 70

    def __init__(self, stream, descriptions, verbosity):
        TestResult.__init__(self)
        self.stream = stream if hasattr(stream, "writeln") else _Stream(stream)
        self.descriptions, self.showAll, self.dots = descriptions, verbosity > 1, verbosity == 1
        self._fresh_line = True

    def getDescription(self, test):
        more = test.shortDescription()
        return f"{test}\n{more}" if self.descriptions and more else str(test)

    def startTest(self, test):
        TestResult.startTest(self, test)
        if self.showAll:
            self.stream.write(self.getDescription(test) + " ... ")
            self._fresh_line = False

    def _say(self, test, dot, word):
        if self.showAll:
            part = not hasattr(test, "_testMethodName") and hasattr(test, "_case")
            if part or self._fresh_line:
                if not self._fresh_line:
                    self.stream.writeln()
                self.stream.write(f"{'  ' if part else ''}{self.getDescription(test)} ... ")
            self.stream.writeln(word)
            self._fresh_line = True
        elif self.dots:
            self.stream.write(dot)
        self.stream.flush()

    def addSuccess(self, test):
        TestResult.addSuccess(self, test)
        self._say(test, ".", "ok")

    def addError(self, test, err):
        TestResult.addError(self, test, err)
        self._say(test, "E", "ERROR")

    def addFailure(self, test, err):
        TestResult.addFailure(self, test, err)
        self._say(test, "F", "FAIL")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = isinstance(err, test.failureException)
            self._say(subtest, "F" if failed else "E", "FAIL" if failed else "ERROR")
        TestResult.addSubTest(self, test, subtest, err)

    def addSkip(self, test, reason):
        TestResult.addSkip(self, test, reason)
        self._say(test, "s", f"skipped {reason!r}")

    def addExpectedFailure(self, test, err):
        TestResult.addExpectedFailure(self, test, err)
        self._say(test, "x", "expected failure")

    def addUnexpectedSuccess(self, test):
        TestResult.addUnexpectedSuccess(self, test)
        self._say(test, "u", "unexpected success")

    def printErrors(self):
        if self.dots or self.showAll:
            self.stream.writeln()
        self.printErrorList("ERROR", self.errors)
        self.printErrorList("FAIL", self.failures)
        if self.unexpectedSuccesses:
            self.stream.writeln(self.separator1)
            for test in self.unexpectedSuccesses:
                self.stream.writeln(f"UNEXPECTED SUCCESS: {self.getDescription(test)}")
        self.stream.flush()

    def printErrorList(self, flavour, errors):
        for test, text in errors:
            self.stream.writeln(self.separator1)
            self.stream.writeln(f"{flavour}: {self.getDescription(test)}")
            self.stream.writeln(self.separator2)
            self.stream.writeln(text)


class TextTestRunner:
    """Runs a test or suite and writes what became of it; returns the result."""

    resultclass = TextTestResult

    def __init__(
        self,
        stream=None,
        descriptions=True,
        verbosity=1,
        failfast=False,
        buffer=False,
        resultclass=None,
        warnings=None,
        *,
        tb_locals=False,
    ):
        self.stream = _Stream(sys.stderr if stream is None else stream)
        self.descriptions, self.verbosity, self.failfast = descriptions, verbosity, failfast
        self.resultclass = resultclass or self.resultclass

    def _makeResult(self):
        return self.resultclass(self.stream, self.descriptions, self.verbosity)

    def run(self, test):
        result = self._makeResult()
        result.failfast = self.failfast
        start = time.perf_counter()
        result.startTestRun()
        test(result)
        result.stopTestRun()
        took = time.perf_counter() - start
        result.printErrors()
        write, run = self.stream.writeln, result.testsRun
        if hasattr(result, "separator2"):
            write(result.separator2)
        write(f"Ran {run} test{'' if run == 1 else 's'} in {took:.3f}s\n")
        counts = [
            ("failures", result.failures),
            ("errors", result.errors),
            ("skipped", result.skipped),
            ("expected failures", result.expectedFailures),
            ("unexpected successes", result.unexpectedSuccesses),
        ]
        words = ", ".join([f"{word}={len(kept)}" for word, kept in counts if kept])
        write(("OK" if result.wasSuccessful() else "FAILED") + (f" ({words})" if words else ""))
        self.stream.flush()
        return result
