"""An agent moves from one broker to another, whose secret is another one: as it was, once, and never half."""

from __future__ import annotations

import io
import itertools
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus.agentmem import Launcher, UnitType
from nexus.agentmem.errors import AccessError, CorruptUnitError, QuotaError, UnitNotFoundError
from nexus.agentmem.known import Known
from nexus.agentmem.manifest import Manifest
from nexus.agentmem.native import native
from nexus.agentmem.placing import STAGE, AgentRunsError, DivergedError
from nexus.agentmem.transfer import Pack, export_agents, names_of
from tests.agentmem_store import TOOL, attach, heard, running, speak, wait_until

HEAD, RECORD = 48, 56  # bytes of a pack's head and of an entry's record


def units(launcher: Launcher) -> int:
    with attach(launcher, "counter") as store:
        return int(store.stats()["store"]["units"])


def test_an_agent_is_on_the_other_machine_what_it_was(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "agent.pack"
    with attach(here, "mover", realm=realm, durable=True, importance=80) as store:
        speak(store, "main", 0, 300)  # more leaves than one rope has
        speak(store, "side", 0, 3, seed=2)
        with store.publish(UnitType.SYSTEM_PROMPT, b"You are careful." * 50) as prompt:
            store.set_head("prompt", prompt.id)
        store.publish(UnitType.TOOL_RESULT, b"mine alone", private=True).release()
        expected, side = heard(store, "main"), heard(store, "side")
        done = store.export(pack)
        was = store.agent.figures()
    assert done.agents == 1
    assert pack.stat().st_mode & 0o777 == 0o600
    with attach(there, "mover", realm=realm, durable=True) as store:
        came = store.import_(pack)
        assert came.heads == {"main": "new", "side": "new", "prompt": "new"}
        assert heard(store, "main") == expected
        assert heard(store, "side") == side
        with store.acquire(store.head("prompt")) as prompt:
            assert bytes(prompt) == b"You are careful." * 50
        mine = store.identify(UnitType.TOOL_RESULT, b"mine alone", private=True)
        assert mine in store.inventory().owned
        assert store.agent.figures()["units"] == was["units"]
        assert set(store.inventory().heads) == {"main", "side", "prompt"}
        speak(store, "main", 300, 302)
        assert len(store.conversation("main")) == 302
        with (
            attach(there, "another", realm=realm) as another,
            pytest.raises((UnitNotFoundError, AccessError)),
        ):
            another.acquire(mine)


def test_the_second_time_only_what_is_new_travels(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 0, 400)
        store.export(first)
    listed = io.BytesIO()
    with attach(there, "mover", realm=realm, durable=True) as store:
        store.import_(first)
        names_of(store, Known.new_key()).write(listed)
    listed.seek(0)
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 400, 402)
        expected = heard(store, "main")
        done = store.export(second, known=Known.read(listed))
    assert done.units <= 8  # two messages of three pieces, and ropes above them
    assert second.stat().st_size < first.stat().st_size / 3
    with attach(there, "mover", realm=realm, durable=True) as store:
        assert store.import_(second).heads == {"main": "longer"}
        assert heard(store, "main") == expected
    with (
        attach(there, "stranger", realm=realm, durable=True) as store,
        pytest.raises(UnitNotFoundError, match="leaves out the unit at byte"),
    ):
        store.import_(second)


def test_a_conversation_that_went_on_here_is_not_overwritten(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 0, 4)
        store.export(pack)
        ours = heard(store, "main")
    with attach(there, "mover", realm=realm, durable=True) as store:
        assert store.import_(pack).heads == {"main": "new"}
        assert store.import_(pack).heads == {"main": "same"}
        speak(store, "main", 4, 6, seed=3)
        longer = heard(store, "main")
        assert store.import_(pack).heads == {"main": "kept"}
        assert heard(store, "main") == longer
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 4, 5)
        other = heard(store, "main")
        store.export(pack)
    with attach(there, "mover", realm=realm, durable=True) as store:
        with pytest.raises(DivergedError, match="'main' of agent mover"):
            store.import_(pack)
        assert heard(store, "main") == longer
        assert store.import_(pack, replace=True).heads == {"main": "replaced"}
        assert heard(store, "main") == other
        assert other[:4] == ours


