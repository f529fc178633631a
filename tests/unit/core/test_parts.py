"""What is told of optional parts is at most so old, and looking is done by one at a time."""

from __future__ import annotations

import threading

from nexus.core.parts import Part, RecentParts, optional_parts, recent_parts


def test_it_looks_again_when_the_time_has_come() -> None:
    now, looked = [0.0], []

    def look() -> list[Part]:
        looked.append(now[0])
        return [Part("native", "available", f"seen {len(looked)} times")]

    recent = RecentParts(look, 10.0, lambda: now[0])
    assert recent.as_dicts() == [
        {"name": "native", "state": "available", "detail": "seen 1 times", "mend": ""}
    ]
    now[0] = 9.9
    assert recent.as_dicts()[0]["detail"] == "seen 1 times"
    now[0] = 10.0
    assert recent.as_dicts()[0]["detail"] == "seen 2 times"
    assert looked == [0.0, 10.0]


def test_many_who_ask_at_once_have_it_looked_for_once() -> None:
    looked = []

    def look() -> list[Part]:
        looked.append(1)
        return []

    recent = RecentParts(look, 1000.0)
    threads = [threading.Thread(target=recent.as_dicts) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked) == 1


def test_it_says_what_looking_says() -> None:
    assert [part["name"] for part in recent_parts()] == [part.name for part in optional_parts()]


def test_no_part_is_told_twice() -> None:
    names = [part.name for part in optional_parts()]
    assert sorted(set(names)) == sorted(names)
