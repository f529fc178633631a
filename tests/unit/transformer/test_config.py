"""Configurations: JSON and back, fingerprints, and what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.errors import TransformerConfigError


@pytest.mark.parametrize(
    "config", [Config.xs(), Config.s(ternary=True), Config.m(memory=MemoryConfig(sets=7))]
)
def test_json_and_back(config: Config) -> None:
    assert Config.from_json(config.to_json()) == config


def test_every_number_changes_the_fingerprint() -> None:
    config = Config.s()
    others = [
        replace(config, rope_base=10_001.0),
        replace(config, ternary=True),
        replace(config, memory=MemoryConfig(orders=(1, 2, 3))),
        replace(config, memory=MemoryConfig(replacement="lru")),
    ]
    assert len({each.fingerprint() for each in [config, *others]}) == 5
    assert config.fingerprint() == Config.s().fingerprint()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"width": 0}, "width is 0"),
        ({"width": 100}, "width is 100"),
        ({"kv_heads": 3}, "kv_heads is 3"),
        ({"chunk": 2048}, "chunk is 2048"),
        ({"vocabulary": 70_000}, "vocabulary is 70000"),
        ({"layers": True}, "layers is True"),
        ({"tied": 1}, "tied is 1"),
        ({"rope_base": float("nan")}, "rope_base is nan"),
        ({"memory": {"ways": 0}}, "memory.ways is 0"),
        ({"memory": {"orders": [2, 1]}}, "memory.orders is"),
        ({"memory": {"replacement": "fifo"}}, "memory.replacement is 'fifo'"),
        ({"depth": 3}, "depth is 3"),
        ({"memory": 3}, "memory is 3"),
    ],
)
def test_what_cannot_be_is_named(wrong: dict[str, object], named: str) -> None:
    table = json.loads(Config.s().to_json())
    memory = wrong.get("memory")
    table |= wrong | ({"memory": table["memory"] | memory} if isinstance(memory, dict) else {})
    with pytest.raises(TransformerConfigError, match=named):
        Config.from_json(json.dumps(table))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_what_is_no_configuration(text: str) -> None:
    with pytest.raises(TransformerConfigError, match="configuration is"):
        Config.from_json(text)
