"""One test: what is called for it, in what order, and what of that goes to the result."""

from unittest._asserts import Asserts

# Functions take no attributes here: what the decorators say of one is kept beside it.
_skipped, _expected = {}, set()


class SkipTest(Exception):
    pass


class _Stop(Exception):
    """Ends a test of which a part failed."""


def skip(reason):
    def mark(thing):
        if isinstance(thing, type):
            thing.__unittest_skip__, thing.__unittest_skip_why__ = True, reason
            return thing

        def skipped(*values, **named):
            raise SkipTest(reason)

        _skipped[skipped] = reason
        return skipped

    if callable(reason):
        thing, reason = reason, ""
        return mark(thing)
    return mark


def _as_it_is(thing):
    return thing


def skipIf(condition, reason):
    return skip(reason) if condition else _as_it_is


def skipUnless(condition, reason):
    return _as_it_is if condition else skip(reason)


def expectedFailure(test_item):
    if isinstance(test_item, type):
        test_item.__unittest_expecting_failure__ = True
    else:
        _expected.add(test_item)
    return test_item


def class_name(kind):
    module = getattr(kind, "__module__", "__main__")
    return module + "." + getattr(kind, "__qualname__", kind.__name__)


class TestCase(Asserts):
    def __init__(self, methodName="runTest"):
        if methodName != "runTest" and not hasattr(self, methodName):
            raise ValueError(f"no such test method in {type(self)}: {methodName}")
        self._testMethodName, self._testMethodDoc = methodName, None
        self._cleanups, self._subtest, self._equalities = [], None, {}

    def setUp(self):
        pass

    def tearDown(self):
        pass

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def countTestCases(self):
        return 1

    def defaultTestResult(self):
        from unittest._result import TestResult

        return TestResult()

    def shortDescription(self):
        return None

    def id(self):
        return class_name(type(self)) + "." + self._testMethodName

    def __str__(self):
        return f"{self._testMethodName} ({self.id()})"

    def __repr__(self):
        return f"<{class_name(type(self))} testMethod={self._testMethodName}>"

    def __eq__(self, other):
        if type(self) is not type(other):
            return NotImplemented
        return self._testMethodName == other._testMethodName

    def __hash__(self):
        return hash((type(self), self._testMethodName))

    def addCleanup(self, function, *args, **kwargs):
        self._cleanups.append((function, args, kwargs))

    def enterContext(self, cm):
        value = cm.__enter__()
        self.addCleanup(cm.__exit__, None, None, None)
        return value

    @classmethod
    def addClassCleanup(cls, function, *args, **kwargs):
        if "_class_cleanups" not in cls.__dict__:
            cls._class_cleanups = []
        cls._class_cleanups.append((function, args, kwargs))

    @classmethod
    def doClassCleanups(cls):
        """What went wrong is left in tearDown_exceptions, as exceptions."""
        left, cls.tearDown_exceptions = cls.__dict__.get("_class_cleanups", []), []
        while left:
            function, values, named = left.pop()
            try:
                function(*values, **named)
            except Exception as error:
                cls.tearDown_exceptions.append(error)

    def skipTest(self, reason):
        raise SkipTest(reason)

    def subTest(self, msg=None, **params):
        return _Part(self, msg, params)

    def __call__(self, *values, **named):
        return self.run(*values, **named)

    def _call(self, function, *values, **named):
        function(*values, **named)

    def _try(self, function, *values, **named):
        """Whether it went well; what went wrong is told to the result."""
        try:
            self._call(function, *values, **named)
        except _Stop:
            return False
        except SkipTest as why:
            self._fine = False
            self._result.addSkip(self, str(why))
        except Exception as error:
            self._note(self, error)
        else:
            return True
        return False

    def _note(self, test, error):
        self._fine = False
        if self._expects:
            self._surprise = self._surprise or error
        elif test is not self:
            self._result.addSubTest(self, test, error)
        elif isinstance(error, self.failureException):
            self._result.addFailure(self, error)
        else:
            self._result.addError(self, error)

    def doCleanups(self):
        while self._cleanups:
            function, values, named = self._cleanups.pop()
            self._try(function, *values, **named)

    def run(self, result=None):
        alone = result is None
        if alone:
            result = self.defaultTestResult()
            result.startTestRun()
        result.startTest(self)
        try:
            self._run(result)
        finally:
            result.stopTest(self)
            if alone:
                result.stopTestRun()
        return result

    def _run(self, result):
        kind, function = type(self), getattr(type(self), self._testMethodName)
        why = _skipped.get(function)
        if getattr(kind, "__unittest_skip__", False):
            why = kind.__unittest_skip_why__ or why or ""
        if why is not None:
            result.addSkip(self, why)
            return
        self._result, self._fine, self._surprise, self._subtest = result, True, None, None
        self._expects = function in _expected or getattr(kind, "__unittest_expecting_failure__", False)
        if self._try(self.setUp):
            self._try(getattr(self, self._testMethodName))
            self._try(self.tearDown)
        self.doCleanups()
        if self._expects and (self._fine or self._surprise):
            if self._surprise:
                result.addExpectedFailure(self, self._surprise)
            else:
                result.addUnexpectedSuccess(self)
        elif self._fine:
            result.addSuccess(self)

    def debug(self):
        self.setUp()
        getattr(self, self._testMethodName)()
        self.tearDown()
        while self._cleanups:
            function, values, named = self._cleanups.pop()
            function(*values, **named)


