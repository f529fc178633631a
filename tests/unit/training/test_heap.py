"""What is freed stays with the process: the second time a large block costs no page faults."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource, sys
from nexus.training.heap import keep_freed
if sys.argv[1] == "kept" and not keep_freed():
    sys.exit("no mallopt here")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    bytearray(64 << 20)
before = faults()
for _ in range(5):
    bytearray(64 << 20)
print(faults() - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=False)
    if "no mallopt here" in done.stderr:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_block_that_was_freed_costs_no_pages_again() -> None:
    assert faults("kept") < 100 < faults("given back")
