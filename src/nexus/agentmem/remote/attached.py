"""AttachedShelf: where a store looks for a unit that it does not have; for `Store.attach_shelf`.

An agent on another host tells a unit's name (`SharedSpace.name_of`), and `Store.acquire` of that name brings
it here. Invariant: a shelf that does not answer costs an agent one time-out in `pause` seconds, and is for it
as if the unit were nowhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from nexus.agentmem.errors import UnitNotFoundError
from nexus.agentmem.remote.shelf import ShelfFullError, ShelfGoneError

if TYPE_CHECKING:
    from nexus.agentmem.remote.space import SharedSpace
    from nexus.agentmem.store import Store
    from nexus.agentmem.unit import Unit

_REMEMBERED = 4096  # names whose id here is known

_log = logging.getLogger(__name__)


class AttachedShelf:
    """For any number of stores of one realm. Give the space a shelf with a short time-out and no retries."""

    def __init__(self, space: SharedSpace, *, pause: float = 30.0) -> None:
        self._space = space
        self._pause = pause
        self._silent_until = 0.0
        self._ids: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def acquire(self, store: Store, here: Callable[[bytes], Unit], unit: bytes) -> Unit:
        """See nexus.agentmem.store.Source. Raises `LyingShelfError` for other content than was asked."""
        try:
            return here(unit)
        except UnitNotFoundError as error:
            with self._lock:
                known = self._ids.get(unit)
            try:
                return here(known if known is not None else self._bring(store, unit, error))
            except UnitNotFoundError:
                if known is None:
                    raise
            return here(self._bring(store, unit, error))  # it was let go here since

    def _bring(self, store: Store, name: bytes, error: UnitNotFoundError) -> bytes:
        if time.monotonic() < self._silent_until:
            raise error
        try:
            brought = self._space.pull_unit(store, name)
        except UnitNotFoundError:
            raise error from None
        except (ShelfGoneError, ShelfFullError) as failure:
            self._silent_until = time.monotonic() + self._pause
            _log.warning("%s; not asked again for %g seconds", failure.message, self._pause)
            raise error from failure
        with self._lock:
            self._ids[name] = brought
            while len(self._ids) > _REMEMBERED:
                self._ids.popitem(last=False)
        return brought
