"""What two backends said, turn by turn, becomes one table."""

from __future__ import annotations

from collections import defaultdict

from scripts.kernel.compare import BACKENDS, Rows, summary, take, turn


def test_figures_of_turns_become_least_median_most_and_their_relation() -> None:
    rows: Rows = defaultdict(lambda: defaultdict(list))
    units: dict[str, str] = {}
    for number, (module, broker) in enumerate([(4.0, 1.0), (2.0, 8.0), (3.0, 2.0)], 1):
        take(rows, units, f"module.publish-new-4k.{number}", module, "us")
        take(rows, units, f"broker.publish-new-4k.{number}", broker, "us")
    take(rows, units, "guest_up", 13.0, "s")
    take(rows, units, "module.short-lost.1", 0.0, "units", "-at-20")
    take(rows, units, "broker.short-lost.1", 2.0, "units", "-at-20")
    table = summary(rows, units)
    assert table == {
        "publish-new-4k": {
            "unit": "us",
            "module": {"min": 2.0, "median": 3.0, "max": 4.0, "turns": 3},
            "broker": {"min": 1.0, "median": 2.0, "max": 8.0, "turns": 3},
            "module_to_broker": 1.5,
        },
        "short-lost-at-20": {
            "unit": "units",
            "module": {"min": 0.0, "median": 0.0, "max": 0.0, "turns": 1},
            "broker": {"min": 2.0, "median": 2.0, "max": 2.0, "turns": 1},
        },
    }


def test_both_are_asked_by_the_same_program_and_a_set_by_a_new_backend() -> None:
    module, broker = (turn(backend, 1, "calls") for backend in BACKENDS)
    assert module.command == "NEXUS_AGENTMEM=/dev/agentmem compare module 1 calls /tests/texts "
    assert broker.command == "NEXUS_AGENTMEM=/run/socket compare broker 1 calls /tests/texts "
    again = turn("module", 2, "set", "/tests/plan").command
    assert again.index("rmmod") < again.index("compare module 2 free") < again.index("insmod")
