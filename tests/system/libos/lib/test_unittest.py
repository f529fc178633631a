"""The guests' unittest against CPython's."""

from __future__ import annotations

from .conftest import Same

# Where the text of a run is compared, times and the lines of tracebacks that name code are left out.
_SHOWN = """
import io, unittest
def show(*cases, **options):
    out = io.StringIO()
    suite = unittest.TestSuite([unittest.defaultTestLoader.loadTestsFromTestCase(case) for case in cases])
    result = unittest.TextTestRunner(out, **options).run(suite)
    for line in out.getvalue().split("\\n"):
        if line.startswith("Ran "):
            line = line[: line.index(" in ")]
        if not line.startswith("    ") and not line.startswith("  File "):
            print(line)
    return result
"""


def test_what_a_runner_writes(same: Same) -> None:
    same(
        _SHOWN
        + """
class A(unittest.TestCase):
    @classmethod
    def setUpClass(cls): print("class up")
    @classmethod
    def tearDownClass(cls): print("class down")
    def setUp(self): print("up", self.id())
    def tearDown(self): print("down")
    def test_good(self): self.assertEqual(1, 1)
    def test_bad(self): self.assertEqual(1, 2, "one is not two")
    def test_error(self): {}["x"]
    def test_parts(self):
        for n in range(4):
            with self.subTest("step", n=n):
                self.assertEqual(n % 2, 0)
        with self.subTest(k=1):
            with self.subTest("in", j=2):
                raise ValueError("inner")
    @unittest.skip("not now")
    def test_skipped(self): print("never")
    def test_leaves(self): self.skipTest("found out")
    @unittest.skipIf(1 < 2, "always")
    def test_if(self): print("never")
    @unittest.skipUnless(1 < 2, "never")
    def test_unless(self): print("runs")
    @unittest.expectedFailure
    def test_fails(self): self.fail("as known")
    @unittest.expectedFailure
    def test_works(self): pass
    def test_cleanup(self):
        self.addCleanup(print, "second")
        self.addCleanup(print, "first", end="!\\n")
        self.assertTrue([])
@unittest.skip("all of it")
class B(unittest.TestCase):
    def test_one(self): pass
class C(A):
    def setUp(self): raise OSError("no")
    def test_more(self): pass
class D(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise ValueError("class")
    def test_one(self): pass
for verbosity in (0, 1, 2):
    result = show(A, B, D, verbosity=verbosity)
    print(result.testsRun, len(result.errors), len(result.failures), len(result.skipped), result.wasSuccessful())
print(show(C, failfast=True), A("test_good"), repr(A("test_bad")), A("test_good") == A("test_good"))
print(show(type("E", (unittest.TestCase,), {"test_x": lambda self: None})))
"""
    )


