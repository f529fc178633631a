"""Peers side by side: what other people would use instead, on the same data, in one table.

    NEXUS_DATA=FOLDER scripts/bench.sh peers
    PYTHONPATH=bench .venv/bin/python -m peers --data FOLDER [--only NAME]... [--json FILE] [--page FILE]

Each peer gets a virtual environment of its own below build/peers, with the versions of `catalog`, and runs in
a process of its own (`process`, `serving`): nothing of it is imported here. Results go to
bench/results/peers.json, and from there into docs/reference/benchmarks.md (`page`).
"""
