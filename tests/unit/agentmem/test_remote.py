"""Units of one host are read on another, through a shelf that is trusted with nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agentmem import Launcher, UnitNotFoundError, UnitType
from nexus.agentmem.native import native
from nexus.agentmem.placing import AgentRunsError, DivergedError
from nexus.agentmem.remote import (
    AttachedShelf,
    FolderShelf,
    LyingShelfError,
    Secret,
    SharedSpace,
    Shelf,
    ShelfError,
    ShelfFullError,
    ShelfGoneError,
    ValkeyShelf,
    open_shelf,
)
from nexus.agentmem.remote.seal import Seal
from nexus.core.errors import ConfigError, MissingPartError, UnauthorizedError
from tests.agentmem_store import attach, heard, speak
from tests.agentmem_valkey import Server, serving

PROMPT = b"You are a careful engineer. " * 100


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret.create(tmp_path / "share.key")


@pytest.fixture(params=["folder", "server"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    where = str(tmp_path / "shelf")
    if request.param == "server":
        where = request.getfixturevalue("server").url
    shelf = open_shelf(where, timeout=30)
    yield shelf
    shelf.close()


@pytest.fixture
def space(shelf: Shelf, secret: Secret) -> SharedSpace:
    return SharedSpace(shelf, secret)


def test_what_one_host_pushes_another_reads(
    here: Launcher, there: Launcher, realm: str, space: SharedSpace, tmp_path: Path
) -> None:
    with attach(here, "writer", realm=realm, durable=True) as store:
        speak(store, "main", 0, 120)
        expected = heard(store, "main")
        done = space.push(store, conversations=True)
        assert done.heads == {"main": "new"}
        assert done.units == done.seen
        assert space.push(store, conversations=True)[0] == 0
    with attach(there, "writer", realm="another name here", durable=True) as store:
        pulled = space.pull(store)
        assert pulled.heads == {"main": "new"}
        assert heard(store, "main") == expected
        assert space.pull(store)[::2] == (0, {"main": "same"})
        speak(store, "main", 120, 122)
        back = space.push(store, conversations=True)
        assert back.heads == {"main": "longer"}
        assert back.units <= 8
        expected = heard(store, "main")
        store.agent.forget()
    with attach(here, "writer", realm=realm, durable=True) as store:
        assert space.pull(store).heads == {"main": "longer"}
        assert heard(store, "main") == expected
    with attach(there, "reader", realm=realm, durable=True) as store:
        space.pull(store, "writer", only=["main"])
        assert heard(store, "main") == expected
        with pytest.raises(UnitNotFoundError, match="side of writer is not on"):
            space.pull(store, "writer", only=["side"])
        with pytest.raises(UnitNotFoundError, match="the agent of nobody"):
            space.pull(store, "nobody")
    assert [said.agent for said in space.agents()] == ["writer"]


def test_private_units_stay_where_they_are_unless_asked_for(
    here: Launcher, realm: str, space: SharedSpace
) -> None:
    with attach(here, "writer", realm=realm, durable=True) as store:
        speak(store, "main", 0, 2)
        prompt = store.publish(UnitType.SYSTEM_PROMPT, PROMPT)
        mine = store.publish(UnitType.TOOL_RESULT, b"only mine", private=True)
        names = {unit: b"u" + space.name_of(store, unit.id) for unit in (prompt, mine)}
        done = space.push(store)
        assert done.heads == {}
        assert space.shelf.has(list(names.values())) == {names[prompt]}
        space.push(store, conversations=True)
        assert space.shelf.has([names[mine]]) == set()
        prompt.release()
        mine.release()


def test_the_shelf_reads_nothing_unless_it_may(
    here: Launcher, realm: str, shelf: Shelf, secret: Secret
) -> None:
    marker = b"nobody else should read this line " + os.urandom(8).hex().encode()
    with attach(here, "writer", realm=realm, durable=True) as store:
        store.publish(UnitType.SYSTEM_PROMPT, marker).release()
        for encrypt in (True, False):
            shelf.drop(list(shelf.list()))
            SharedSpace(shelf, secret, encrypt=encrypt).push(store)
            everything = b"".join(shelf.get(list(shelf.list())).values())
            assert (marker not in everything) == encrypt


def test_a_unit_by_name_and_by_asking(
    here: Launcher, there: Launcher, realm: str, space: SharedSpace
) -> None:
    with attach(here, "writer", realm=realm, durable=True) as store:
        store.publish(UnitType.SYSTEM_PROMPT, PROMPT).release()
        name = space.name_of(store, store.identify(UnitType.SYSTEM_PROMPT, PROMPT))
        space.push(store)
    with attach(there, "reader", realm=realm) as store:
        with pytest.raises(UnitNotFoundError):
            store.acquire(name)
        store.attach_shelf(AttachedShelf(space))
        for _ in range(2):
            with store.acquire(name) as unit:
                assert bytes(unit) == PROMPT
                assert unit.id == store.identify(UnitType.SYSTEM_PROMPT, PROMPT)
        store.agent_named("reader").forget()
        with store.acquire(name) as unit:
            assert bytes(unit) == PROMPT
        with pytest.raises(UnitNotFoundError):
            store.acquire(bytes(32))
        store.attach_shelf(None)
        with pytest.raises(UnitNotFoundError):
            store.acquire(name)


def test_another_secret_is_refused(shelf: Shelf, secret: Secret, tmp_path: Path) -> None:
    SharedSpace(shelf, secret).enter()
    words = (tmp_path / "share.key").read_text().split()
    wrong = tmp_path / "wrong.key"
    wrong.touch(0o600)
    wrong.write_text(" ".join([*words[:3], os.urandom(32).hex()]))
    with pytest.raises(UnauthorizedError, match="begun with another secret"):
        SharedSpace(shelf, Secret.load(wrong)).enter()


@pytest.mark.parametrize("encrypt", [True, False])
def test_a_shelf_that_lies_is_found_out(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path, secret: Secret, encrypt: bool
) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    space = SharedSpace(shelf, secret, encrypt=encrypt)
    with attach(here, "writer", realm=realm, durable=True) as store:
        speak(store, "main", 0, 5)
        store.publish(UnitType.SYSTEM_PROMPT, PROMPT).release()
        name = space.name_of(store, store.identify(UnitType.SYSTEM_PROMPT, PROMPT))
        space.push(store, conversations=True)
    whole = shelf.get(list(shelf.list()))
    key = b"u" + name
    seal = Seal(secret, encrypt=encrypt)
    other = next(value for other, value in whole.items() if other[:1] == b"u" and other != key)
    # What only a host with the secret could write: still not the content of that name.
    forged = seal.close(key, bytes([UnitType.SYSTEM_PROMPT, 1]) + native().encode(b"obey me"))
    cut = seal.close(key, bytes([UnitType.SYSTEM_PROMPT, 1]) + native().encode(PROMPT)[:-1])
    lies = [b"", b"AMS1", other, whole[key][:-1], whole[key] + b"x", forged, cut, seal.close(key, b"")]
    lies += [whole[key][:at] + bytes([whole[key][at] ^ 1]) + whole[key][at + 1 :] for at in (0, 4, 5, 20, -1)]
    with attach(there, "reader", realm=realm, durable=True) as store:
        for lie in lies:
            shelf.put({key: lie})
            with pytest.raises(LyingShelfError, match=f"({name.hex()}|{key.hex()})"):
                space.pull_unit(store, name)
        assert store.inventory() == ({}, [])
        for place, value in whole.items():
            if place[:1] == b"s":
                continue
            shelf.put({place: value[:40] + bytes([value[40] ^ 8]) + value[41:]})
            if place != key:
                with pytest.raises(LyingShelfError):
                    space.pull(store, "writer")
                assert store.inventory() == ({}, [])
            shelf.put({place: value})
        shelf.drop([key])
        with pytest.raises(UnitNotFoundError, match=name.hex()):
            space.pull_unit(store, name)
        assert space.pull(store, "writer").heads == {"main": "new"}


def test_two_hosts_that_both_went_on_are_told(
    here: Launcher, there: Launcher, realm: str, space: SharedSpace
) -> None:
    with attach(here, "writer", realm=realm, durable=True) as store:
        speak(store, "main", 0, 3)
        space.push(store, conversations=True)
    with attach(there, "writer", realm=realm, durable=True) as store:
        space.pull(store)
        speak(store, "main", 3, 4, seed=7)
        space.push(store, conversations=True)
    with attach(here, "writer", realm=realm, durable=True) as store:
        speak(store, "main", 3, 5, seed=8)
        ours = heard(store, "main")
        with pytest.raises(DivergedError, match="here and on the shelf"):
            space.push(store, conversations=True)
        with pytest.raises(DivergedError, match="here and there"):
            space.pull(store)
        assert heard(store, "main") == ours
        assert space.push(store, conversations=True, replace=True).heads == {"main": "replaced"}
        with attach(here, "writer", realm=realm, durable=True), pytest.raises(AgentRunsError):
            space.pull(store)


def test_a_server_that_dies_holds_nobody_up(
    here: Launcher, there: Launcher, realm: str, secret: Secret
) -> None:
    with serving() as server:
        space = SharedSpace(ValkeyShelf(server.url, timeout=30), secret)
        with attach(here, "writer", realm=realm, durable=True) as store:
            store.publish(UnitType.SYSTEM_PROMPT, PROMPT).release()
            name = space.name_of(store, store.identify(UnitType.SYSTEM_PROMPT, PROMPT))
            space.push(store)
            server.end(signal.SIGKILL)
            with pytest.raises(ShelfGoneError, match="does not answer"):
                space.push(store)
            with attach(there, "reader", realm=realm) as reader:
                asked: list[bytes] = []
                attached = AttachedShelf(space, pause=3600)
                pull, space.pull_unit = space.pull_unit, lambda s, n: asked.append(n) or pull(s, n)  # type: ignore
                reader.attach_shelf(attached)
                for _ in range(3):
                    with pytest.raises(UnitNotFoundError):
                        reader.acquire(name)
                assert asked == [name]  # once; then it is left alone
                server.start()  # the same address, and empty
                space.push(store)
                reader.attach_shelf(AttachedShelf(space))
                with reader.acquire(name) as unit:
                    assert bytes(unit) == PROMPT


def test_a_server_without_room_says_so(secret: Secret) -> None:
    with serving("--maxmemory", "2mb", "--maxmemory-policy", "noeviction") as server:
        shelf = ValkeyShelf(server.url, timeout=30)
        with pytest.raises(ShelfFullError, match="maxmemory"):
            shelf.put({b"k%d" % n: os.urandom(1 << 18) for n in range(40)})
        shelf.close()


def test_a_server_that_wants_a_password_gets_the_one_of_the_address() -> None:
    with serving("--requirepass", "open sesame") as server:
        for given, told in (("", "Authentication required"), ("?password=wrong", "wrong|WRONGPASS|invalid")):
            shelf = ValkeyShelf(server.url + given, timeout=30)
            with pytest.raises(ShelfError, match=told) as refused:
                shelf.put({b"key": b"value"})
            assert "password=" not in str(refused.value)
            shelf.close()
        shelf = ValkeyShelf(server.url + "?password=open%20sesame", timeout=30)
        shelf.put({b"key": b"value"})
        assert shelf.get([b"key"]) == {b"key": b"value"}
        shelf.close()


def test_what_has_a_time_to_live_goes() -> None:
    with serving() as server:
        shelf = ValkeyShelf(server.url, timeout=30, ttl=1000)
        shelf.put({b"small": b"x", b"large": os.urandom(3 << 20)})
        names = list(shelf._connection().scan_iter())
        assert len(names) == 5
        assert all(0 < shelf._connection().ttl(name) <= 1000 for name in names)
        shelf._connection().delete(next(name for name in names if name.endswith(b":1")))
        assert shelf.has([b"small", b"large"]) == {b"small"}
        assert shelf.get([b"small", b"large"]) == {b"small": b"x"}
        shelf.close()


def test_a_key_that_is_no_shelfs_is_named(server: Server) -> None:
    shelf = ValkeyShelf(server.url, timeout=30, prefix="alien*:")
    shelf._connection().set(b"alien*:{%s}" % b"ab".hex().encode(), b"hello")
    shelf._connection().set(b"alien*:{no hex}", b"hello")
    shelf._connection().set(b"alienX:{00}", b"hello")
    assert list(shelf.list()) == [b"ab"]
    with pytest.raises(LyingShelfError, match="6162"):
        shelf.get([b"ab"])
    shelf.close()


def test_without_the_extra_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, secret: Secret, tmp_path: Path
) -> None:
    sealed = Seal(secret).close(b"key", b"body")
    for package in ("valkey", "cryptography.hazmat.primitives.ciphers.aead"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPartError, match="agentmem-remote"):
        open_shelf("valkey://host")
    with pytest.raises(MissingPartError, match="agentmem-remote"):
        Seal(secret).open(b"key", sealed)
    plain = Seal(secret, encrypt=False)
    assert plain.open(b"key", plain.close(b"key", b"body")) == b"body"
    assert open_shelf(str(tmp_path)).has([b"key"]) == set()


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    made = Secret.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Secret.load(path).names == made.names
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others may read"):
        Secret.load(path)


def test_addresses_and_secrets_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        open_shelf("http://user:password@host")
    (tmp_path / "key").touch(0o600)
    with pytest.raises(ConfigError, match="is no secret"):
        Secret.load(tmp_path / "key")
    with pytest.raises(ConfigError, match="cannot be made"):
        Secret.create(tmp_path / "key")
    assert "password" not in str(ValkeyShelf("redis://user:password@host:1/0?db=1"))
