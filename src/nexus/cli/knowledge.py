"""Documents: `add`, `recall`, `forget`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nexus.cli import output
from nexus.cli.scope import AllFlag, DomainOption, ProjectOption, absolute, project_folder
from nexus.cli.working import follow, print_report

_PARTS = ("words", "context", "meaning", "late", "recency", "frequency")
_LINES = 4


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(add)
    app.command()(recall)
    app.command()(forget)


def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to index.")],
    as_json: output.JsonFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the sum only.")] = False,
) -> None:
    """Index files and folders. Unchanged files are not embedded again."""
    from nexus.cli.client import Client

    body = {"paths": [absolute(path) for path in paths]}
    report = follow(Client(), "/api/knowledge", body, "looking for files")
    if as_json:
        output.as_json(report)
        return
    print_report(report, quiet=quiet)


def recall(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many results, 1 to 100.")] = 5,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only document, memory or transcript; may be given again."),
    ] = None,
    project: ProjectOption = "",
    domain: DomainOption = "",
    path: Annotated[str, typer.Option("--path", help="Only this file, or what is below this folder.")] = "",
    after: Annotated[
        str, typer.Option("--after", help="Changed or said since this day or time, 2026-11-20 (UTC).")
    ] = "",
    before: Annotated[str, typer.Option("--before", help="Changed or said before this day or time.")] = "",
    all_times: AllFlag = False,
    expect: Annotated[
        str, typer.Option("--expect", help="How the answer may read; finds it in other words than yours.")
    ] = "",
    draft: Annotated[
        bool, typer.Option("--draft", help="Have the model write what to expect: some 10 s.")
    ] = False,
    rerank: Annotated[
        bool,
        typer.Option("--rerank", help="Have the model read the best twenty and order them: some 20 s."),
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Search documents, memories and sessions; no model is asked without --draft or --rerank."""
    from nexus.cli.client import Client

    body: dict[str, Any] = {
        "query": query,
        "limit": limit,
        "project": project_folder(project),
        "domain": domain.upper(),
        "path": absolute(Path(path)) if path else "",
        "after": after,
        "before": before,
        "all": all_times,
        **({"kinds": kind} if kind else {}),
        **({"expected": expect} if expect else {}),
        **({"draft": True} if draft else {}),
        **({"rerank": True} if rerank else {}),
    }
    found = Client().call("POST", "/api/recall", body)
    results: list[dict[str, Any]] = found["results"]
    if as_json:
        output.as_json(results)
        return
    if not results:
        output.talk("nothing found")
    for number, result in enumerate(results, 1):
        output.data(f"{number}. {output.place(result)}  score {result['score']:.2f}")
        for line in excerpt(output.harmless(result["text"]), f"{query} {found.get('expected', expect)}"):
            output.data(f"   {line[:160]}")
        if explain:
            _explain(result["scores"])
    if explain and draft:
        output.talk(f"the model expected: {output.harmless(found['expected']) or 'nothing'}")


def forget(
    what: Annotated[str, typer.Argument(help="A memory's id, or a file, folder or session that was added.")],
) -> None:
    """Delete a memory, or take documents and sessions out of the store (the files stay)."""
    from urllib.parse import quote

    from nexus.cli.client import Client

    client = Client()
    if what.startswith("MEM-"):
        client.call("DELETE", f"/api/memories/{quote(what, safe='')}")
        output.talk(f"forgotten: {what}")
        return
    path = absolute(Path(what))
    removed = client.call("DELETE", "/api/knowledge", {"path": path})["removed"]
    output.talk(f"forgotten: {path}" if removed == 1 else f"forgotten: {removed} files of {path}")


def excerpt(text: str, query: str) -> list[str]:
    """The lines of a passage in which most words of the question stand: at most four in a row, none empty."""
    lines = [line for line in text.splitlines() if line.strip()]
    asked = _words(query)

    def held(first: int) -> int:
        return len(asked & _words(" ".join(lines[first : first + _LINES])))

    best = max(range(max(1, len(lines) - _LINES + 1)), key=held)  # of equals the first
    return lines[best : best + _LINES]


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2}


def _explain(scores: dict[str, float]) -> None:
    """What was added up, and below it what the parts were made from."""
    parts = "  ".join(f"{name} {scores[name]:.3f}" for name in _PARTS)
    output.data(f"   why: {parts}")
    output.data(f"        cosine {scores['cosine']:.3f}  words of the query in it {scores['coverage']:.0%}")
    if scores["expected"]:
        output.data(f"        by what the answer may say {scores['expected']:.3f}")
    if scores["likelihood"]:
        output.data(f"        the question behind it: {scores['likelihood']:.2f} nats a token")
