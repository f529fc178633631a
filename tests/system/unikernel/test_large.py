"""More than any buffer on the way holds, on every backend: it arrives whole and in order, or is refused."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from nexus.unikernel import abi
from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend

LIMITS = Limits(wall=200, cpu=200, memory=64 * MIB, output=16 * MIB)


LINES = {
    "lines": "for n in range(8192): print('%08d' % n + 'x' * 1015)\n",
    # A megabyte at once is more than a socket holds, so that it waits inside the machine.
    "megabytes": (
        "import _host\n"
        "for m in range(0, 8192, 1024):\n"
        "    lines = b'\\n'.join(b'%08d' % n + b'x' * 1015 for n in range(m, m + 1024)) + b'\\n'\n"
        "    _host.write(1, lines)\n"
    ),
}


@pytest.mark.parametrize("way", LINES)
def test_eight_megabytes_of_output_arrive_whole(python_image: Image, backend: Backend, way: str) -> None:
    """Also where nobody takes them for a while: what a guest has sent is not dropped."""
    pauses = iter([0.5, 0.2, 0.2])

    def slow(_stream: int, _piece: bytes) -> None:
        time.sleep(next(pauses, 0))

    result = Sandbox(backend, LIMITS, None, python_image).run(LINES[way], on_output=slow)
    assert (result.ending, result.status, len(result.stdout)) == ("exited", 0, 8 * MIB), result.detail
    assert result.stdout == b"".join(b"%08d" % n + b"x" * 1015 + b"\n" for n in range(8192))


def test_both_outputs_arrive_whole(python_image: Image, backend: Backend) -> None:
    code = (
        "import sys\n"
        "for n in range(1024):\n"
        "    print('%08d' % n + 'o' * 1015)\n"
        "    sys.stderr.write('%08d' % n + 'e' * 1015 + '\\n')\n"
    )
    result = Sandbox(backend, LIMITS, None, python_image).run(code)
    assert result.ok, result.detail
    for said, letter in ((result.stdout, b"o"), (result.stderr, b"e")):
        assert said == b"".join(b"%08d" % n + letter * 1015 + b"\n" for n in range(1024))


def test_two_megabytes_of_a_file_arrive_whole(python_image: Image, backend: Backend, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(2 * MIB + 123))
    code = f"import hashlib\nprint(hashlib.sha256(open({str(file)!r}, 'rb').read()).digest().hex())\n"
    result = Sandbox(backend, LIMITS, Grants(files=(file,)), python_image).run(code)
    assert result.stdout.decode().strip() == hashlib.sha256(file.read_bytes()).hexdigest(), result


def test_answers_up_to_the_limit_arrive_whole_and_two_megabytes_are_refused(
    python_image: Image, backend: Backend
) -> None:
    fits = LIMITS.reply - len(b'{"ok":""}')
    sizes = {"most": fits, "more": fits + 1, "double": 2 * MIB}
    texts = {name: ("0123456789abcdef" * (size // 16 + 1))[:size] for name, size in sizes.items()}
    code = (
        "import hashlib, host\n"
        "def tell(name):\n"
        "    try:\n"
        "        text = host.call('text', which=name)\n"
        "        print(len(text), hashlib.sha256(text.encode()).digest().hex())\n"
        "    except host.HostError as error:\n"
        "        print(error)\n"
        "for name in ('most', 'more', 'double', 'most'): tell(name)\n"
    )
    granted = Grants(functions={"text": lambda which: texts[which]})
    result = Sandbox(backend, LIMITS, granted, python_image).run(code)
    whole = f"{fits} {hashlib.sha256(texts['most'].encode()).hexdigest()}"
    first, more, double, last = result.stdout.decode().splitlines()
    assert (first, last) == (whole, whole), result
    assert (
        more
        == f"the answer of host function 'text' has {LIMITS.reply + 1} bytes; the limit is {LIMITS.reply}"
    )
    assert double.endswith(f"has {2 * MIB + 9} bytes; the limit is {LIMITS.reply}")
    assert LIMITS.reply < abi.PAYLOAD_MAX


def test_a_megabyte_asked_arrives_whole(python_image: Image, backend: Backend) -> None:
    came: list[str] = []
    granted = Grants(functions={"take": lambda text: came.append(text)})
    # Without the library, whose JSON takes seconds for a megabyte.
    code = (
        "import _host\nfor n in range(4):\n"
        '    print(_host.call(\'{"name": "take", "args": {"text": "\' + str(n) * 1000000 + \'"}}\'))\n'
    )
    result = Sandbox(backend, LIMITS, granted, python_image).run(code)
    assert result.ok, result
    assert came == [str(n) * 1_000_000 for n in range(4)]


def test_eight_megabytes_of_input_arrive_whole(python_image: Image, backend: Backend) -> None:
    given = os.urandom(8 * MIB)
    code = (
        "import _host, hashlib\nh = hashlib.sha256()\n"
        "while piece := _host.read(100000): h.update(piece)\nprint(h.digest().hex())\n"
    )
    result = Sandbox(backend, LIMITS, None, python_image).run(code, stdin=given)
    assert result.stdout.decode().strip() == hashlib.sha256(given).hexdigest(), result
