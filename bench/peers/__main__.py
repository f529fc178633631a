"""`python -m peers`: one comparison after the other, each written down as soon as it is there."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peers
from nexus.cortex.evaluation.record import circumstances
from peers import benches, controls, page
from peers.catalog import LIBRARIES
from peers.environment import MissingError
from peers.libraries import Beside
from peers.process import ROOT, PeerError

NAMES = (*LIBRARIES, *benches.BENCHES)
# What was looked for and is not to be had: told in the table, so that nobody has to look again.
NOT_THERE = {
    "TMSU": "neither in Debian nor in the registries for Python and Node; it is built from its source in Go",
}


def measured(name: str, beside: Beside, options: argparse.Namespace) -> dict[str, Any]:
    """One comparison, or why there is none."""
    try:
        if name in LIBRARIES:
            found, command = beside.compare(name, options.folder), f"python -m peers --only {name}"
        elif options.taken:
            return benches.taken(name)
        else:
            found = benches.run(name, options.data, options.models, options.folder)
            command = benches.shown(benches.BENCHES[name].command)
    except (MissingError, PeerError) as error:
        return {"missing": str(error)}
    around = circumstances()
    rows = [row.as_json() for row in found["rows"]]
    return (
        found
        | {"rows": rows, "command": command}
        | {key: around[key] for key in ("when", "commit", "machine")}
    )


def merged(before: Mapping[str, Any], name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """All comparisons in their order. What cannot be taken here does not take figures away."""
    kept = "missing" in found and "rows" in before.get(name, ())
    now = {**before, name: before[name] if kept else found}
    now |= dict(controls.comparisons()) | {name: {"missing": why} for name, why in NOT_THERE.items()}
    order = [*NAMES, *(other for other in now if other not in NAMES)]
    return {name: now[name] for name in order if name in now}


def main() -> int:
    """Measure what was asked for; 1 when something could not be."""
    parser = argparse.ArgumentParser(
        "peers", description=peers.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("NEXUS_DATA"), help="folder with the public data"
    )
    parser.add_argument(
        "--models", type=Path, default=ROOT / "build" / "models", help="folder with the weights"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "peers", help="where environments go")
    parser.add_argument("--only", action="append", choices=NAMES, help="this comparison; may be given again")
    parser.add_argument(
        "--taken", action="store_true", help="benches: the results that they have kept, without a run"
    )
    parser.add_argument("--json", type=Path, help="the file of results, added to")
    options = parser.parse_args()
    if options.data is None or not options.data.is_dir():
        parser.error("--data (or NEXUS_DATA) names no folder with data sets")
    os.environ["NEXUS_HOME"] = str((options.folder / "home").absolute())
    beside = Beside(options.data, options.models, lambda line: print(line, file=sys.stderr, flush=True))
    comparisons: dict[str, Any] = {}
    if options.json is not None and options.json.is_file():
        comparisons = json.loads(options.json.read_text(encoding="utf-8"))["comparisons"]
    failed = 0
    for name in options.only or NAMES:
        print(f"== {name}", file=sys.stderr, flush=True)
        found = measured(name, beside, options)
        if "missing" in found:
            failed += 1
            print(f"not measured: {found['missing']}", file=sys.stderr)
        comparisons = merged(comparisons, name, found)
        if options.json is not None:
            text = json.dumps({"comparisons": comparisons}, indent=1, ensure_ascii=False)
            options.json.write_text(text + "\n", encoding="utf-8")
    print(page.table(comparisons))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
