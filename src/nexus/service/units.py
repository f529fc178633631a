"""What passes the service becomes units of AgentMem: prompts, tools and conversations, each once.

Answers hand over what was said and go on; one thread of its own cleans, cuts and appends what is new.
A conversation is known by what it begins with: who sends it back longer goes on with it, who changes an
earlier word begins another. Invariants: nobody waits for this; what waits is bounded in number and bytes,
and what is dropped is counted; nothing that holds a credential is handed to the broker.
"""

from __future__ import annotations

import hashlib
import logging
import secrets as random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from nexus.agentmem import Store
from nexus.agentmem.conversation import Conversation
from nexus.agentmem.errors import AgentMemError, BrokerGoneError, UnitNotFoundError
from nexus.core.errors import NexusError
from nexus.core.settings import AgentmemSettings
from nexus.engine.base import ChatMessage, ChatRequest, Role, ToolCall
from nexus.service.broker import Broker
from nexus.service.cleaning import Cleaner
from nexus.service.conversations import Conversations, Kept
from nexus.service.cutting import Cut, cut, messages, preface, reply

_log = logging.getLogger(__name__)
MOST_WAITING, MOST_WAITING_BYTES = 256, 64 * 2**20
DEFAULT_REALM, OWN_PROGRAM = "default", "NexusOS"
_MOST_STORES, _MOST_SESSIONS, _MOST_CONVERSATIONS = 32, 1024, 20_000
_TRIES, _RETRY_SECONDS, _ANSWER_SECONDS = 3, 10.0, 30.0
_FORGET_EVERY, _FORGET_SECONDS, _STOP_SECONDS = 64, 600.0, 10.0
# Of one core, while nobody waits for the queue: more would be felt by who is being answered.
_SHARE, _LONGEST_PAUSE = 0.25, 0.25
_LONGEST_NAME = 180  # bytes; the broker takes 255


@dataclass(frozen=True, slots=True)
class Passed:
    """A request with its answer, or (with `said`) one message of a session that hooks told of."""

    program: str
    session: str
    project: str
    request: ChatRequest | None = None
    answer: str = ""
    calls: tuple[ToolCall, ...] = ()
    said: ChatMessage | None = None

    @property
    def size(self) -> int:
        """Characters, about."""
        told = [*(self.request.messages if self.request else ()), *([self.said] if self.said else ())]
        return len(self.answer) + sum(
            len(m.content) + sum(len(c.arguments) for c in m.tool_calls) for m in told
        )


