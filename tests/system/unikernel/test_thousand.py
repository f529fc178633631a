"""Many sandboxes at once: all are there at the same time, all answer, and nothing of them is left.

A thousand of the backends that are made for that; of the emulators as many as a machine bears. Where there is
no place for all, a run is refused with what to do, and the others are not harmed.
"""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator

import pytest

from nexus.core.errors import BusyError
from nexus.unikernel.descriptors import EACH, RESERVE
from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend
from tests.system.unikernel.conftest import works

COUNT = 1000
FEW = 24  # an emulator takes some 100 MiB and a core for a while
LIMITS = Limits(wall=280, cpu=60, memory=16 * MIB)
CODE = """
import _host, json
arrived = json.loads(_host.call('{"name": "arrive", "args": {}}'))
print(arrived["ok"])
"""


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many open files as this process may have at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 10 * COUNT:
        pytest.skip(f"this process may open {hard} files at most; ulimit -Hn {10 * COUNT}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 10 * COUNT), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Open files for some six sandboxes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A new one has the lowest number that is free.
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + RESERVE + 6 * EACH, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def crowd(
    sandbox: Sandbox, count: int, failed: Callable[[], object] = lambda: None
) -> list[Result | BaseException]:
    """The ends of so many runs at once, each from its own thread. `failed` is called at each exception."""
    ends: list[Result | BaseException] = []
    lock, stacks = threading.Lock(), threading.stack_size(256 << 10)

    def run() -> None:
        try:
            end: Result | BaseException = sandbox.run(CODE)
        except BaseException as error:
            end = error
            failed()
        with lock:
            ends.append(end)

    try:
        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.stack_size(stacks)
    return ends


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("kvm", COUNT), ("spt", COUNT), ("qemu", FEW), ("unicorn", FEW)])
def test_many_are_there_at_once(python_image: Image, name: Backend, count: int, descriptors: None) -> None:
    works(name)
    all_here = threading.Barrier(count)

    def arrive() -> int:
        return all_here.wait(250)  # each gets another number, when the last has come

    sandbox = Sandbox(name, LIMITS, Grants(functions={"arrive": arrive}), python_image)
    ends = crowd(sandbox, count, all_here.abort)
    wrong = [end for end in ends if not (isinstance(end, Result) and end.ok)]
    assert not wrong, (len(wrong), wrong[0])
    numbers = sorted(int(end.stdout) for end in ends if isinstance(end, Result))
    assert numbers == list(range(count))


def test_where_there_is_no_place_for_all_the_rest_is_refused(
    python_image: Image, backend: Backend, few_descriptors: None
) -> None:
    refused = threading.Event()
    # Those who have a place keep it until somebody found none.
    granted = Grants(functions={"arrive": lambda: refused.wait(250)})
    ends = crowd(Sandbox(backend, LIMITS, granted, python_image), FEW, refused.set)
    served = [end for end in ends if isinstance(end, Result)]
    others = [end for end in ends if not isinstance(end, Result)]
    assert served
    assert all((end.ok, end.stdout) == (True, b"True\n") for end in served), served
    assert others
    for end in others:
        assert isinstance(end, BusyError), end
        assert "ulimit -n" in end.hint
