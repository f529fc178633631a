"""What a broker counts, summed up, folded and drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.agentmem.figures import TIERS, TYPES, folded, summary
from nexus.agentmem.flamegraph import Frame, svg, tree
from nexus.agentmem.unit_type import UnitType
from tests.agentmem_store import attach, running, wait_until

NONE = {"units": 0, "logical_bytes": 0, "unique_bytes": 0, "stored_bytes": 0}


def stats(**types: int) -> dict:  # type: ignore[type-arg]
    held = {t: {**NONE, "stored_bytes": types.get(t, 0), "logical_bytes": 3 * types.get(t, 0)} for t in TYPES}
    tiers = {t: {"units": 0, "raw_bytes": 0, "stored_bytes": 0} for t in TIERS}
    return {"types": held, "tiers": tiers, "store": {"units": 9}}


def agent(name: str, realm: str = "default", **types: int) -> dict:  # type: ignore[type-arg]
    return {"name": name, "realm": realm, "types": {t: {"stored_bytes": types.get(t, 0)} for t in TYPES}}


def test_a_summary_says_what_is_saved() -> None:
    total = summary(stats(conversation=100, tool_def=50))
    assert (total["logical_bytes"], total["stored_bytes"], total["saved_bytes"]) == (450, 150, 300)
    assert (total["ratio"], total["units"]) == (3.0, 9)
    assert summary(stats())["ratio"] == 1.0


def test_what_no_agent_has_by_itself_is_shared() -> None:
    agents = [agent("one", conversation=60), agent("two", "/srv/a;b", conversation=30)]
    assert list(folded(stats(conversation=100, tool_def=50), agents)) == [
        ("default;one;conversation", 60),
        ("shared;tool_def", 50),
        ("/srv/a_b;two;conversation", 30),
        ("shared;conversation", 10),
    ]


names = st.text(min_size=1, max_size=8).filter(lambda name: ";" not in name)


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=4), st.integers(1, 10**12)), max_size=20))
def test_every_frame_is_as_wide_as_what_lies_in_it(stacks: list[tuple[list[str], int]]) -> None:
    given_stacks = [(";".join(frames), size) for frames, size in stacks]
    root = tree(given_stacks)
    assert root.size == sum(size for _, size in stacks)

    def check(frame: Frame) -> None:
        assert sum(below.size for below in frame.below.values()) <= frame.size
        for below in frame.below.values():
            check(below)

    check(root)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a"b', "a&b", "é漢字"])
def test_a_picture_is_sound_whatever_stands_in_it(name: str) -> None:
    picture = ET.fromstring(svg([(f"realm;{name};conversation", 10), ("shared;tool_def", 5)], f"of {name}"))
    titles = [node.text or "" for node in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith(f"{name}: 10 bytes") for title in titles)
    rows: dict[str, list[tuple[float, float]]] = {}
    for frame in picture.iter("{http://www.w3.org/2000/svg}g"):
        rect = frame.find("{http://www.w3.org/2000/svg}rect")
        assert rect is not None
        left = float(rect.attrib["x"])
        rows.setdefault(rect.attrib["y"], []).append((left, left + float(rect.attrib["width"])))
    for spans in rows.values():
        ordered = sorted(spans)
        assert all(a[1] <= b[0] + 0.02 for a, b in pairwise(ordered))


def test_an_agent_holds_what_its_conversations_hold_and_nothing_once_forgotten() -> None:
    prompt, words = b"You look after the harbour." * 40, [b"one" * 50, b"two" * 50]
    with running() as launcher:
        for name in ("first", "second"):
            with attach(launcher, name, durable=True) as store:
                conversation = store.conversation("c")
                conversation.append(UnitType.SYSTEM_PROMPT, prompt, starts=False)
                for word in words:
                    conversation.append(UnitType.CONVERSATION, word)
        with attach(launcher, "looker") as looker:
            total = summary(looker.stats())
            said = sum(map(len, words))
            assert total["types"]["system_prompt"]["logical_bytes"] == 2 * len(prompt)
            assert total["types"]["system_prompt"]["unique_bytes"] == len(prompt)
            assert total["types"]["conversation"]["logical_bytes"] == 2 * said
            agents = {agent["name"]: agent for agent in looker.agents()}
            for name in ("first", "second"):
                held = agents[name]
                assert held["logical_bytes"] == len(prompt) + said
                assert held["shared_bytes"] == len(prompt)
                assert held["private_bytes"] >= said  # and the rope
                assert held["types"]["conversation"]["logical_bytes"] == said
                assert held["types"]["system_prompt"]["stored_bytes"] == 0  # nobody's own
            looker.agent_named("first").forget()
            wait_until(lambda: "first" not in {a["name"] for a in looker.agents()}, "it has ended")
            left = summary(looker.stats())["types"]["system_prompt"]
            assert (left["logical_bytes"], left["unique_bytes"]) == (len(prompt), len(prompt))
            looker.agent_named("second").forget()
            wait_until(lambda: summary(looker.stats())["logical_bytes"] == 0, "all of it is free")
