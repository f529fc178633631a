"""A broker of a test's own, stores attached to it, and what they say to each other.

Skips with the reason where it cannot be built.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.broker import find_broker
from nexus.agentmem.native import native
from nexus.core.errors import MissingPartError

PATIENCE = 60.0  # seconds until a condition that must come is given up
TOOL = b'{"name": "read", "description": "Read a file"}' * 40  # what `speak` has in every message


def skip_where_it_is_not_built() -> None:
    """Skip the test that asks, with the reason, where there is no module or no broker."""
    try:
        native()
        find_broker()
    except MissingPartError as error:
        pytest.skip(str(error))


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder that goes away, with a path so short that a socket fits into it (107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="am-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(*options: str) -> Iterator[Launcher]:
    """A broker in a folder of its own, without cold tier unless asked for."""
    skip_where_it_is_not_built()
    given = list(options) if "--cold" in options else [*options, "--cold", "0"]
    with short_folder() as folder, Launcher(folder, options=given) as launcher:
        yield launcher


def attach(launcher: Launcher, agent: str, **options: Any) -> Store:
    """A store at that broker."""
    return Store.connect(launcher.socket, agent=agent, timeout=PATIENCE, **options)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Until it holds; fails with `what` when it never does."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def speak(store: Store, name: str, first: int, last: int, seed: int = 1) -> None:
    """Messages [first, last) of a conversation: a line of our own, the same tool again, a result."""
    conversation = store.conversation(name)
    for number in range(first, last):
        text = random.Random(f"{seed} {number}").randbytes(40).hex().encode()
        conversation.append(UnitType.CONVERSATION, b"user %d %s" % (number, text))
        conversation.append(UnitType.TOOL_DEF, TOOL, starts=False)
        conversation.append(UnitType.TOOL_RESULT, text * (number % 7), starts=False)


def heard(store: Store, name: str) -> list[bytes]:
    """Its messages."""
    return [bytes(message) for message in store.conversation(name)]
