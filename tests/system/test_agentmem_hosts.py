"""Two hosts that see each other only over a network: what one pushes, the other reads. Needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agentmem import Launcher
from nexus.agentmem.remote import Secret
from tests.agentmem_store import running
from tests.agentmem_valkey import Server
from tests.two_hosts import NoHostsError, ip, two_hosts

PATIENCE = 240
HOST = """
    import sys
    from pathlib import Path
    from nexus.agentmem import Store, UnitType, UnitNotFoundError
    from nexus.agentmem.remote import AttachedShelf, Secret, SharedSpace, ShelfGoneError, open_shelf
    socket, url, key = sys.argv[1:4]
    space = SharedSpace(open_shelf(url, timeout=5, retries=1), Secret.load(Path(key)))
    store = Store.connect(socket, realm="project", agent="worker", durable=True, timeout=120)
"""
PUSH = """
    conversation = store.conversation("main")
    for n in range(300):
        conversation.append(UnitType.CONVERSATION, b"message %d " % n * 50)
        conversation.append(UnitType.TOOL_RESULT, bytes([n % 251]) * 3000, starts=False)
    store.publish(UnitType.KV_PAGE, bytes(range(256)) * (1 << 14)).release()
    name = space.name_of(store, store.identify(UnitType.KV_PAGE, bytes(range(256)) * (1 << 14)))
    space.push(store, conversations=True)
    print(name.hex())
"""
PULL = """
    assert space.pull(store).heads == {"main": "new"}
    messages = list(store.conversation("main"))
    assert len(messages) == 300
    for n, message in enumerate(messages):
        assert bytes(message) == b"message %d " % n * 50 + bytes([n % 251]) * 3000
    store.attach_shelf(AttachedShelf(space))
    with store.acquire(bytes.fromhex(sys.argv[4])) as page:
        assert bytes(page) == bytes(range(256)) * (1 << 14)
    print("read")
"""
LOST = """
    try:
        space.pull(store)
    except ShelfGoneError:
        print("gone")
    assert len(store.conversation("main")) == 300
"""
DENIED = """
    from nexus.core.errors import UnauthorizedError
    try:
        space.pull(store)
    except UnauthorizedError as error:
        print("refused")
"""


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    try:
        with two_hosts() as made:
            yield [host.name for host in made]
    except NoHostsError as error:
        pytest.skip(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="am-"))
    yield path
    shutil.rmtree(path)


def act(host: str, broker: Launcher, what: str, *words: str) -> str:
    """Run a program on a host; its last line."""
    program = textwrap.dedent(HOST) + textwrap.dedent(what)
    command = ["ip", "netns", "exec", host, sys.executable, "-c", program, str(broker.socket), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_two_hosts_share_what_one_of_them_read(hosts: list[str], folder: Path) -> None:
    first, second = hosts
    key = folder / "key"
    Secret.create(key)
    wrong = folder / "wrong"
    wrong.touch(0o600)
    wrong.write_text(" ".join([*key.read_text().split()[:3], os.urandom(32).hex()]))
    url = "valkey://10.213.7.1:6390"
    options = ["--port", "6390", "--bind", "10.213.7.1", "--protected-mode", "no"]
    server = Server(folder, options, url, within=["ip", "netns", "exec", first])
    with running() as here, running() as there:
        try:
            server.start()
            name = act(first, here, PUSH, url, str(key))
            assert act(second, there, DENIED, url, str(wrong)) == "refused"
            assert act(second, there, PULL, url, str(key), name) == "read"
            server.end(signal.SIGKILL)
            assert act(second, there, LOST, url, str(key)) == "gone"
            ip("-n", first, "link", "set", f"v{first}"[:15], "down")
            assert act(second, there, LOST, url, str(key)) == "gone"
        finally:
            server.end()
