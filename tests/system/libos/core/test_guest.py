"""Images do what nx.h says, loaded into a process and in QEMU alike."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.unikernel import abi, builder
from nexus.unikernel.abi import Errno, Op
from tests.libos_guest import LIBOS, Run, emulated, loaded, needs_gcc, needs_qemu

pytestmark = needs_gcc
Runner = Callable[..., Run]


@pytest.fixture(params=["loaded", pytest.param("emulated", marks=needs_qemu)])
def run(request: pytest.FixtureRequest) -> Runner:
    return {"loaded": loaded, "emulated": emulated}[request.param]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    home = tmp_path_factory.mktemp("home")

    def built(name: str) -> Path:
        source = LIBOS / "apps" / f"{name}.c"
        if not source.exists():
            source = Path(__file__).parents[1] / "guests" / f"{name}.c"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEXUS_HOME", str(home))
            return builder.build_c(source).elf

    return built


@pytest.fixture
def subject(image: Callable[[str], Path], run: Runner) -> Runner:
    return lambda *words, **more: run(image("subject"), *words, **more)


def checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFFFFFF
    return total


def test_hello_and_its_words(image: Callable[[str], Path], run: Runner) -> None:
    done = run(image("hello"), "one", "two=2", "-3")
    assert (done.status, done.stdout) == (0, b"hello from the LibOS\none\ntwo=2\n-3\n")
    assert run(image("hello")).stdout == b"hello from the LibOS\n"


@pytest.mark.parametrize(("given", "status"), [(0, 0), (1, 1), (255, 255), (256, 0), (511, 255)])
def test_the_status_is_what_main_gives(subject: Runner, given: int, status: int) -> None:
    assert subject("status", str(given)).status == status


def test_more_words_than_there_is_room_for(subject: Runner) -> None:
    assert subject("status", "3", *["w"] * 61).status == 3
    done = subject("status", "3", *["w"] * 62)
    assert (done.status, done.stderr) == (134, b"nx: more than 63 words on the command line\n")


def test_all_output_leaves_in_order(subject: Runner) -> None:
    sizes = [1, 4095, 1, 4096, 5, 4097, 100, 100_000, 0, 3, 8192, 70]
    done = subject("pieces", *map(str, sizes))
    piece = {i: bytes([ord("a") + i % 26]) * size for i, size in enumerate(sizes, 2)}
    assert done.stdout == b"".join(text for i, text in piece.items() if i % 3)
    assert done.stderr == b"".join(text for i, text in piece.items() if i % 3 == 0)


@pytest.mark.parametrize("size", ["1", "4096", "3000000"])
def test_input_is_read_to_its_end(subject: Runner, size: str) -> None:
    data = bytes(range(256)) * (1 if size == "1" else 5000)
    done = subject("echo", size, stdin=data)
    assert done.stdout == b"ready\n" + data


def test_modules(subject: Runner) -> None:
    given = [
        ("main.py", b"print(1)\n"),
        ("lib", bytes(range(256)) * 1024),
        ("empty", b""),
        ("page", b"x" * 4096),
    ]
    done = subject("modules", modules=given)
    assert done.status == 0
    assert done.stdout.decode().splitlines() == [
        f"{name} {len(data)} {checksum(data)} 1" for name, data in given
    ]
    assert subject("modules").stdout == b""


@pytest.mark.parametrize("memory", [8 << 20, 32 << 20])
def test_the_heap_is_zero_and_is_all_there(subject: Runner, memory: int) -> None:
    done = subject("memory", memory=memory, modules=[("a", b"\xff" * 1_000_000), ("b", b"\xee" * 5000)])
    left, given = map(int, done.stdout.split())
    assert done.status == 0
    assert left == given
    # What is not heap: stack, modules, and an image with 3 MB of its own.
    assert memory - left < abi.STACK_SIZE + 1_005_000 + 3_100_000


def test_time(subject: Runner) -> None:
    now, slept = map(int, subject("times").stdout.split())
    assert abs(now / 1e9 - time.time()) < 600
    assert slept >= 20_000_000


def test_random_bytes_come_in_any_number(subject: Runner) -> None:
    assert subject("chance").status == 0


def test_a_host_function_is_called(subject: Runner) -> None:
    def answer(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        assert op == Op.CALL
        reply = json.dumps({"ok": json.loads(data)["args"]["n"] * 2}).encode()
        return len(reply), reply

    request = '{"name":"double","args":{"n":21}}'
    assert subject("host", request, answer=answer).stdout == b'{"ok": 42}\n'
    assert subject("host", request, "3", answer=answer).stdout == b"error -90\n"
    assert subject("host", request).stdout == b"error -38\n"


@pytest.mark.parametrize("size", [0, 1, 4080, 4096, 5000, 65536, 1 << 20])
def test_replies_of_every_size_arrive_whole(subject: Runner, size: int) -> None:
    reply = b"0123456789abcde\n" * (size // 16) + b"x" * (size % 16)
    assert subject("host", "{}", answer=lambda *_: (size, reply)).stdout == reply + b"\n"


def test_code_is_fetched_until_there_is_no_more(subject: Runner) -> None:
    codes = [b"first", b"", b"x" * 4095]

    def answer(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        assert (op, out_cap) == (Op.FETCH, 4095)
        return (0, codes[arg]) if arg < len(codes) else (-Errno.ENOENT, b"")

    done = subject("fetch", answer=answer)
    assert done.status == 7
    assert done.stdout == b"".join(b"<%s>%d\n" % (code, len(code)) for code in codes)
    assert [call[1] for call in done.calls] == [0, 1, 2, 3]


def files(content: bytes) -> Callable[[int, int, bytes, int], tuple[int, bytes]]:
    def answer(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        if data == b"/granted" and op == Op.FILE_STAT:
            return 0, abi.STAT.pack(0, 99, 1, 0)
        if data == b"/granted" and op == Op.FILE_LIST:
            names = b"data\0deeper/\0"
            return len(names), names
        if data != b"/granted/data":
            return -Errno.EPERM, b""
        if op == Op.FILE_STAT:
            return 0, abi.STAT.pack(len(content), -5, 0, 0)
        part = content[arg : arg + out_cap]
        return len(part), part

    return answer


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 3_000_000), (0, 10), (1_500_000, 1_000_000), (9_999_999, 5)]
)
def test_files_are_read_at_any_place(subject: Runner, offset: int, size: int) -> None:
    content = bytes(range(251)) * 8000
    done = subject("file", "/granted/data", str(offset), str(size), answer=files(content))
    part = content[offset : offset + size]
    assert done.stdout.decode() == f"0 {len(content)} -5 0\n{len(part)} {checksum(part)}\n"
    assert subject("file", "/other", "0", "9", answer=files(content)).stdout.startswith(b"-1 ")


def test_cat(image: Callable[[str], Path], run: Runner) -> None:
    done = run(image("cat"), "/granted", "/granted/data", "/etc/passwd", answer=files(b"line\n" * 500_000))
    assert done.status == 1
    assert done.stdout == b"data\ndeeper/\n" + b"line\n" * 500_000
    assert done.stderr == b"cat: /etc/passwd: error 1\n"


def test_count(image: Callable[[str], Path], run: Runner) -> None:
    text = b" one two\n\tthree" * 9000
    assert run(image("count"), stdin=text).stdout == f"9000 27000 {len(text)}\n".encode()
    assert run(image("count")).stdout == b"0 0 0\n"


@pytest.mark.parametrize("sectors", [0, 1, 63, 64, 65, 300])
def test_blocks_are_copied(image: Callable[[str], Path], run: Runner, sectors: int) -> None:
    disks = [bytearray(bytes(range(256)) * 2 * sectors), bytearray(512 * (sectors + 1))]

    def answer(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        if op == Op.BLOCK_INFO:
            return 0, abi.BLOCK_INFO.pack(len(disks[arg]) // 512, 512, 1 - arg)
        device, count, sector = abi.BLOCK_AT.unpack_from(data)
        place = slice(sector * 512, (sector + count) * 512)
        if op == Op.BLOCK_READ:
            assert out_cap == count * 512
            return 0, bytes(disks[device][place])
        assert (op, device, len(data)) == (Op.BLOCK_WRITE, 1, abi.BLOCK_AT.size + count * 512)
        disks[1][place] = data[abi.BLOCK_AT.size :]
        return 0, b""

    done = run(image("copy"), answer=answer)
    assert (done.status, done.stdout) == (0, f"{sectors} sectors\n".encode())
    assert disks[1][: 512 * sectors] == disks[0]
    assert run(image("copy")).stdout == b"info: error 38\n"


def test_a_panic_says_why(subject: Runner) -> None:
    done = subject("panic", "reason")
    assert (done.status, done.stdout, done.stderr) == (134, b"before", b"nx: reason\n")


def test_floating_point_is_as_the_compiler_expects(subject: Runner) -> None:
    assert subject("floats").stdout == b"0.33333333333333331 inf 0.66666666666666663\n"


@pytest.mark.parametrize(
    "words",
    [
        ("read", "0"),
        ("read", "4096"),
        ("write", "8"),
        ("write", str(abi.BASE - 8)),
        ("text", "0"),
        ("constant", "0"),
        ("run", "0"),
        ("heap", "0"),
        ("read", str(1 << 40)),
    ],
)
def test_bad_pointers_end_the_guest(subject: Runner, words: tuple[str, str]) -> None:
    done = subject("bad", *words)
    assert (done.status, done.stdout, done.stderr) == (None, b"", b"")


def test_a_stack_that_runs_over_ends_the_guest(subject: Runner) -> None:
    assert subject("stack").status is None


@needs_qemu
def test_the_page_tables_and_the_firmware_are_out_of_reach(image: Callable[[str], Path]) -> None:
    for address in (0x100000, 0x108000, 0xF0000, 0xFEE00000, 0xFEB00000 - 4096, abi.DOORBELL):
        assert emulated(image("subject"), "bad", "read", str(address)).status is None


@needs_qemu
@pytest.mark.parametrize(
    "device", ["virtio-serial-device", "virtio-serial-device,max_ports=1", "virtio-serial-device,max_ports=2"]
)
def test_a_console_of_one_port_will_do(image: Callable[[str], Path], device: str) -> None:
    done = emulated(image("hello"), device=device, port="virtconsole,chardev=c")
    assert (done.status, done.stdout) == (0, b"hello from the LibOS\n")


@needs_qemu
def test_nothing_is_lost_where_the_peer_is_slow(image: Callable[[str], Path]) -> None:
    reply = b"0123456789abcdef" * 65536
    done = emulated(image("subject"), "host", "{}", answer=lambda *_: (len(reply), reply), delay=0.3)
    assert (done.status, done.stdout) == (0, reply + b"\n")


@needs_qemu
def test_the_device_gets_no_buffer_that_is_not_the_guests(image: Callable[[str], Path]) -> None:
    done = emulated(image("subject"), "beside")
    assert done.stdout == b"-14 -14\n" * 8 + b"-14\n"
    assert done.status == 0
