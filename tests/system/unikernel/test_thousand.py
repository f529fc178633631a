"""A thousand sandboxes at once: all are there at the same time, all answer, and nothing of them is left."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator

import pytest

from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend
from tests.system.unikernel.conftest import works

COUNT = 1000
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kvm", "spt"])
def test_a_thousand_are_there_at_once(python_image: Image, name: Backend, descriptors: None) -> None:
    works(name)
    all_here, lock = threading.Barrier(COUNT), threading.Lock()
    results: list[Result | BaseException] = []
    stacks = threading.stack_size(256 << 10)

    def arrive() -> int:
        return all_here.wait(250)  # each gets another number, when the last has come

    sandbox = Sandbox(
        name, Limits(wall=280, cpu=60, memory=16 * MIB), Grants(functions={"arrive": arrive}), python_image
    )

    def run() -> None:
        try:
            result: Result | BaseException = sandbox.run(CODE)
        except BaseException as error:
            result = error
            all_here.abort()
        with lock:
            results.append(result)

    try:
        threads = [threading.Thread(target=run) for _ in range(COUNT)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.stack_size(stacks)
    wrong = [result for result in results if not (isinstance(result, Result) and result.ok)]
    assert not wrong, (len(wrong), wrong[0])
    numbers = sorted(int(result.stdout) for result in results if isinstance(result, Result))
    assert numbers == list(range(COUNT))
