"""Suites run tests in order, with what their classes and modules set up; loaders find tests and make suites."""  # noqa: E501 - one line of words

import sys
from unittest._case import SkipTest, TestCase, class_name


class _Named:
    """Stands for a class or a module that could not be set up."""

    def __init__(self, words):
        self._words = words

    def id(self):
        return self._words

    def shortDescription(self):
        return None

    def __str__(self):
        return self._words


def _is_suite(test):
    return not hasattr(test, "_testMethodName")


class TestSuite:
    def __init__(self, tests=()):
        self._tests = []
        self.addTests(tests)

    def __iter__(self):
        return iter(self._tests)

    def __repr__(self):
        return f"<unittest.suite.TestSuite tests={self._tests!r}>"

    def __eq__(self, other):
        return self._tests == list(other) if isinstance(other, TestSuite) else NotImplemented

    def countTestCases(self):
        return sum([test.countTestCases() for test in self._tests])

    def addTest(self, test):
        if not callable(test):
            raise TypeError(f"{test!r} is not callable")
        if isinstance(test, type) and issubclass(test, (TestCase, TestSuite)):
            raise TypeError("TestCases and TestSuites must be instantiated before passing them to addTest()")
        self._tests.append(test)

    def addTests(self, tests):
        if isinstance(tests, str):
            raise TypeError("tests must be an iterable of tests, not a string")
        for test in tests:
            self.addTest(test)

    def __call__(self, *values, **named):
        return self.run(*values, **named)

    def run(self, result, debug=False):
        shared = _Shared(result)
        self._run(result, shared)
        shared.leave()
        return result

    def _run(self, result, shared):
        for test in self._tests:
            if result.shouldStop:
                return
            if _is_suite(test):
                if isinstance(test, TestSuite):
                    test._run(result, shared)
                else:
                    test(result)
            elif shared.enter(type(test)):
                test(result)

    def debug(self):
        for test in self._tests:
            test.debug()


class _Shared:
    """The class, and module, whose tests run now."""

    def __init__(self, result):
        self._result, self._kind, self._ready, self._module, self._modules_ok = result, None, True, None, True

    def _try(self, what, name, call):
        try:
            call()
        except SkipTest as why:
            self._result.addSkip(_Named(f"{what} ({name})"), str(why))
        except Exception as error:
            self._result.addError(_Named(f"{what} ({name})"), error)
        else:
            return True
        return False

    def enter(self, kind):
        if kind is self._kind:
            return self._ready
        self._leave_class()
        if self._module is None:
            self._module = __import__("__main__")
            call = getattr(self._module, "setUpModule", None)
            self._modules_ok = call is None or self._try("setUpModule", "__main__", call)
        self._kind, self._ready = kind, self._modules_ok
        if self._ready and not getattr(kind, "__unittest_skip__", False):
            self._ready = self._try("setUpClass", class_name(kind), kind.setUpClass)
            if not self._ready:
                self._clean(kind)
        return self._ready

    def _clean(self, kind):
        kind.doClassCleanups()
        for error in kind.tearDown_exceptions:
            self._result.addError(_Named(f"tearDownClass ({class_name(kind)})"), error)

    def _leave_class(self):
        kind = self._kind
        if kind is not None and self._ready and not getattr(kind, "__unittest_skip__", False):
            self._try("tearDownClass", class_name(kind), kind.tearDownClass)
            self._clean(kind)

    def leave(self):
        self._leave_class()
        call = getattr(self._module, "tearDownModule", None)
        if call is not None and self._modules_ok:
            self._try("tearDownModule", "__main__", call)


def _names(kind, found):
    for base in kind.__bases__:
        if base is not object:
            _names(base, found)
    for name in kind.__dict__:
        if name not in found:
            found.append(name)
    return found


class TestLoader:
    testMethodPrefix = "test"
    suiteClass = TestSuite
    testNamePatterns = None

    def getTestCaseNames(self, testCaseClass):
        prefix, names = self.testMethodPrefix, []
        for name in _names(testCaseClass, []):
            if (
                name.startswith(prefix)
                and callable(getattr(testCaseClass, name))
                and self._wanted(testCaseClass, name)
            ):
                names.append(name)
        return sorted(names)

    def _wanted(self, kind, name):
        if self.testNamePatterns is None:
            return True
        from fnmatch import fnmatchcase

        full = f"{class_name(kind)}.{name}"
        return any([fnmatchcase(full, pattern) for pattern in self.testNamePatterns])

    def loadTestsFromTestCase(self, testCaseClass):
        names = self.getTestCaseNames(testCaseClass)
        if not names and hasattr(testCaseClass, "runTest"):
            names = ["runTest"]
        return self.suiteClass([testCaseClass(name) for name in names])

    def loadTestsFromModule(self, module, pattern=None):
        suites = []
        for name in sorted(dir(module)):
            thing = getattr(module, name)
            if (
                isinstance(thing, type)
                and issubclass(thing, TestCase)
                and thing.__module__ != "unittest._case"
            ):
                suites.append(self.loadTestsFromTestCase(thing))
        return self.suiteClass(suites)

    def loadTestsFromName(self, name, module=None):
        thing, before = module or __import__("__main__"), None
        parts = name.split(".")
        if module is None and parts[0] in ("__main__", *sys.modules):
            thing = __import__(parts.pop(0))
        for part in parts:
            before, thing = thing, getattr(thing, part)
        if isinstance(thing, type) and issubclass(thing, TestCase):
            return self.loadTestsFromTestCase(thing)
        if isinstance(before, type) and issubclass(before, TestCase):
            return self.suiteClass([before(parts[-1])])
        if isinstance(thing, TestSuite):
            return thing
        if isinstance(thing, TestCase):
            return self.suiteClass([thing])
        if callable(thing):
            made = thing()
            return made if isinstance(made, TestSuite) else self.suiteClass([made])
        return self.loadTestsFromModule(thing)

    def loadTestsFromNames(self, names, module=None):
        return self.suiteClass([self.loadTestsFromName(name, module) for name in names])


defaultTestLoader = TestLoader()
