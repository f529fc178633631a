"""What the replay lets go is what is least worth reading again, whatever was read and recalled before."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.training.replay import FADING, UNREAD_BITS, Replay

BITS = st.floats(0, 12)
PASSAGES = st.lists(st.tuples(st.none() | BITS, st.lists(BITS, max_size=3)), min_size=12, max_size=40)


@settings(max_examples=30, deadline=None)
@given(PASSAGES, st.floats(0.1, 0.9))
def test_the_least_surprising_goes_first_and_of_equals_the_oldest(
    passages: list[tuple[float | None, list[float]]], keep: float
) -> None:
    with TemporaryDirectory() as folder:
        replay = Replay(Path(folder) / "replay.db", most_items=100 * len(passages))
        worth: dict[int, float] = {}
        for place, (read, recalls) in enumerate(passages):
            [number] = replay.add(f"passage {place} of a conversation")
            worth[number] = UNREAD_BITS
            if read is None:
                continue
            replay.was_read(number, read)
            worth[number] = read
            for times, bits in enumerate(recalls, 1):
                replay.was_recalled(number, bits)
                worth[number] = bits * FADING**times
        replay.most_items = len(passages)
        replay.trim(keep)
        kept = {number for number in worth if replay.get(number)}
        order = sorted(worth, key=lambda number: (worth[number], number))
        gone = [number for number in order if number not in kept]
        assert gone == order[: len(gone)]
        assert len(kept) <= max(1, keep * len(passages))
        replay.close()
