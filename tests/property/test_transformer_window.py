"""What holds of the window for any sizes, splits and texts."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.transformer.backbone import Backbone
from nexus.transformer.config import Config
from nexus.transformer.ternary import pack, rounded, spread, unpack
from nexus.transformer.tokenizer import Tokenizer

torch.set_num_threads(1)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from([(1, 1), (2, 1), (4, 2)]),
    st.integers(1, 9),
    st.integers(1, 2),
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_any_split_sees_the_same_window(
    heads: tuple[int, int], window: int, layers: int, lengths: list[int], seed: int
) -> None:
    torch.manual_seed(seed)
    config = Config(
        width=4 * heads[0], layers=layers, heads=heads[0], kv_heads=heads[1], vocabulary=9, embedding=4,
        window=window, chunk=1, expansion=1,
    )  # fmt: skip
    net = Backbone(config)
    x = torch.randint(0, 9, (2, sum(lengths)))
    with torch.no_grad():
        whole, _ = net(x)
        past, parts = None, []
        for part in x.split(lengths, dim=1):
            hidden, past = net(part, past)
            parts.append(hidden)
        assert (torch.cat(parts, 1) - whole).abs().max() < 1e-4
        # A token reaches `layers * window` further, and nothing before it.
        place = seed % x.shape[1]
        y = x.clone()
        y[:, place] = (y[:, place] + 1) % 9
        changed = (net(y)[0] != whole).any(-1).any(0).nonzero().flatten().tolist()
    assert changed[0] == place
    assert changed[-1] <= place + layers * window


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 16), st.integers(0, 3))
def test_rounded_weights_pack_and_round_to_themselves(rows: int, columns: int, group: int, seed: int) -> None:
    torch.manual_seed(seed)
    weight = torch.randn(rows, columns) * 10.0 ** (-seed)
    trits, scales = rounded(weight, group)
    assert torch.equal(unpack(pack(trits), rows * columns).view(rows, columns), trits.to(torch.int8))
    made = trits * spread(scales, group, columns)
    again, same = rounded(made, group)
    assert torch.equal(again * spread(same, group, columns), made)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode())))
def test_any_bytes_come_back(data: bytes) -> None:
    tokenizer = Tokenizer.shipped()
    ids = tokenizer.encode(data)
    assert tokenizer.decode_bytes(ids) == data
    assert tokenizer.end not in ids