def test_several_agents_in_one_pack_share_what_is_equal(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "all"
    with (
        attach(here, "one", realm=realm, durable=True) as one,
        attach(here, "two", realm=realm, durable=True) as two,
    ):
        for store, seed in ((one, 1), (two, 2)):
            speak(store, "main", 0, 20, seed=seed)
        export_agents([one, two], pack)
        expected = {"one": heard(one, "main"), "two": heard(two, "main")}
    with Pack.open(pack) as opened:
        assert [said.agent for said in opened.agents] == ["one", "two"]
        for name in ("one", "two"):
            with attach(there, name, realm=realm, durable=True) as store:
                opened.import_into(store, name)
                assert heard(store, "main") == expected[name]
        with attach(there, "three", realm=realm) as store, pytest.raises(UnitNotFoundError, match="one, two"):
            opened.import_into(store)


@pytest.fixture
def small(here: Launcher, realm: str, tmp_path: Path) -> bytes:
    pack = tmp_path / "small"
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 0, 3)
        store.export(pack)
        store.agent.forget()
    return pack.read_bytes()


def test_a_pack_that_is_broken_is_refused_with_the_byte(there: Launcher, realm: str, small: bytes) -> None:
    choose = random.Random(6)
    broken = [small[:length] for length in (0, 1, 47, 48, 200, len(small) - 1)]
    broken += [small + b"x", b"AMPACK02" + small[8:]]
    for _ in range(40):
        at = choose.randrange(len(small))
        broken.append(small[:at] + bytes([small[at] ^ 1 << choose.randrange(8)]) + small[at + 1 :])
    with attach(there, "mover", realm=realm, durable=True) as store:
        before = units(there)
        for pack in broken:
            with pytest.raises(CorruptUnitError, match=r"byte \d+"):
                store.import_(io.BytesIO(pack))
        assert store.inventory() == ({}, [])
        assert units(there) == before
        assert store.import_(io.BytesIO(small)).heads == {"main": "new"}


