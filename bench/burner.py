"""A child for bench/governor.py that wants all of the processor and paces itself, as the learner does.

    python bench/burner.py STEP_MILLISECONDS

Reads lines from stdin: `share X` (of one core), `yield`, `go`. Writes the monotonic time at which it came to
rest after each `yield`. Ends with stdin.
"""

from __future__ import annotations

import sys
import threading
import time

from nexus.core.pace import DutyCycle


def main() -> None:
    """Burn until stdin ends."""
    seconds = float(sys.argv[1]) / 1000
    pace = DutyCycle(1e-6)
    resting, may_go, ended = threading.Event(), threading.Event(), threading.Event()
    resting.set()

    def listen() -> None:
        for line in sys.stdin:
            word, _, value = line.strip().partition(" ")
            if word == "share":
                pace.share = float(value)
            elif word == "yield":
                may_go.clear()
                resting.set()
            elif word == "go":
                resting.clear()
                may_go.set()
        ended.set()
        resting.set()
        may_go.set()

    threading.Thread(target=listen, daemon=True).start()
    while not ended.is_set():
        if resting.is_set():
            print(time.monotonic(), flush=True)
            may_go.wait()
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        pace.pause_after_step(resting)


if __name__ == "__main__":
    main()