class _Part:
    """A subTest: the failing body goes to the result, and the test goes on."""

    def __init__(self, case, message, named):
        self._case, self._message, self._outer = case, message, None
        self._named = named
        self.failureException = case.failureException

    def __enter__(self):
        self._outer = self._case._subtest
        if self._outer is not None:
            outer = self._outer._named
            for name in outer:
                self._named.setdefault(name, outer[name])
        self._case._subtest = self

    def __exit__(self, kind, error, trace):
        case = self._case
        case._subtest = self._outer
        if kind is None:
            case._result.addSubTest(case, self, None)
            return False
        if not issubclass(kind, Exception):
            return False
        if issubclass(kind, SkipTest):
            case._fine = False
            case._result.addSkip(self, str(error))
            return True
        case._note(self, error)
        if case._result.failfast:
            raise _Stop()
        return True

    def _words(self):
        words = [] if self._message is None else [f"[{self._message}]"]
        if self._named:
            words.append(
                "({})".format(", ".join([f"{name}={value!r}" for name, value in self._named.items()]))
            )
        return " ".join(words) or "(<subtest>)"

    def id(self):
        return f"{self._case.id()} {self._words()}"

    def shortDescription(self):
        return None

    def __str__(self):
        return f"{self._case} {self._words()}"


class FunctionTestCase(TestCase):
    """A test made of functions."""

    def __init__(self, testFunc, setUp=None, tearDown=None, description=None):
        TestCase.__init__(self)
        self._test, self._before, self._after, self._description = testFunc, setUp, tearDown, description

    def setUp(self):
        if self._before is not None:
            self._before()

    def tearDown(self):
        if self._after is not None:
            self._after()

    def runTest(self):
        self._test()

    def id(self):
        return self._test.__name__

    def __str__(self):
        return f"{class_name(type(self))} ({self._test.__name__})"

    def shortDescription(self):
        return self._description


class IsolatedAsyncioTestCase(TestCase):
    """Its test methods, asyncSetUp, asyncTearDown and what addAsyncCleanup adds may be coroutines."""

    async def asyncSetUp(self):
        pass

    async def asyncTearDown(self):
        pass

    def addAsyncCleanup(self, func, *args, **kwargs):
        self.addCleanup(func, *args, **kwargs)

    async def enterAsyncContext(self, cm):
        value = await cm.__aenter__()
        self.addCleanup(cm.__aexit__, None, None, None)
        return value

    def _call(self, function, *values, **named):
        if function == self.tearDown:
            self._loop.run_until_complete(self.asyncTearDown())
        made = function(*values, **named)
        if hasattr(made, "send"):
            self._loop.run_until_complete(made)
        if function == self.setUp:
            self._loop.run_until_complete(self.asyncSetUp())

    def _run(self, result):
        import asyncio

        self._loop = asyncio.new_event_loop()
        TestCase._run(self, result)
        self._loop.close()