def test_asserts_and_their_words(same: Same) -> None:
    same(
        r"""
import unittest, logging, warnings
class T(unittest.TestCase):
    maxDiff = None
    def runTest(self): pass
t = T()
def nothing(): pass
def raises(kind=ValueError, text="x"): raise kind(text)
class Odd:
    def __repr__(self): return "odd"
good, bad = [], []
checks = [
    lambda: t.assertEqual(1, 2), lambda: t.assertEqual("abc", "abd"), lambda: t.assertEqual("a\nb\n", "a\nc\n"),
    lambda: t.assertEqual([1, 2, 3], [1, 2]), lambda: t.assertEqual((1,), (2, 3, 4)), lambda: t.assertEqual({1}, {2}),
    lambda: t.assertEqual({"a": 1}, {"a": 2, "b": [1]}), lambda: t.assertEqual([1], (1,)), lambda: t.assertEqual(1, 1.0),
    lambda: t.assertEqual(list(range(60)), list(range(61))), lambda: t.assertEqual("x" * 200 + "a", "x" * 200 + "b"),
    lambda: t.assertEqual("x" * 100 + "a" * 90, "x" * 100 + "b" * 90), lambda: t.assertEqual(b"x", b"y", "bytes"),
    lambda: t.assertNotEqual(1, 1), lambda: t.assertTrue(0), lambda: t.assertFalse("a", "msg"), lambda: t.assertIs(1, 2),
    lambda: t.assertIsNot(t, None), lambda: t.assertIsNone(5), lambda: t.assertIsNotNone(None), lambda: t.assertIn(1, [2]),
    lambda: t.assertNotIn(1, [1]), lambda: t.assertIsInstance(1, str), lambda: t.assertNotIsInstance(1, int),
    lambda: t.assertAlmostEqual(1.1, 1.2), lambda: t.assertAlmostEqual(1, 1.00000001), lambda: t.assertAlmostEqual(1, 2, delta=0.5),
    lambda: t.assertAlmostEqual(1.25, 1.26, places=1), lambda: t.assertNotAlmostEqual(1, 1.00000001),
    lambda: t.assertNotAlmostEqual(1, 1.1, delta=2), lambda: t.assertGreater(1, 2), lambda: t.assertGreaterEqual(1, 2),
    lambda: t.assertLess(2, 1), lambda: t.assertLessEqual(2, 1, "less"), lambda: t.assertRegex("abc", "b+"),
    lambda: t.assertRegex("abc", "x"), lambda: t.assertNotRegex("abc", "b"), lambda: t.assertCountEqual([1, 2, 2], [2, 1]),
    lambda: t.assertCountEqual([[1], [2]], [[2], [1]]), lambda: t.assertCountEqual("ab", "ca"),
    lambda: t.assertRaises(ValueError, raises), lambda: t.assertRaises(KeyError, raises), lambda: t.assertRaises(ValueError, nothing),
    lambda: t.assertRaises((KeyError, ValueError), raises), lambda: t.assertRaisesRegex(ValueError, "y", raises),
    lambda: t.assertRaisesRegex(ValueError, "^x$", raises), lambda: t.assertRaises(1, raises),
    lambda: t.assertSequenceEqual([1], (1,)), lambda: t.assertListEqual([1], (1,)), lambda: t.assertDictEqual({}, []),
    lambda: t.assertTupleEqual((1, 2), (1, 3)), lambda: t.assertSetEqual(frozenset("a"), {"a"}),
    lambda: t.assertMultiLineEqual("a", 1), lambda: t.fail(), lambda: t.fail("said"), lambda: t.assertEqual(Odd(), Odd()),
    lambda: t.assertWarns(UserWarning, warnings.warn, "w"), lambda: t.assertWarns(DeprecationWarning, nothing),
    lambda: t.assertWarnsRegex(UserWarning, "z", warnings.warn, "w"),
]
for n, check in enumerate(checks):
    try:
        print(n, check())
    except Exception as e:
        print(n, type(e).__name__, e)
with t.assertRaises(ZeroDivisionError) as caught:
    1 / 0
print(repr(caught.exception))
with t.assertLogs("app", "WARNING") as logs:
    logging.getLogger("app").warning("careful %d", 1)
    logging.getLogger("app").info("no")
print(logs.output, len(logs.records))
for context in (lambda: t.assertLogs("app"), lambda: t.assertRaises(OSError, msg="why")):
    try:
        with context():
            pass
    except AssertionError as e:
        print(e)
with t.assertNoLogs():
    pass
T.maxDiff = 10
try:
    t.assertEqual("a" * 20, "b" * 20)
except AssertionError as e:
    print(e)
T.longMessage = False
try:
    t.assertEqual(1, 2, "short")
except AssertionError as e:
    print(e)
"""
    )


def test_main_ends_with_the_status_of_the_tests(same: Same) -> None:
    for body in ("self.assertEqual(2, 2)", "self.assertEqual(2, 3)"):
        same(f"""
import unittest
def setUpModule(): print("module up")
def tearDownModule(): print("module down")
class Zed(unittest.TestCase):
    def test_z(self): print("z")
class Ada(unittest.TestCase):
    def test_b(self): print("b"); {body}
    def test_a(self): print("a")
if __name__ == "__main__":
    unittest.main()
print("not reached")
""")


def test_names_and_options(same: Same) -> None:
    same("""
import unittest
class A(unittest.TestCase):
    def test_a(self): print("a")
    def test_b(self): print("b"); self.fail()
class B(unittest.TestCase):
    def test_c(self): print("c")
for argv in (["x", "A.test_a"], ["x", "B"], ["x", "-k", "c"], ["x", "-f", "-v"], ["x", "-q"]):
    print(argv, unittest.main(argv=argv, exit=False, testLoader=unittest.TestLoader()).result.testsRun)
print(unittest.TestLoader().getTestCaseNames(A), A("test_a").countTestCases())
""")


def test_coroutines_as_tests(same: Same) -> None:
    same("""
import asyncio, unittest
class A(unittest.IsolatedAsyncioTestCase):
    def setUp(self): print("up")
    async def asyncSetUp(self): await asyncio.sleep(0); print("async up")
    async def test_a(self):
        self.assertEqual(await self.value(), 5)
        self.addAsyncCleanup(self.clean)
    async def clean(self): print("clean")
    async def value(self): return 5
    async def asyncTearDown(self): print("async down")
    def tearDown(self): print("down")
    async def test_b(self): self.fail()
print(unittest.TextTestRunner(verbosity=0).run(unittest.TestLoader().loadTestsFromTestCase(A)).wasSuccessful())
""")
