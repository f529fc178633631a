"""What it costs to move an agent with 10 MB of conversation: bytes over the wire and time, beside copying.

    NEXUS_DATA=folder python bench/agentmem_move.py [--json FILE]

Two brokers of our own, with two secrets, in two folders. The conversation is real: sessions of
agents/specstory-claude-code, line by line, until there are 10 MB. First: the whole agent (export, import).
Second: the same agent after 20 more messages, with the other side's list of ids (`nexus agents ids`). Beside
it the ways one would take otherwise: the conversation as one file, plain and with zstd -3 (as `zstd` and
scp would), each time whole. Then the same two moves over a shelf: a server on a Unix socket where one is
installed, else a folder. Every byte is compared on the other side. Times are CPU seconds of this process and
wall seconds; both brokers are others.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import record

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.known import Known
from nexus.agentmem.remote import FolderShelf, Secret, SharedSpace, Shelf, ValkeyShelf
from nexus.agentmem.transfer import names_of

WANTED = 10 << 20
MORE = 20


def messages(data: Path) -> Iterator[bytes]:
    """Real lines of sessions, then the same again under a number, should there be too few."""
    folder = data / "agents" / "specstory-claude-code"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise SystemExit(f"no sessions in {folder}")
    for again in itertools.count():
        for path in files:
            for paragraph in path.read_bytes().split(b"\n\n"):
                if paragraph.strip():
                    yield paragraph + (b" %d" % again if again else b"")


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What it gave, with its CPU and wall seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, {
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "wall_seconds": round(time.perf_counter() - wall, 3),
    }


def zstd(data: bytes) -> int:
    """Bytes that the program zstd makes of it."""
    done = subprocess.run(["zstd", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True)
    return len(done.stdout)


def everything(store: Store) -> bytes:
    """The hash of the conversation as it is read there."""
    whole = hashlib.sha256()
    for message in store.conversation("main"):
        whole.update(bytes(message))
    return whole.digest()


def append(store: Store, lines: list[bytes]) -> None:
    """Each line a message."""
    conversation = store.conversation("main")
    for line in lines:
        conversation.append(UnitType.CONVERSATION, line)


def by_pack(here: Store, there: Store, folder: Path, known: bytes | None) -> dict[str, Any]:
    """One move by a pack."""
    pack = folder / "pack"
    listed = Known.read(io.BytesIO(known)) if known is not None else None
    _, out = measured(lambda: here.export(pack, known=listed))
    _, into = measured(lambda: there.import_(pack))
    bytes_ = pack.stat().st_size + (len(known) if known is not None else 0)
    return {"bytes": bytes_, "pack_bytes": pack.stat().st_size, "export": out, "import": into}


def by_shelf(here: Store, there: Store, space: SharedSpace) -> dict[str, Any]:
    """One move over a shelf."""
    pushed, out = measured(lambda: space.push(here, conversations=True))
    pulled, into = measured(lambda: space.pull(there))
    return {"bytes": pushed.sent_bytes, "pulled_bytes": pulled.received_bytes, "push": out, "pull": into}


def open_server(stack: ExitStack, folder: Path) -> tuple[str, Shelf]:
    """A server of our own, or a folder."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        return "folder", FolderShelf(folder / "shelf")
    path = folder / "s"
    command = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    while not path.exists():
        time.sleep(0.01)
    shelf = ValkeyShelf(f"unix://{path}", timeout=30)
    stack.callback(shelf.close)
    return Path(program).name, shelf


def measure(data: Path) -> dict[str, Any]:
    """Everything."""
    lines, total = [], 0
    source = messages(data)
    while total < WANTED:
        lines.append(next(source))
        total += len(lines[-1])
    more = [next(source) for _ in range(MORE)]
    plain, longer = b"".join(lines), b"".join(lines + more)
    found: dict[str, Any] = {
        "conversation_bytes": total,
        "messages": len(lines),
        "more_bytes": len(longer) - len(plain),
        "copying": [
            {"bytes": len(whole), "zstd_bytes": zstd(whole) if shutil.which("zstd") else None}
            for whole in (plain, longer)
        ],
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="am-")))
        brokers = [
            stack.enter_context(Launcher(folder / name, options=["--cold", "0"])) for name in ("a", "b")
        ]

        def attach(number: int, realm: str) -> Store:
            socket = brokers[number].socket
            return stack.enter_context(Store.connect(socket, realm=realm, agent="mover", durable=True))

        server, shelf = open_server(stack, folder)
        space = SharedSpace(shelf, Secret.create(folder / "key"))
        for way in ("pack", "shelf"):
            here, there = attach(0, way), attach(1, way)
            append(here, lines)
            first = by_pack(here, there, folder, None) if way == "pack" else by_shelf(here, there, space)
            assert everything(here) == everything(there)
            listed = io.BytesIO()
            names_of(there, Known.new_key()).write(listed)
            append(here, more)
            again = (
                by_pack(here, there, folder, listed.getvalue())
                if way == "pack"
                else by_shelf(here, there, space)
            )
            assert everything(here) == everything(there)
            found[way] = {"first": first, "second": again}
        found["shelf"]["server"] = server
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    data = os.environ.get("NEXUS_DATA", "")
    if not data:
        raise SystemExit("NEXUS_DATA does not name a folder with data sets")
    found = measure(Path(data))
    for key, value in found.items():
        print(key, value)
    record.write(found, arguments.json)


if __name__ == "__main__":
    main()
