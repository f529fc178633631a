"""What is hard on a client: eviction, forks, threads, a broker that goes away, quotas, many references."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from nexus.agentmem import BrokerGoneError, ForkedError, Launcher, QuotaError, Store, Unit, UnitType
from nexus.agentmem.broker import find_broker
from nexus.agentmem.native import native
from nexus.core.errors import ConfigError, MissingPartError, StorageError
from tests.agentmem_store import attach, running, wait_until


def content(n: int, size: int = 40_000) -> bytes:
    """Text that shrinks, and differs from all others."""
    line = f"unit {n}: the quick brown fox jumps over {n * 7919 % 1009} lazy dogs\n".encode()
    return (line * (size // len(line) + 1))[:size]


def test_held_units_stay_while_the_broker_evicts_all_others() -> None:
    with running("--hot", "4M", "--warm", "64M") as launcher, attach(launcher, "agent") as store:
        held = [store.publish(UnitType.TOOL_RESULT, content(n)) for n in range(20)]
        views = [memoryview(unit) for unit in held]
        names = [store.publish(UnitType.TOOL_RESULT, content(n)).id for n in range(20, 400)]  # 15 MB
        wait_until(lambda: store.stats()["store"]["evictions_warm"] > 100, "nothing was evicted")
        assert [bytes(view) for view in views] == [content(n) for n in range(20)]
        # What went away comes back, byte for byte, in an order of its own.
        for n in sorted(range(20, 400), key=lambda n: n * 7919 % 1009):
            assert bytes(store.acquire(names[n - 20])) == content(n)
        assert [bytes(view) for view in views] == [content(n) for n in range(20)]
        assert store.stats()["store"]["restores_warm"] > 0


def test_threads_read_while_the_broker_evicts() -> None:
    with running("--hot", "4M", "--warm", "64M") as launcher, attach(launcher, "agent") as store:
        names = [store.publish(UnitType.TOOL_RESULT, content(n)).id for n in range(200)]  # 8 MB
        wrong: list[str] = []

        def read(seed: int) -> None:
            try:
                for n in range(600):
                    at = (n * 31 + seed * 17) % len(names)
                    with store.acquire(names[at]) as unit:
                        if bytes(unit) != content(at):
                            wrong.append(f"{at} has other bytes")
            except Exception as error:  # a thread's end is told by the test
                wrong.append(repr(error))

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_a_child_does_not_use_its_parents_store() -> None:
    with running() as launcher, attach(launcher, "parent") as store:
        unit = store.publish(UnitType.TOOL_DEF, content(1))
        talk = store.conversation("talk")
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            told = "nothing was checked"
            try:
                refused = 0
                for call in (
                    lambda: store.acquire(unit.id),
                    lambda: store.publish(UnitType.TOOL_DEF, b"x"),
                    lambda: store.identify(UnitType.TOOL_DEF, b"x"),
                    lambda: talk.append(UnitType.CONVERSATION, b"x"),
                    lambda: memoryview(unit),
                    store.stats,
                    store.reconnect,
                ):
                    try:
                        call()
                    except ForkedError:
                        refused += 1
                unit.release()
                store.close()
                with attach(launcher, "child") as own:
                    same = bytes(own.publish(UnitType.TOOL_DEF, content(1))) == content(1)
                told = f"{refused} refused, own store works: {same}"
            except BaseException as error:
                told = repr(error)
            os.write(write_end, told.encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            assert pipe.read() == "7 refused, own store works: True"
        os.waitpid(child, 0)
        assert bytes(unit) == content(1)
        assert bytes(store.acquire(unit.id)) == content(1)


def test_after_a_broker_is_gone_held_units_are_read_and_a_new_one_is_attached_to() -> None:
    with running() as launcher, attach(launcher, "agent") as store:
        unit = store.publish(UnitType.TOOL_DEF, content(1))
        large = store.publish(UnitType.TOOL_DEF, content(2, 3_000_000))
        view = memoryview(large)
        launcher.stop()
        with pytest.raises(BrokerGoneError):
            store.publish(UnitType.TOOL_DEF, b"new")
        with pytest.raises(BrokerGoneError):
            store.reconnect()
        assert bytes(unit) == content(1)
        launcher.start()
        with pytest.raises(BrokerGoneError, match="am_reconnect"):
            store.publish(UnitType.TOOL_DEF, b"new")
        store.reconnect()
        assert bytes(unit) == content(1)
        assert view == content(2, 3_000_000)
        again = store.publish(UnitType.TOOL_DEF, content(1))
        assert (again.id, again.existed) == (unit.id, False)
        unit.release()
        view.release()
        large.release()
        assert bytes(store.publish(UnitType.TOOL_DEF, b"new")) == b"new"


def test_a_broker_that_is_killed_comes_back_with_what_is_owned_and_held() -> None:
    with running() as launcher, attach(launcher, "agent") as store:
        owned = [store.publish(UnitType.TOOL_DEF, content(n)).id for n in range(10)]
        held = [store.acquire(name) for name in owned[:5]]
        lent = store.publish(UnitType.TOOL_DEF, content(10))
        store.disown(lent.id)  # only the reference keeps it
        talk = store.conversation("talk")
        for n in range(300):
            talk.append(UnitType.CONVERSATION, b"said %d" % n)
        for _ in range(3):
            os.kill(store.stats()["process"]["pid"], signal.SIGKILL)

            def attached() -> bool:
                try:
                    store.reconnect()
                    store.stats()
                except BrokerGoneError:
                    return False
                return True

            wait_until(attached, "no broker came back")
            assert [bytes(unit) for unit in held] == [content(n) for n in range(5)]
            assert [bytes(store.acquire(name)) for name in owned] == [content(n) for n in range(10)]
            assert bytes(store.acquire(lent.id)) == content(10)
            assert [bytes(message) for message in talk] == [b"said %d" % n for n in range(300)]
        talk.append(UnitType.CONVERSATION, b"said 300")
        assert len(store.conversation("talk")) == 301
        assert store.agent.figures()["references"] >= 6  # the old page's count too, for a while


def test_reconnecting_to_a_living_broker_keeps_what_is_owned_and_held() -> None:
    with running() as launcher, attach(launcher, "agent") as store:
        name = store.publish(UnitType.TOOL_DEF, content(1)).id
        held = store.publish(UnitType.TOOL_DEF, content(2))
        store.disown(held.id)
        stop = threading.Event()
        wrong: list[str] = []

        def read() -> None:
            while not stop.is_set():
                with store.acquire(name) as unit:
                    if bytes(unit) != content(1):
                        wrong.append("other bytes")

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(25):
                store.reconnect()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        wait_until(lambda: store.agent.figures()["connections"] == 1, "old connections stayed")
        assert store.agent.figures()["references"] == 1
        assert bytes(held) == content(2)
        assert bytes(store.acquire(held.id)) == content(2)
        assert bytes(store.acquire(name)) == content(1)


def test_a_quota_is_an_error_and_costs_nothing_else() -> None:
    with running("--quota-bytes", "1M") as launcher, attach(launcher, "agent") as store:
        first = store.publish(UnitType.TOOL_DEF, content(1))
        with pytest.raises(QuotaError):
            [store.publish(UnitType.TOOL_DEF, content(n)) for n in range(2, 60)]
        assert bytes(store.acquire(first.id)) == content(1)


def test_references_may_be_many_and_are_all_given_back() -> None:
    with running() as launcher, attach(launcher, "agent") as store:
        names = [store.publish(UnitType.TOOL_DEF, content(n, 100)).id for n in range(50)]
        held = [store.acquire(names[n % 50]) for n in range(20_000)]
        assert store.agent.figures()["references"] == 20_000
        assert all(bytes(held[n]) == content(n % 50, 100) for n in range(0, 20_000, 371))
        held.clear()
        assert store.agent.figures()["references"] == 0


def test_the_limit_of_references_is_a_quota_error() -> None:
    with running() as launcher, attach(launcher, "agent") as store:
        name = store.publish(UnitType.TOOL_DEF, b"one").id
        held: list[Unit] = []
        with pytest.raises(QuotaError, match="release some"):
            held.extend(store.acquire(name) for _ in range(1 << 18))
        assert len(held) > 200_000
        held.clear()
        assert bytes(store.acquire(name)) == b"one"


def test_a_stopped_broker_is_a_time_out_and_late_answers_harm_nobody() -> None:
    with running() as launcher, attach(launcher, "agent") as other:
        pid = other.stats()["process"]["pid"]
        store = Store.connect(launcher.socket, agent="impatient", timeout=0.2)
        unit = store.publish(UnitType.TOOL_DEF, content(1))
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                with pytest.raises(BrokerGoneError, match="did not answer"):
                    store.head("nothing")
            assert bytes(store.acquire(unit.id)) == content(1)  # asks nobody
        finally:
            os.kill(pid, signal.SIGCONT)

        def works() -> bool:
            try:
                return bytes(store.publish(UnitType.TOOL_DEF, content(3))) == content(3)
            except BrokerGoneError:
                return False

        wait_until(works, "the store did not work again")
        store.close()


def test_a_launcher_says_why_a_broker_does_not_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running() as launcher:
        second = Launcher(launcher.folder, socket=launcher.folder / "two.sock", options=["--hot", "nonsense"])
        with pytest.raises(StorageError, match="nonsense"):
            second.start()
    with pytest.raises(ConfigError):
        Launcher(tmp_path_factory.mktemp("x" * 100))


def test_a_missing_broker_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_AGENTMEMD", "/nowhere/nexus-agentmemd")
    with pytest.raises(MissingPartError, match="make up"):
        find_broker()


def test_a_missing_compiled_part_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    native.cache_clear()
    monkeypatch.setitem(sys.modules, "nexus._agentmem", None)
    monkeypatch.delattr("nexus._agentmem", raising=False)
    try:
        with pytest.raises(MissingPartError, match="make up"):
            Store.connect("/nowhere/agentmem.sock")
    finally:
        native.cache_clear()
