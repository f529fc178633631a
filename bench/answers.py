"""Are questions answered from the documents, and the others refused? Against the running service.

    nexus add "$NEXUS_DATA/docs/fastapi/docs"
    python bench/answers.py [--json FILE]

Sixteen questions that the FastAPI documentation answers, twelve that it does not. An answer counts as
right when it holds one of the expected words and a cited source is one of the expected files; a
refusal counts when the reply says that the documents do not answer.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path
from typing import Any

import record

from nexus.cli.client import Client

QUESTIONS = Path(__file__).with_name("fastapi_questions.json")
REFUSAL = re.compile(
    r"\b(?:do|does|did)(?: not|n't) (?:\w+ ){0,2}?(?:answer|contain|mention|provide|say|include|address|cover"
    r"|specify|give|have|state)|not (?:mentioned|answered|provided|specified|covered|contained|found)"
    r"|no (?:information|passage|memory|mention|answer)",
    re.IGNORECASE,
)


def ask(client: Client, question: str) -> dict[str, Any]:
    """One answer with its sources."""
    reply: dict[str, Any] = client.call("POST", "/api/interact", {"prompt": question})
    return reply


def cited(reply: dict[str, Any]) -> list[str]:
    """The file names of the sources that the reply names, or of the first when it names none."""
    numbers = {int(n) for n in re.findall(r"\[(\d+)\]", reply["reply"])} or {1}
    return [s["path"].rsplit("/", 1)[-1] for s in reply["sources"] if s["number"] in numbers]


def main() -> None:
    """Run both sets and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    sets, client = json.loads(QUESTIONS.read_text()), Client()
    rows, seconds = [], []
    for item in sets["answered"]:
        reply = ask(client, item["question"])
        text = reply["reply"].lower()
        right = reply["answerable"] and any(w.lower() in text for w in item["words"])
        sourced = any(name in item["files"] for name in cited(reply))
        rows.append(("answered", item["question"], right and sourced, reply["reply"]))
        seconds.append(reply["seconds"]["first_token"])
        mark = "ok  " if right and sourced else "MISS"
        print(f"{mark} right={right!s:<5} sourced={sourced!s:<5} {item['question']}")
        if not (right and sourced):
            print("     ", reply["reply"].replace("\n", " ")[:300], cited(reply))
    for question in sets["unanswered"]:
        reply = ask(client, question)
        refused = bool(REFUSAL.search(reply["reply"]))
        rows.append(("unanswered", question, refused, reply["reply"]))
        mark = "ok  " if refused else "MISS"
        print(f"{mark} refused={refused!s:<5} sources={len(reply['sources'])} {question}")
        if not refused:
            print("     ", reply["reply"].replace("\n", " ")[:300])
    summary = {
        kind: f"{sum(ok for k, _, ok, _ in rows if k == kind)}/{sum(k == kind for k, *_ in rows)}"
        for kind in ("answered", "unanswered")
    }
    summary["seconds to first token (min/median/max)"] = (
        f"{min(seconds):.1f}/{statistics.median(seconds):.1f}/{max(seconds):.1f}"
    )
    print(json.dumps(summary, indent=2))
    record.write({"summary": summary, "answers": rows}, options.json)


if __name__ == "__main__":
    main()
