"""Our engine inside the worker: loads the model, opens its store, serves the socket.

Invariants: one process has a store; what cannot be opened is said in one line and nothing is started. A
store is a cache: one that is damaged or of another model is begun anew, with a warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from nexus.core.atomic import sweep, write_text
from nexus.core.errors import InvalidInputError, StorageError
from nexus.engine.local.desk import ChatDesk
from nexus.engine.local.names import BLOCK_TOKENS, Names, root_name
from nexus.engine.local.scheduler import Scheduler
from nexus.engine.local.server import WorkerServer
from nexus.engine.local.stream import Limits, new_context
from nexus.engine.local.streams import Streams
from nexus.engine.local.template import DEFAULT, ChatTemplate
from nexus.engine.worker_settings import WorkerSettings

if TYPE_CHECKING:
    from nexus._engine import Model, Store

log = logging.getLogger(__name__)

IDLE_STREAMS = 4
LEAST_BLOCKS = 64
MOST_BLOCKS = 2**32 - 1
_CHUNK = 8 << 20


class LocalWorker:
    """A loaded model that listens on `settings.socket`.

    Raises `StorageError` for a store that cannot be used, `InvalidInputError` for too little RAM, and what
    the compiled engine raises for the model's file.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        from nexus._engine import Model

        self.listening_address = settings.socket
        folder = Path(settings.store)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        path = Path(settings.model)
        model = Model(str(path), settings.threads)
        model_id = identity(path, folder / "model.json")
        trained = model.config["trained_context"]
        limits = Limits(exact_tokens=min(settings.exact_tokens or trained, trained))
        blocks = min(MOST_BLOCKS, max(LEAST_BLOCKS, settings.store_disk_bytes // model.block_bytes))
        # Names only after the store: its lock says that nobody else has them.
        store = opened(folder, model, model_id, settings.store_ram_bytes, blocks)
        sweep(folder)
        self._streams = Streams(
            model,
            store,
            Names(folder / "names.db", root_name(model_id, limits.profile())),
            limits,
            kept=IDLE_STREAMS,
            ram_bytes=_enough(model, store, limits, settings.store_ram_bytes),
        )
        self._scheduler = Scheduler(model, self._streams, at_once=settings.streams)
        source = model.text("tokenizer.chat_template") or DEFAULT
        template = ChatTemplate(source, bos=_text(model, "bos"), eos=_text(model, "eos"))
        # What the disk cannot hold does not fit, and is refused before anything is read.
        window = min(settings.context or trained, blocks * BLOCK_TOKENS)
        desk = ChatDesk(model, self._streams, self._scheduler, template, window=window)
        try:
            self._server = WorkerServer(settings.socket, settings.key, desk)
        except OSError as error:
            raise StorageError.from_os(error, settings.socket) from error
        self._scheduler.start()
        Thread(target=self._server.serve_forever, name="engine-http", daemon=True).start()

    def stop(self) -> None:
        """Bring finished blocks to the disk and close."""
        # First what is worth something: the parent does not wait for ever.
        self._scheduler.stop()
        self._server.shutdown()


def opened(folder: Path, model: Model, model_id: bytes, ram_bytes: int, blocks: int) -> Store:
    """The store in `folder`, for this process alone. Raises `StorageError`, `InvalidInputError`."""
    from nexus._engine import EngineIoError, FormatError, LimitError, Store

    def attempt() -> Store:
        return Store(str(folder / "blocks"), model, model_id, ram_bytes=ram_bytes, capacity_blocks=blocks)

    try:
        try:
            return attempt()
        except FormatError as error:
            log.warning("stored context is forgotten and computed again: %s", error)
            for name in ("blocks", "names.db", "names.db-wal", "names.db-shm"):
                (folder / name).unlink(missing_ok=True)
            return attempt()
    except LimitError as error:
        raise InvalidInputError(
            f"{ram_bytes >> 20} MiB of RAM for pages will not do: {error}",
            hint="raise engine.ram_mib, or --ram",
        ) from error
    except EngineIoError as error:
        raise StorageError(
            f"the engine's store cannot be opened: {error}",
            hint="see that no other process has it, and that the disk has room",
        ) from error
    except OSError as error:
        raise StorageError.from_os(error, folder) from error


def _enough(model: Model, store: Store, limits: Limits, ram_bytes: int) -> int:
    """`ram_bytes`, if they do for a short conversation. Raises `InvalidInputError`."""
    least = store.least_ram + new_context(model, store, limits).ram_bytes
    if ram_bytes < least:
        raise InvalidInputError(
            f"{ram_bytes >> 20} MiB of RAM for pages will not do: this model needs {-(-least >> 20)}",
            hint="raise engine.ram_mib, or --ram",
        )
    return ram_bytes


def identity(model: Path, cache: Path) -> bytes:
    """sha256 of the model file; read anew only when its size or time of change is another."""
    stat = model.stat()
    facts = [str(model), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    try:
        known = json.loads(cache.read_text())
        if known["file"] == facts:
            return bytes.fromhex(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not known yet, or not written whole: it is computed
    digest = hashlib.sha256()
    try:
        with model.open("rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                digest.update(data)
    except OSError as error:
        raise StorageError(f"{model} cannot be read: {error.strerror}") from error
    try:
        write_text(cache, json.dumps({"file": facts, "sha256": digest.hexdigest()}))
    except StorageError as error:
        log.warning("the model's checksum is computed again at the next start: %s", error)
    return digest.digest()


def _text(model: Model, which: str) -> str:
    token = getattr(model.tokenizer, which)
    return "" if token is None else model.tokenizer.piece(token, special=True).decode("utf-8", "replace")
