"""Names of blocks against a plain dictionary of prefixes, under any order of what can happen to them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nexus.engine.local.names import BLOCK_TOKENS, Block, Names, chain, root_name

ROOT = root_name(b"\0" * 32, "p")
Heads = tuple[int, ...]

heads = st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple)
steps = st.one_of(
    st.tuples(st.just("add"), heads),
    st.tuples(st.just("match"), heads),
    st.tuples(st.just("evict"), st.integers(1, 4)),
    st.tuples(st.just("forget"), heads),
    st.tuples(st.just("reopen"), st.just(0)),
)


class Plain:
    """What has to be stored: each prefix with its slot and when it was last used."""

    def __init__(self) -> None:
        self.slots: dict[Heads, int] = {}

    def longest(self, wanted: Heads) -> list[int]:
        found = []
        for length in range(1, len(wanted) + 1):
            if wanted[:length] not in self.slots:
                break
            found.append(self.slots[wanted[:length]])
        return found

    def lose(self, slot: int) -> None:
        self.slots = {prefix: known for prefix, known in self.slots.items() if known != slot}

    def leaves(self) -> set[int]:
        return {
            slot
            for prefix, slot in self.slots.items()
            if not any(len(other) == len(prefix) + 1 and other[:-1] == prefix for other in self.slots)
        }


def tokens(wanted: Heads) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.repeat(np.asarray(wanted, dtype=np.int32), BLOCK_TOKENS)


@given(st.lists(steps, max_size=25), st.sets(st.integers(0, 12), max_size=3))
def test_names_are_those_of_a_dictionary_of_prefixes(
    what: list[tuple[str, Heads | int]], in_use: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, plain, next_slot = Path(folder, "names.db"), Plain(), 0
        names = Names(path, ROOT)
        for action, value in what:
            if action == "reopen":
                names.close()
                names = Names(path, ROOT)
            elif isinstance(value, int):
                for slot in names.evict(value, in_use):
                    assert slot in plain.leaves() - in_use
                    plain.lose(slot)
            elif action == "match":
                assert [block.slot for block in names.match(tokens(value))] == plain.longest(value)
            elif action == "forget" and value in plain.slots:
                expected = {slot for prefix, slot in plain.slots.items() if prefix[: len(value)] == value}
                assert set(names.forget(plain.slots[value])) == expected
                for slot in expected:
                    plain.lose(slot)
            elif action == "add":
                new = []
                for ordinal, (name, parent, part) in enumerate(chain(ROOT, tokens(value))):
                    new.append((Block(name, ordinal, next_slot, 1), parent, part))
                    next_slot += 1
                twins = {block.slot for block in names.add(new)}
                for block, _, _ in new:
                    prefix = value[: block.ordinal + 1]
                    assert (block.slot in twins) == (prefix in plain.slots)
                    plain.slots.setdefault(prefix, block.slot)
            assert sorted(names.slots()) == sorted(plain.slots.values())
        # All goes in the end, and nothing that is still followed goes before what follows it.
        for slot in names.evict(999, ()):
            assert slot in plain.leaves()
            plain.lose(slot)
        assert not plain.slots
        names.close()
