"""TestCase, subTest, skip, expectedFailure, main, TestSuite, TestLoader, TextTestRunner,
IsolatedAsyncioTestCase.

What is printed is CPython 3.11's, tracebacks without the runner's own calls. Functions have no docstrings
here, so a test is always described by its name. Lacks: mock, discovery of files, buffering of output,
load_tests.
"""

from unittest._case import (
    FunctionTestCase,
    IsolatedAsyncioTestCase,
    SkipTest,
    TestCase,
    expectedFailure,
    skip,
    skipIf,
    skipUnless,
)
from unittest._main import TestProgram, main
from unittest._result import TestResult, TextTestResult, TextTestRunner
from unittest._suite import TestLoader, TestSuite, defaultTestLoader

__all__ = [
    "FunctionTestCase",
    "IsolatedAsyncioTestCase",
    "SkipTest",
    "TestCase",
    "TestLoader",
    "TestProgram",
    "TestResult",
    "TestSuite",
    "TextTestResult",
    "TextTestRunner",
    "defaultTestLoader",
    "expectedFailure",
    "main",
    "skip",
    "skipIf",
    "skipUnless",
]