class Units:
    """`heard` and `said` may be called from any thread, and return at once."""

    def __init__(self, broker: Broker, settings: AgentmemSettings) -> None:
        self._broker, self._settings = broker, settings
        self.recording = settings.enabled and settings.record
        self._waiting: deque[Passed] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stopping = self._forgetting = False
        self._busy = False
        self.recorded = self.dropped = 0
        self.problem = ""
        self._totals = (0, 0)
        self._cleaner = Cleaner()
        self._stores: OrderedDict[tuple[str, str], Store] = OrderedDict()
        self._projects: OrderedDict[str, str] = OrderedDict()  # by session
        self._heard: OrderedDict[str, None] = OrderedDict()  # sessions that pass the interfaces themselves
        self._known: Conversations | None = None
        self._thread = threading.Thread(target=self._run, name="nexus-units", daemon=True)

    def start(self) -> None:
        """Begin to keep."""
        if self._settings.enabled:
            self._thread.start()

    def stop(self) -> None:
        """Keep what still waits, as long as that is quick, and end. Calling it twice is harmless."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def heard(
        self,
        request: ChatRequest,
        answer: str,
        calls: Sequence[ToolCall],
        *,
        program: str = OWN_PROGRAM,
        session: str = "",
        project: str = "",
    ) -> None:
        """A request was answered."""
        self._put(Passed(program, session, project, request, answer, tuple(calls)))

    def said(self, text: str, role: Role, *, program: str, session: str, project: str) -> None:
        """Somebody said something in a session that passes by here only in its hooks."""
        if text.strip() and session:
            self._put(Passed(program, session, project, said=ChatMessage(role, text)))

    def forget(self) -> None:
        """Forget every conversation that was kept, soon."""
        with self._changed:
            self._forgetting = True
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """What is not kept yet."""
        with self._changed:
            return len(self._waiting) + self._busy

    def as_dict(self) -> dict[str, Any]:
        """For `/api/status`."""
        return {
            "recording": self.recording,
            "recorded": self.recorded,
            "dropped": self.dropped,
            "waiting": self.waiting,
            "conversations": self._totals[0],
            "conversation_bytes": self._totals[1],
            "keep_days": self._settings.keep_days,
            "keep_bytes": self._settings.keep_mib << 20,
        }

    def _put(self, passed: Passed) -> None:
        if not self.recording:
            return
        with self._changed:
            full = (
                len(self._waiting) >= MOST_WAITING or self._waiting_bytes + passed.size > MOST_WAITING_BYTES
            )
            if full or self._stopping or self._broker.state in ("missing", "off"):
                self.dropped += 1
                return
            self._waiting.append(passed)
            self._waiting_bytes += passed.size
            self._changed.notify_all()

    def _run(self) -> None:
        kept, next_look = 0, 0.0
        try:
            self._known = Conversations(self._broker.folder / "conversations.db")
            self._totals = self._known.totals()
        except NexusError as error:
            self.problem, self.recording = str(error), False
            _log.error("conversations are not kept: %s", error)
            return
        deadline = float("inf")
        while True:
            with self._changed:
                self._busy = False
                if not self._waiting and not self._stopping and not self._forgetting:
                    self._changed.wait(max(0.0, min(_FORGET_SECONDS, next_look - time.monotonic())))
                if self._stopping:
                    deadline = min(deadline, time.monotonic() + _STOP_SECONDS)
                if self._stopping and (not self._waiting or time.monotonic() > deadline):
                    self.dropped += len(self._waiting)
                    break
                passed = self._waiting.popleft() if self._waiting else None
                self._waiting_bytes -= passed.size if passed else 0
                self._busy = passed is not None
            began = time.thread_time()
            if passed:
                self._try(passed, deadline)
                kept += 1
            if self._forgetting or kept % _FORGET_EVERY == 0 or time.monotonic() >= next_look:
                next_look = time.monotonic() + _FORGET_SECONDS
                self._forget_old()
            self._totals = self._known.totals()
            self._rest(time.thread_time() - began)
        self._close()
        self._known.close()

    def _rest(self, used: float) -> None:
        with self._changed:
            if len(self._waiting) < MOST_WAITING // 2 and not self._stopping:
                self._changed.wait_for(lambda: self._stopping, min(_LONGEST_PAUSE, used * (1 / _SHARE - 1)))

    def _try(self, passed: Passed, deadline: float) -> None:
        problem = ""
        for _ in range(_TRIES):
            patience = min(_RETRY_SECONDS, max(0.0, deadline - time.monotonic()))
            if not self._broker.await_ready(patience):
                problem = self._broker.problem or "the broker of AgentMem does not answer"
                break
            try:
                self._keep(passed)
            except BrokerGoneError as error:
                problem = str(error)
                self._close()
                self._broker.lost()
                continue
            except NexusError as error:
                problem = str(error)
                break
            except Exception as error:
                _log.exception("a conversation was not kept")
                problem = f"a bug of NexusOS: {error!r}"
                break
            self.recorded += 1
            self.problem = ""
            return
        self.dropped += 1
        if problem != self.problem:
            _log.warning("a conversation was not kept: %s", problem)
        self.problem = problem

    def _keep(self, passed: Passed) -> None:
        session = passed.session
        if passed.said:
            _remember(self._projects, session, passed.project)
            if session in self._heard:
                return  # the same words come whole by the interface
        elif session:
            _remember(self._heard, session, None)
        realm = passed.project or self._projects.get(session, "") or DEFAULT_REALM
        place = self._name(realm), self._name(f"{passed.program} {session}".strip())
        if passed.said:
            self._tell(*place, passed.said)
        elif passed.request:
            self._go_on(*place, passed.request, reply(passed.answer, passed.calls))

    def _go_on(self, realm: str, agent: str, request: ChatRequest, answer: list[Cut]) -> None:
        """Append what is new of a conversation that came whole."""
        assert self._known
        found: dict[str, tuple[str, str]] = {}
        first = list(self._cleaner.clean(preface(request), found))
        parts = [list(self._cleaner.clean(one, found)) for one in messages(request)]
        asked = len(parts)
        if answer:
            parts.append(list(self._cleaner.clean(answer, found)))
        digests = [_digest(b"", first)]
        for part in parts:
            digests.append(_digest(digests[-1], part))
        if not parts:
            return
        store = self._store(realm, agent)
        tips = digests[1:]
        old: Kept | None = None
        known = self._known.ends_at(realm, agent, tips)
        if known:
            (old, at), *shorter = known
            conversation = store.conversation(old.name)
            if conversation.id == old.head:
                self._append(old, conversation, parts[at + 1 :], digests, bool(answer))
                for beginning, _ in shorter:
                    self._drop(beginning)  # all that it says is said here, too
                return
            # Half appended when something died: it is kept as it is and begun anew.
            self._known.put(replace(old, tip=b"", asked=None))
            old = None
        else:
            # A client may tell the last answer otherwise than it was given; then its own words hold.
            said = self._known.asked_at(realm, agent, tips[: asked - 1])
            old = said[0][0] if said else None
        now = time.time()
        made = Kept(random.token_hex(8), realm, agent, b"", None, b"", 0, now, now)
        conversation = store.conversation(made.name)
        for piece in first:
            conversation.append(piece.type, piece.text.encode("utf-8", "replace"), piece.starts)
        self._append(made, conversation, parts, digests, bool(answer))
        if old:
            self._drop(old)

    def _append(
        self,
        kept: Kept,
        conversation: Conversation,
        parts: Sequence[Sequence[Cut]],
        digests: Sequence[bytes],
        answered: bool,
    ) -> None:
        assert self._known
        for part in parts:
            for piece in part:
                conversation.append(piece.type, piece.text.encode("utf-8", "replace"), piece.starts)
        self._known.put(
            replace(
                kept,
                tip=digests[-1],
                asked=digests[-2] if answered else None,
                head=conversation.id or b"",
                bytes=conversation.bytes_total,
                used=time.time(),
            )
        )

    def _tell(self, realm: str, agent: str, message: ChatMessage) -> None:
        """Append one message to the conversation of a session that is only heard of."""
        assert self._known
        parts = [list(self._cleaner.clean(cut(message), {}))]
        # There is one for each agent; what stands before is not known here, so it is found by this mark.
        mark = _digest(b"hooks", parts[0][:0])
        known = self._known.ends_at(realm, agent, [mark])
        now = time.time()
        kept = known[0][0] if known else Kept(random.token_hex(8), realm, agent, mark, None, b"", 0, now, now)
        conversation = self._store(realm, agent).conversation(kept.name)
        self._append(kept, conversation, parts, [mark], answered=False)

    def _store(self, realm: str, agent: str) -> Store:
        place = (realm, agent)
        store = self._stores.pop(place, None)
        if store is None:
            store = Store.connect(
                self._broker.socket, realm=realm, agent=agent, durable=True, timeout=_ANSWER_SECONDS
            )
        self._stores[place] = store
        if len(self._stores) > _MOST_STORES:
            self._stores.popitem(last=False)[1].close()
        return store

    def _close(self) -> None:
        while self._stores:
            with suppress(AgentMemError):
                self._stores.popitem()[1].close()

    def _forget_old(self) -> None:
        """What is too old, or too much; everything where that was asked for."""
        assert self._known
        everything, self._forgetting = self._forgetting, False
        try:
            while (kept := self._known.oldest()) and not self._stopping:
                count, size = self._known.totals()
                late = kept.used < time.time() - self._settings.keep_days * 86_400
                much = size > self._settings.keep_mib << 20 or count > _MOST_CONVERSATIONS
                if not (everything or late or much) or self._broker.state != "ready":
                    return
                self._drop(kept)
        except NexusError as error:
            _log.warning("old conversations are forgotten later: %s", error)
            self._close()

    def _drop(self, kept: Kept) -> None:
        assert self._known
        with suppress(UnitNotFoundError):
            self._store(kept.realm, kept.agent).set_head(kept.name, None)
        self._known.remove(kept.name)
        if not self._known.of(kept.realm, kept.agent):
            store = self._stores.pop((kept.realm, kept.agent), None)
            if store:
                store.close()
            with (
                Store.connect(self._broker.socket, realm=kept.realm, agent="nexus-service") as other,
                suppress(UnitNotFoundError),
            ):
                other.agent_named(kept.agent).forget()

    def _name(self, text: str) -> str:
        """A name that the broker takes: clean, printable, and not too long, yet its own."""
        name = "".join(c if c.isprintable() else " " for c in self._cleaner.name(text)) or "no name"
        data = name.encode("utf-8", "replace")
        if len(data) <= _LONGEST_NAME:
            return data.decode()
        rest = hashlib.blake2b(data, digest_size=8).hexdigest()
        return f"{data[:_LONGEST_NAME].decode(errors='ignore')}~{rest}"


def _digest(before: bytes, pieces: Sequence[Cut]) -> bytes:
    """Stands for a conversation up to here."""
    digest = hashlib.blake2b(before, digest_size=16)
    for piece in pieces:
        data = piece.text.encode("utf-8", "replace")
        digest.update(b"%d %d %d\n" % (piece.type, piece.starts, len(data)))
        digest.update(data)
    return digest.digest()


def _remember(into: OrderedDict[str, Any], key: str, value: Any) -> None:
    into[key] = value
    into.move_to_end(key)
    while len(into) > _MOST_SESSIONS:
        into.popitem(last=False)
