"""unittest.main(): the tests of this program, run with the words of its command line."""

import sys
from unittest._result import TextTestRunner
from unittest._suite import defaultTestLoader


class TestProgram:
    """Takes -v, -q, -f, -k PATTERN and names of tests. Ends the program, status 1 if a test failed."""

    def __init__(
        self,
        module="__main__",
        defaultTest=None,
        argv=None,
        testRunner=None,
        testLoader=defaultTestLoader,
        exit=True,
        verbosity=1,
        failfast=None,
        catchbreak=None,
        buffer=None,
        warnings=None,
        *,
        tb_locals=False,
    ):
        self.module = __import__(module) if isinstance(module, str) else module
        self.verbosity, self.failfast, self.exit = verbosity, bool(failfast), exit
        self.testLoader, patterns = testLoader, []
        names, words = [], list(sys.argv if argv is None else argv)[1:]
        while words:
            word = words.pop(0)
            if word in ("-v", "--verbose"):
                self.verbosity = 2
            elif word in ("-q", "--quiet"):
                self.verbosity = 0
            elif word in ("-f", "--failfast"):
                self.failfast = True
            elif word == "-k" and words:
                pattern = words.pop(0)
                patterns.append(pattern if "*" in pattern else f"*{pattern}*")
            elif word.startswith("-"):
                sys.stderr.write(f"unknown option: {word}\n")
                sys.exit(2)
            else:
                names.append(word)
        testLoader.testNamePatterns = patterns or testLoader.testNamePatterns
        if not names and defaultTest is not None:
            names = [defaultTest] if isinstance(defaultTest, str) else list(defaultTest)
        if names:
            self.test = testLoader.loadTestsFromNames(names, self.module)
        else:
            self.test = testLoader.loadTestsFromModule(self.module)
        runner = testRunner or TextTestRunner
        if isinstance(runner, type):
            runner = runner(verbosity=self.verbosity, failfast=self.failfast)
        self.result = runner.run(self.test)
        if exit:
            sys.exit(not self.result.wasSuccessful())


main = TestProgram