@pytest.mark.slow
def test_an_agent_may_go_on_while_it_is_exported(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    ended = threading.Event()

    def go_on() -> None:
        with attach(here, "mover", realm=realm, durable=True) as store:
            for number in itertools.count():
                if ended.is_set():
                    return
                speak(store, "main", number, number + 1)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(go_on)
        try:
            with (
                attach(here, "mover", realm=realm, durable=True) as store,
                attach(there, "mover", realm=realm, durable=True) as other,
            ):
                wait_until(lambda: len(store.conversation("main")) > 0, "it begins")
                for _ in range(20):
                    before = len(store.conversation("main"))
                    store.export(pack)
                    other.import_(pack)
                    assert before <= len(other.conversation("main")) <= len(store.conversation("main"))
        finally:
            ended.set()
        working.result()
    with attach(here, "mover", realm=realm) as store, attach(there, "mover", realm=realm) as other:
        assert store.inventory() == other.inventory() == ({}, [])  # other agents of that name


def test_what_an_agent_has_is_told_whatever_it_is_called(here: Launcher, realm: str) -> None:
    with attach(here, "agent", realm=realm) as store:
        assert store.inventory() == ({}, [])
        with store.publish(UnitType.TOOL_DEF, TOOL) as unit:
            for name in ('quo"ted', "back\\slash", "\u00fcber", "a" * 255):
                store.set_head(name, unit.id)
            assert store.inventory() == (
                dict.fromkeys(('quo"ted', "back\\slash", "\u00fcber", "a" * 255), unit.id),
                [unit.id],
            )


def test_an_agent_that_goes_over_the_quota_there_is_not_half_there(
    here: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 0, 3)
        for number in range(20):
            store.publish(UnitType.KV_PAGE, bytes([number]) * 8192).release()
        store.export(pack)
    with running("--quota-bytes", "64K") as narrow, attach(narrow, "mover", durable=True) as store:
        before = units(narrow)
        store.publish(UnitType.KV_PAGE, bytes([7]) * 8192).release()  # owned before, and after
        had = store.inventory()
        with pytest.raises(QuotaError):
            store.import_(pack)
        assert store.inventory() == had
        wait_until(lambda: units(narrow) == before + 1, "what did not fit is freed")


class Forger:
    """Writes packs that are whole as packs, and wrong in what they say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("wb")
        self.writer = native().PackWriter(self.file.fileno())

    def finish(self, manifest: bytes) -> Path:
        self.writer.add(UnitType.CONVERSATION, 1, True, manifest)
        self.writer.finish()
        self.file.close()
        return self.path


def piece(unit: bytes, length: int, messages: int = 1, pieces: int = 1) -> bytes:
    return struct.pack("<32sQIIBBB13x", unit, length, messages, pieces, UnitType.CONVERSATION, 1, 1)


def test_a_rope_that_lies_about_its_messages_leaves_nothing(
    there: Launcher, realm: str, tmp_path: Path
) -> None:
    forger = Forger(tmp_path / "liar")
    parts = [forger.writer.add(UnitType.CONVERSATION, 1, False, b"part %d" % n) for n in range(600)]
    honest = forger.writer.add(
        UnitType.CONVERSATION, 2, False, b"".join(piece(p, len(b"part %d" % n)) for n, p in enumerate(parts))
    )
    liar = forger.writer.add(UnitType.CONVERSATION, 2, False, piece(parts[0], 6, messages=9))
    pack = forger.finish(Manifest("mover", "r", heads={"a": honest, "b": liar}).to_bytes())
    with attach(there, "mover", realm=realm, durable=True) as store:
        before = units(there)
        with pytest.raises(CorruptUnitError, match=r"the unit at byte \d+: piece 0 of the rope"):
            store.import_(pack)
        assert store.inventory() == ({}, [])
        wait_until(lambda: units(there) == before, "what a refused pack brought is freed")


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (b"{", "byte"),
        (b"[]", "version 1"),
        (b"[" * 100_000, "byte"),
        (b'{"nexus":"agent","version":1}', "'importance' is missing"),
        (Manifest("a\x1b[2J", "r").to_bytes(), "readable"),
        (Manifest("a", "r", importance=101).to_bytes(), "0 to 100"),
        (Manifest("a", "r", heads={"h": bytes(32)}).to_bytes(), "no entry is it"),
        (Manifest("a", "r", heads={"h": b"short"}).to_bytes(), "64 hexadecimal digits"),
        (Manifest("a", "r", spaces={bytes(32): ["the moon"]}).to_bytes(), "spaces"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(
    there: Launcher, realm: str, tmp_path: Path, manifest: bytes, why: str
) -> None:
    pack = Forger(tmp_path / "pack").finish(manifest)
    with (
        attach(there, "mover", realm=realm[:100], durable=True) as store,
        pytest.raises(CorruptUnitError, match=why),
    ):
        store.import_(pack)


def test_a_pack_without_end_is_none(tmp_path: Path) -> None:
    path = tmp_path / "half"
    with path.open("wb") as file:
        writer = native().PackWriter(file.fileno())
        writer.add(UnitType.TOOL_DEF, 1, False, TOOL)
        del writer
    with pytest.raises(CorruptUnitError, match="no end stands"):
        Pack.open(path)


def test_an_agent_that_runs_is_not_written_under_its_feet(there: Launcher, realm: str, small: bytes) -> None:
    with (
        attach(there, "mover", realm=realm, durable=True),
        attach(there, "mover", realm=realm, durable=True) as second,
        pytest.raises(AgentRunsError, match="1 more"),
    ):
        second.import_(io.BytesIO(small))


def test_an_import_that_is_killed_is_taken_away_by_the_next(
    here: Launcher, there: Launcher, realm: str, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    with attach(here, "mover", realm=realm, durable=True) as store:
        speak(store, "main", 0, 400)
        expected = heard(store, "main")
        store.export(pack)
        store.agent.forget()
    before = units(there)
    program = f"""
        import os, signal, sys
        from pathlib import Path
        from nexus.agentmem import Store
        from nexus.agentmem.placing import Placer
        def commit(self, *_, **__):
            self._keep()
            os.kill(os.getpid(), signal.SIGKILL)
        Placer.commit = commit
        store = Store.connect({str(there.socket)!r}, realm={realm!r}, agent="mover", durable=True)
        store.import_(Path({str(pack)!r}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    with attach(there, "mover", realm=realm, durable=True) as store:
        assert set(store.inventory().heads) == {STAGE}
        assert store.inventory().owned == []
        came = store.import_(pack)
        assert came.heads == {"main": "new"}
        assert set(store.inventory().heads) == {"main"}
        assert heard(store, "main") == expected
        store.agent.forget()
        wait_until(lambda: units(there) == before, "nothing of either import is left")


def test_a_list_of_ids_that_is_broken_is_refused() -> None:
    listed = io.BytesIO()
    Known(Known.new_key(), [os.urandom(32) for _ in range(4)]).write(listed)
    whole = listed.getvalue()
    flipped = whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]
    for broken in (b"", whole[:-1], whole + b"x", b"X" + whole[1:], flipped, whole[:40]):
        with pytest.raises(CorruptUnitError, match=r"byte \d+"):
            Known.read(io.BytesIO(broken))
    assert len(Known.read(io.BytesIO(whole)).names) == 4
