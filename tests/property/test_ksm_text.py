"""Whatever /proc and a stranger's file say: figures are right for what the kernel writes, never an error."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from nexus.agentmem import merge, zswap_sample, zswap_trial
from nexus.agentmem.ksm import cpu_of, is_ksmd, marked_in
from nexus.agentmem.ksm_governor import pays
from nexus.agentmem.ksm_state import TurnedOff, TurnedOn, parsed

names = st.binary(min_size=1, max_size=15).filter(lambda name: b"\0" not in name)
counts = st.integers(0, 2**40)


@given(names, st.integers(0, 4_000_000), counts, counts)
def test_processor_time_is_found_behind_any_name(name, parent, user, system):
    line = b"7 (%s) S %d 0 0 0 -1 2097216 0 0 0 0 %d %d 0 0 25 5 1 0 13" % (name, parent, user, system)
    assert cpu_of(line) == (user + system) / 100
    assert is_ksmd(line) == (name == b"ksmd" and parent == 2)


@given(st.binary(max_size=200))
def test_any_bytes_for_a_stat_or_smaps_are_no_error(text):
    assert not is_ksmd(text)
    assert cpu_of(text) is None or b")" in text
    marked_in(text.splitlines())


regions = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 2**20), st.booleans()), max_size=12)


def smaps(found: list[tuple[int, int, bool]]) -> bytes:
    """As the kernel writes it, for (pages, KiB in RAM, marked)."""
    text, at = "", 0x7F0000000000
    for pages, kib, mark in found:
        text += f"{at:x}-{at + pages * 4096:x} rw-p 00000000 00:00 0 \nRss: {kib} kB\nAnonymous: {kib} kB\n"
        text += f"VmFlags: rd wr mr mw me ac sd{' mg' * mark} \n"
        at += pages * 4096 + 8192
    return text.encode()


@given(regions)
def test_what_is_marked_is_what_carries_the_mark(found):
    text = smaps(found)
    marked = [(pages, kib) for pages, kib, mark in found if mark]
    assert marked_in(text.splitlines()) == (sum(kib for _, kib in marked) * 1024, len(marked))
    ranges = merge.marked_ranges(text)
    assert [high - low for low, high in ranges] == [pages * 4096 for pages, _ in marked]


@given(st.integers(0, 30), st.integers(1, 30), st.sets(st.integers(0, 60)))
def test_covered_is_what_every_page_is_in(begin, length, pages):
    ranges = [(page, page + 1) for page in sorted(pages)]
    assert merge.uncovered(begin, begin + length, ranges) != set(range(begin, begin + length)).issubset(pages)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 16)), max_size=60), st.integers(1, 400))
def test_a_sample_is_some_of_all_and_not_much_more_than_wanted(runs, most):
    found = zswap_sample.spread(runs, most)
    assert all(run in runs for run in found)
    assert sum(pages for _, pages in found) <= max(most, 16) * 16
    assert bool(found) == bool(runs)


@given(st.text(max_size=300))
def test_any_text_for_crypto_is_no_error_and_keeps_what_is_known(text):
    assert zswap_trial.offered(text)[:3] == ["zstd", "lzo-rle", "lz4"]


@given(st.floats(0.1, 50), counts, st.integers(1, 2**40))
def test_the_pool_is_always_between_a_fifth_and_half(ratio, swap, memory):
    assert 20 <= zswap_trial.pool_percent(ratio, swap, memory) <= 50


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=12),
)
keys = st.sampled_from(["boot", "on_at", "at", "saved", "cpu", "window", "least", "run", "tried"])


@given(json_values | st.dictionaries(keys, json_values))
def test_a_strangers_record_is_believed_only_where_every_value_is_of_its_kind(found):
    said = json.loads(json.dumps(found))
    for record in (parsed(said, TurnedOn), parsed(said, TurnedOff)):
        if record is not None:
            assert isinstance(record.at, float)
            assert isinstance(record.boot, str)


@given(st.floats(-1e12, 1e12), st.floats(0, 600), st.floats(0.01, 1000))
def test_what_saves_more_for_the_same_time_never_pays_less(saved, cpu, least):
    assert not (pays(saved, cpu, 600, least) and not pays(saved + 1e9, cpu, 600, least))
    assert not (pays(saved, cpu, 600, least * 2) and not pays(saved, cpu, 600, least)) or saved < 0
