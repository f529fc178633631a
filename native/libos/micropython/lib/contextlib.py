"""contextmanager, suppress, closing, nullcontext, redirect_stdout, redirect_stderr, ExitStack,
ContextDecorator.

asynccontextmanager and aclosing for `async with`.
"""

import sys


class AbstractContextManager:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return None


class ContextDecorator:
    def __call__(self, function):
        def inner(*values, **named):
            with self:
                return function(*values, **named)

        return inner


class _Generated(ContextDecorator):
    def __init__(self, function, values, named):
        self._again = (function, values, named)
        self._generator = function(*values, **named)

    def __call__(self, function):
        make, values, named = self._again

        def inner(*v, **n):
            with _Generated(make, values, named):
                return function(*v, **n)

        return inner

    def __enter__(self):
        try:
            return next(self._generator)
        except StopIteration:
            raise RuntimeError("generator didn't yield")

    def __exit__(self, kind, error, trace):
        if kind is None:
            try:
                next(self._generator)
            except StopIteration:
                return False
            raise RuntimeError("generator didn't stop")
        try:
            self._generator.throw(error)
        except StopIteration as stop:
            return stop is not error
        except BaseException as other:
            if other is error:
                return False
            raise
        raise RuntimeError("generator didn't stop after throw()")


def contextmanager(function):
    def helper(*values, **named):
        return _Generated(function, values, named)

    return helper


class _AsyncGenerated:
    def __init__(self, generator):
        self._generator = generator

    async def __aenter__(self):
        return await self._generator.__anext__()

    async def __aexit__(self, kind, error, trace):
        try:
            if kind is None:
                await self._generator.__anext__()
            else:
                await self._generator.athrow(error)
        except StopAsyncIteration:
            return kind is not None
        return False


def asynccontextmanager(function):
    def helper(*values, **named):
        return _AsyncGenerated(function(*values, **named))

    return helper


class suppress(AbstractContextManager):
    def __init__(self, *kinds):
        self._kinds = kinds

    def __exit__(self, kind, error, trace):
        return kind is not None and issubclass(kind, self._kinds)


class closing(AbstractContextManager):
    def __init__(self, thing):
        self._thing = thing

    def __enter__(self):
        return self._thing

    def __exit__(self, kind, error, trace):
        self._thing.close()


class nullcontext(AbstractContextManager):
    def __init__(self, enter_result=None):
        self._result = enter_result

    def __enter__(self):
        return self._result


class _Redirect(AbstractContextManager):
    def __init__(self, target):
        self._target, self._old = target, []

    def __enter__(self):
        self._old.append(getattr(sys, self._stream))
        setattr(sys, self._stream, self._target)
        return self._target

    def __exit__(self, kind, error, trace):
        setattr(sys, self._stream, self._old.pop())


class redirect_stdout(_Redirect):
    _stream = "stdout"


class redirect_stderr(_Redirect):
    _stream = "stderr"


class ExitStack:
    def __init__(self):
        self._exits = []

    def __enter__(self):
        return self

    def enter_context(self, manager):
        result = manager.__enter__()
        self._exits.append(manager.__exit__)
        return result

    def push(self, manager):
        self._exits.append(getattr(manager, "__exit__", manager))
        return manager

    def callback(self, function, *values, **named):
        def run(kind, error, trace):
            function(*values, **named)
            return False

        self._exits.append(run)
        return function

    def pop_all(self):
        other = type(self)()
        other._exits, self._exits = self._exits, []
        return other

    def close(self):
        self.__exit__(None, None, None)

    def __exit__(self, kind, error, trace):
        first, raised = kind is not None, False
        while self._exits:
            leave = self._exits.pop()
            try:
                if leave(kind, error, trace):
                    kind = error = trace = None
                    raised = False
            except BaseException as other:
                kind, error, raised = type(other), other, True
        if raised:
            raise error
        return first and kind is None
