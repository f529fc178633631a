"""ValkeyShelf: a shelf on a Valkey or Redis server, or a cluster of them.

A value above a MiB lies in pieces beside its key, in the same slot of a cluster; the key then says which.
It connects when it is first used. Every call ends: each question has `timeout` seconds, is asked again at
most `retries` times, and then it is a `ShelfGoneError`. Invariant: a key whose pieces are not all there is
not there.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nexus.agentmem.remote.shelf import (
    VALUE_BYTES,
    LyingShelfError,
    ShelfError,
    ShelfFullError,
    ShelfGoneError,
    check,
)
from nexus.core.errors import ConfigError, MissingPartError

SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")
PIECE = 1 << 20
_WHOLE, _PIECES = b"\0", b"\1"
_HEAD = struct.Struct("<8sIQ")  # of a value in pieces: which writing, how many, bytes in all
_AT_ONCE = 128  # keys in a pipeline
_BYTES_AT_ONCE = 8 << 20
MEND = "pip install 'nexusos[agentmem-remote]'"
_T = TypeVar("_T")


class ValkeyShelf:
    """`url` has one server, or several with commas between them (a cluster); TLS with valkeys:// or rediss://.

    `ttl` seconds after it was last put a value goes; 0: never. How much there may be in all is the server's
    setting (maxmemory and its policy). `prefix` keeps apart what shares a server.
    """

    def __init__(
        self, url: str, *, timeout: float = 2.0, retries: int = 2, ttl: int = 0, prefix: str = "nexus:"
    ) -> None:
        scheme = url.partition("://")[0].lower()
        if scheme not in SCHEMES or "://" not in url:
            raise ConfigError(
                f"{_harmless(url)} is no address of a shelf",
                hint=f"it begins with {', '.join(SCHEMES)} and ://",
            )
        try:
            import valkey
        except ImportError as error:
            raise MissingPartError("a shelf on a server needs the package valkey", hint=MEND) from error
        self._valkey = valkey
        self._url = url
        self._timeout, self._retries, self._ttl = timeout, retries, ttl
        self._prefix = prefix.encode()
        self._client: Any = None
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return _harmless(self._url)

    def _connection(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        from valkey.backoff import ExponentialBackoff
        from valkey.retry import Retry

        errors = self._valkey.exceptions
        given: dict[str, Any] = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), self._retries),
            "retry_on_error": [errors.ConnectionError, errors.TimeoutError],
        }
        scheme, _, rest = self._url.partition("://")
        servers, slash, path = rest.partition("/")
        hosts = servers.rpartition("@")[2].split(",")
        one = f"{scheme}://{servers.partition(',')[0]}{slash}{path}" if len(hosts) > 1 else self._url
        try:
            client: Any = self._valkey.Valkey.from_url(one, **given)
            if len(hosts) == 1 and not client.info("cluster").get("cluster_enabled"):
                return client
            client.close()
            return self._cluster(one, hosts, given)
        except ValueError as error:
            raise ConfigError(
                f"{self} is no address of a shelf: {error}", hint="see docs/guides/agents.md"
            ) from error

    def _cluster(self, one: str, hosts: Sequence[str], given: dict[str, Any]) -> Any:
        cluster: Any = self._valkey.cluster
        nodes = []
        for host in hosts:
            place = urlsplit(f"//{host}")
            nodes.append(cluster.ClusterNode(place.hostname or "localhost", place.port or 6379))
        own = {key: value for key, value in given.items() if key.startswith("socket")}
        return cluster.ValkeyCluster.from_url(
            one, startup_nodes=nodes, cluster_error_retry_attempts=self._retries + 1, **own
        )

    def _ask(self, question: Any) -> Any:
        """Ask, and translate what goes wrong."""
        errors = self._valkey.exceptions
        try:
            return question(self._connection())
        except errors.AuthenticationError as error:
            raise ShelfError(
                f"the shelf {self} refuses us: {error}", hint="give user and password in the URL"
            ) from error
        except (errors.ConnectionError, errors.TimeoutError, errors.ClusterError, OSError) as error:
            raise ShelfGoneError(
                f"the shelf {self} does not answer: {error}", hint="see whether it runs"
            ) from error
        except errors.OutOfMemoryError as error:
            raise ShelfFullError(
                f"the shelf {self} is full: {error}", hint="raise maxmemory, or give --ttl"
            ) from error
        except errors.ValkeyError as error:
            full = str(error).startswith(("OOM", "MISCONF"))
            kind = ShelfFullError if full else ShelfError
            raise kind(f"the shelf {self} says: {error}", hint="see its log") from error

    def _pipe(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        def run(client: Any) -> list[Any]:
            with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(pipeline.execute())

        return list(self._ask(run)) if commands else []

    def _name(self, key: bytes) -> bytes:
        return self._prefix + b"{" + key.hex().encode() + b"}"

    def _set(self, name: bytes, value: bytes) -> tuple[Any, ...]:
        return ("SET", name, value, *(("EX", self._ttl) if self._ttl else ()))

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """See `Shelf`. Pieces first, then the key that says which."""
        check(values)
        for keys in _batches(list(values), lambda key: len(values[key])):
            before = self._heads(keys)
            last: list[tuple[Any, ...]] = []
            for key in keys:
                value, name = values[key], self._name(key)
                if len(value) > VALUE_BYTES:
                    raise ValueError(f"a value of {len(value)} bytes; at most {VALUE_BYTES}")
                if len(value) <= PIECE:
                    last.append(self._set(name, _WHOLE + value))
                    continue
                writing = os.urandom(8)
                count = -(-len(value) // PIECE)
                for number in range(count):
                    piece = value[number * PIECE : (number + 1) * PIECE]
                    self._pipe([self._set(_piece(name, writing, number), piece)])
                last.append(self._set(name, _PIECES + _HEAD.pack(writing, count, len(value))))
            for key in keys:  # what stood there in pieces; in one command only what is in one slot
                last += [("DEL", *names) for names in _some(self._pieces(key, before.get(key)))]
            self._pipe(last)

    def _heads(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The first bytes of what stands under the keys."""
        answers = self._pipe([("GETRANGE", self._name(key), 0, _HEAD.size) for key in keys])
        return {key: answer for key, answer in zip(keys, answers, strict=True) if answer}

    def _pieces(self, key: bytes, head: bytes | None) -> list[bytes]:
        if head is None or not head.startswith(_PIECES) or len(head) != 1 + _HEAD.size:
            return []
        writing, count, _ = _HEAD.unpack(head[1:])
        return [
            _piece(self._name(key), writing, number) for number in range(min(count, VALUE_BYTES // PIECE + 1))
        ]

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `Shelf`. Raises `LyingShelfError` for a value that can be none."""
        check(keys)
        found = {}
        for some in _some(list(keys)):
            answers = self._pipe([("GETRANGE", self._name(key), 0, PIECE + 1) for key in some])
            for key, answer in zip(some, answers, strict=True):
                if answer and answer[:1] == _WHOLE and len(answer) <= 1 + PIECE:
                    found[key] = answer[1:]
                elif answer and answer[:1] == _PIECES and len(answer) == 1 + _HEAD.size:
                    value = self._gather(key, answer)
                    if value is not None:
                        found[key] = value
                elif answer:
                    raise LyingShelfError(
                        f"{key.hex()} on the shelf {self} is nothing that a shelf was given",
                        hint="give another prefix, or remove the key",
                    )
        return found

    def _gather(self, key: bytes, head: bytes) -> bytes | None:
        _, count, total = _HEAD.unpack(head[1:])
        if total > VALUE_BYTES or count != -(-total // PIECE):
            raise LyingShelfError(f"{key.hex()} on the shelf {self} says {total} bytes in {count} pieces")
        value = bytearray()
        for names in _some(self._pieces(key, head), _BYTES_AT_ONCE // PIECE):
            for answer in self._pipe([("GETRANGE", name, 0, PIECE) for name in names]):
                value += answer
        return bytes(value) if len(value) == total else None

    def has(self, keys: Sequence[bytes]) -> set[bytes]:
        """See `Shelf`. Of a value in pieces all are asked for, as a server short of memory drops some."""
        check(keys)
        there: set[bytes] = set()
        for some in _some(list(keys)):
            for key, head in self._heads(some).items():
                pieces = self._pieces(key, head)
                if sum(
                    sum(self._pipe([("EXISTS", name) for name in names])) for names in _some(pieces)
                ) == len(pieces):
                    there.add(key)
        return there

    def drop(self, keys: Iterable[bytes]) -> None:
        """See `Shelf`."""
        for some in _some(list(keys)):
            check(some)
            heads = self._heads(some)
            for key in some:
                for names in _some([self._name(key), *self._pieces(key, heads.get(key))]):
                    self._pipe([("DEL", *names)])

    def list(self) -> Iterator[bytes]:
        """See `Shelf`. Keeps the keys that it gave, as a server may name one twice."""
        given: set[bytes] = set()
        pattern = (
            b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^-" else bytes([c]) for c in self._prefix) + b"{*}"
        )
        found: Iterator[bytes] = self._ask(lambda client: client.scan_iter(match=pattern, count=1000))
        while True:
            name = self._ask(lambda client: next(found, None))
            if name is None:
                return
            try:
                key = bytes.fromhex(name[len(self._prefix) + 1 : -1].decode())
            except ValueError:
                continue
            if key not in given:
                given.add(key)
                yield key

    def close(self) -> None:
        """See `Shelf`."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None


def _piece(name: bytes, writing: bytes, number: int) -> bytes:
    return name + b":" + writing.hex().encode() + b":%d" % number


def _some(items: list[_T], count: int = _AT_ONCE) -> Iterator[list[_T]]:
    return (items[at : at + count] for at in range(0, len(items), count))


def _batches(keys: list[bytes], size: Any) -> Iterator[list[bytes]]:
    """The keys in runs of bounded number and bytes."""
    batch: list[bytes] = []
    held = 0
    for key in keys:
        if batch and (len(batch) >= _AT_ONCE or held + size(key) > _BYTES_AT_ONCE):
            yield batch
            batch, held = [], 0
        batch.append(key)
        held += size(key)
    if batch:
        yield batch


def _harmless(url: str) -> str:
    """The address without user, password and options."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2].partition('?')[0]}"
