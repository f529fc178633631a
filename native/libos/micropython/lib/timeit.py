"""timeit, repeat, default_timer, Timer. Code given as text runs with `globals`, or with nothing but the
builtins.

Lacks: the command line; Timer.print_exc prints the plain traceback.
"""

from time import perf_counter as default_timer

default_number, default_repeat = 1000000, 5


def _calls(code, names):
    if callable(code):
        return code
    if not isinstance(code, str):
        raise ValueError("stmt is neither a string nor callable")
    made = compile(code, "<timeit-src>", "exec")
    return lambda: exec(made, names)


class Timer:
    def __init__(self, stmt="pass", setup="pass", timer=default_timer, globals=None):
        self.timer, names = timer, {} if globals is None else dict(globals)
        if not (callable(setup) or isinstance(setup, str)):
            raise ValueError("setup is neither a string nor callable")
        self._setup, self._whole = _calls(setup, names), None
        if isinstance(
            stmt, str
        ):  # in one function with its loop, as a call would cost more than what is measured
            lines = "\n".join(["        " + line for line in stmt.split("\n")])
            text = f"def inner(_it, _timer):\n    _start = _timer()\n    for _i in _it:\n{lines}\n    return _timer() - _start\n"  # noqa: E501 - one line of words
            exec(text, names)
            self._whole = names["inner"]
        self._stmt = None if self._whole else _calls(stmt, names)

    def timeit(self, number=default_number):
        self._setup()
        timer, call = self.timer, self._stmt
        if self._whole:
            return self._whole(range(number), timer)
        start = timer()
        for _ in range(number):
            call()
        return timer() - start

    def repeat(self, repeat=default_repeat, number=default_number):
        return [self.timeit(number) for _ in range(repeat)]

    def autorange(self, callback=None):
        scale = 1
        while True:
            for step in (1, 2, 5):
                number = scale * step
                took = self.timeit(number)
                if callback:
                    callback(number, took)
                if took >= 0.2:
                    return number, took
            scale *= 10

    def print_exc(self, file=None):
        import traceback

        traceback.print_exc(file=file)


def timeit(stmt="pass", setup="pass", timer=default_timer, number=default_number, globals=None):
    return Timer(stmt, setup, timer, globals).timeit(number)


def repeat(
    stmt="pass", setup="pass", timer=default_timer, repeat=default_repeat, number=default_number, globals=None
):
    return Timer(stmt, setup, timer, globals).repeat(repeat, number)
