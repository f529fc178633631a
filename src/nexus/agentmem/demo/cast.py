"""The processes of a demo: the keeper with the broker, and the players. Each ends with the pipe it reads.

Knows nothing of scripts. Invariant: when `close` returns, no process and no folder of it is left; when this
process is killed, none is left soon after.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nexus.core.errors import NexusError, StorageError

_PATIENCE = 20.0  # seconds until a player that was told to end is made to
_KEEPER_PATIENCE = 90.0  # the broker has 60 to end


class Worker:
    """One child that reads orders and writes lines of JSON."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path | None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        errors = log.open("wb") if log is not None else None
        try:
            # A session of its own: Ctrl-C at the terminal is for the demo, which then ends all in order.
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        finally:
            if errors is not None:
                errors.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def order(self, what: dict[str, Any]) -> None:
        """Send an order. Raises `StorageError` when nobody reads it."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise self.ended() from error

    def line(self) -> dict[str, Any]:
        """The next line that it says. Raises `StorageError` when it has ended."""
        assert self.process.stdout
        text = self.process.stdout.readline()
        if not text.endswith(b"\n"):
            raise self.ended()
        return dict(json.loads(text))

    def ended(self) -> StorageError:
        """What is said of one that ended before its time."""
        words = ""
        if self.log is not None and self.log.is_file():
            words = self.log.read_text(errors="replace").strip()[-1000:]
        return StorageError(f"the {self.name} has ended", hint=words)

    def hang_up(self) -> None:
        """It may end: nothing more is said to it."""
        assert self.process.stdin
        with suppress(OSError):  # what was still to be written may have no reader
            self.process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Until it has ended; made to when it takes too long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class Cast:
    """A broker in a folder of its own, and players. A context manager."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        module = [sys.executable, "-m", "nexus.agentmem.demo.keeper"]
        self.players: list[Worker] = []
        self._keeper = Worker("keeper of the broker", [*module, *options], None)
        try:
            found = self._keeper.line()
            if "error" in found:
                raise StorageError(found["error"], hint=found["hint"])
        except BaseException:
            self.close()
            raise
        self.folder, self.socket = Path(found["folder"]), Path(found["socket"])
        self.broker = int(found["pid"])

    def add(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Worker:
        """One more player."""
        worker = Worker(name, command, self.folder / f"{name.replace(' ', '-')}.log", environment)
        self.players.append(worker)
        return worker

    def ask(
        self, orders: Sequence[dict[str, Any]], progress: Callable[[int], object] = lambda _: None
    ) -> list[dict[str, Any]]:
        """One order to each player, all at a time; their answers in the same order.

        Raises `StorageError` when one ends, `NexusError` with what one could not do.
        """
        heard: queue.Queue[tuple[int, dict[str, Any] | NexusError]] = queue.Queue()

        def listen(number: int, worker: Worker) -> None:
            try:
                while True:
                    line = worker.line()
                    heard.put((number, line))
                    if "done" in line:
                        return
            except (NexusError, ValueError, OSError) as error:
                heard.put((number, error if isinstance(error, NexusError) else StorageError(str(error))))

        for number, (worker, order) in enumerate(zip(self.players, orders, strict=True)):
            worker.order(order)
            threading.Thread(target=listen, args=(number, worker), daemon=True).start()
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < len(self.players):
            number, said = heard.get()
            if isinstance(said, NexusError):
                raise said
            if "error" in said:
                raise NexusError(f"the {self.players[number].name} could not {said['done']}: {said['error']}")
            if "done" in said:
                answers[number] = said
            else:
                progress(said["progress"])
        return [answers[number] for number in range(len(self.players))]

    def close(self) -> None:
        """End them all, the broker last."""
        for worker in self.players:
            worker.hang_up()
        for worker in self.players:
            worker.wait(_PATIENCE)
        self.players.clear()
        self._keeper.hang_up()
        self._keeper.wait(_KEEPER_PATIENCE)

    def __enter__(self) -> Cast:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
