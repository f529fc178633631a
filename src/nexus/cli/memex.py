"""`nexus memex`: files by what they are about, from the shell, with and without a mount."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from nexus.cli import memex_branch, output
from nexus.cli.memex_desk import ask, opened, path_of

app = typer.Typer(no_args_is_help=True)
app.add_typer(memex_branch.app, name="branch", help="Branches of the files, one for each agent.")
File = Annotated[str, typer.Argument(metavar="FILE", help="A file in the mount, or its path under files/.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many, 1 to 100.")]
Names = Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags.")]


@app.command()
def search(
    query: Annotated[list[str], typer.Argument(metavar="QUESTION", help="What the files are about.")],
    limit: Limit = 10,
    under: Annotated[str, typer.Option(help="Only below this folder.")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Find files by what they are about."""
    from nexus.cli.client import Client

    body = {"query": " ".join(query), "limit": limit, "under": path_of(under) if under else ""}
    _show(Client().call("POST", "/api/memex/search", body), explain, as_json)


@app.command()
def similar(
    file: File,
    limit: Limit = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each score.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Find files like this one."""
    from nexus.cli.client import Client

    body = {"path": path_of(file), "limit": limit}
    _show(Client().call("POST", "/api/memex/similar", body), explain, as_json)


def _show(answer: dict[str, Any], explain: bool, as_json: bool) -> None:
    if as_json:
        output.as_json(answer)
        return
    if answer["problem"]:
        output.talk(f"found by words only: {answer['problem']}")
    if not answer["results"]:
        output.talk("nothing found")
    for number, file in enumerate(answer["results"], 1):
        output.data(f"{number}. {output.harmless(file['opens'] or file['path'])}  score {file['score']:.2f}")
        passage = " ".join(output.harmless(file["passage"]).split())
        if passage:
            output.data(f"   {passage[:160]}")
        if explain:
            output.data("   why: " + "  ".join(f"{k} {v:.3f}" for k, v in file["parts"].items()))


@app.command()
def files(
    under: Annotated[str, typer.Argument(metavar="[FOLDER]", help="Only below this folder.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only with this tag; again for more.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="Only changed in so many days, the latest first.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, 1 to 1000.")] = 100,
    as_json: output.JsonFlag = False,
) -> None:
    """List files with their state and tags."""
    from nexus.cli.client import Client

    wanted = [f"limit={limit}", f"days={days}", *(f"tag={quote(name, safe='')}" for name in tag or ())]
    if under:
        wanted.append(f"under={quote(path_of(under), safe='')}")
    found = Client().call("GET", f"/api/memex/files?{'&'.join(wanted)}")
    if as_json:
        output.as_json(found)
        return
    for file in found["files"]:
        tags = f"  [{', '.join(file['tags'])}]" if file["tags"] else ""
        state = "" if file["state"] == "indexed" else f"  {file['state']}: {file['problem']}".rstrip(": ")
        output.data(output.harmless(f"{file['path']}{tags}{state}"))
    if found["next"]:
        output.talk("there are more: --limit, or name a folder")


@app.command()
def tag(file: File, names: Names, as_json: output.JsonFlag = False) -> None:
    """Give a file tags; tags that are new are made."""
    _retag(file, names, [], as_json)


@app.command()
def untag(file: File, names: Names, as_json: output.JsonFlag = False) -> None:
    """Take tags off a file."""
    _retag(file, [], names, as_json)


def _retag(file: str, add: list[str], remove: list[str], as_json: bool) -> None:
    from nexus.memexfs.desk import meant

    path = path_of(file)
    body = {"path": path, "add": add, "remove": remove}
    found = ask(
        lambda client: client.call("POST", "/api/memex/tags", body),
        lambda desk: {"path": path, "tags": desk.tag(meant(path), add, remove)},
    )
    if as_json:
        output.as_json(found)
    else:
        output.data(output.harmless(f"{found['path']}: {', '.join(found['tags']) or 'no tags'}"))


@app.command()
def tags(as_json: output.JsonFlag = False) -> None:
    """List all tags, and how many files have each."""
    found = ask(
        lambda client: client.call("GET", "/api/memex/tags"),
        lambda desk: {"tags": [{"name": name, "files": n} for name, n in desk.store.tags()]},
    )
    if as_json:
        output.as_json(found["tags"])
        return
    if not found["tags"]:
        output.talk("no tags yet: nexus memex tag FILE TAG")
    for each in found["tags"]:
        output.data(f"{each['files']:>6}  {output.harmless(each['name'])}")


@app.command()
def versions(file: File, as_json: output.JsonFlag = False) -> None:
    """List what a file held before, the latest first."""
    from nexus.memexfs.desk import meant, version_shown

    path = path_of(file)
    found = ask(
        lambda client: client.call("GET", f"/api/memex/versions?path={quote(path, safe='')}"),
        lambda desk: {"path": path, "versions": [version_shown(v) for v in desk.versions(meant(path))]},
    )
    if as_json:
        output.as_json(found)
        return
    if not found["versions"]:
        output.talk("it never held anything else, as far as is known")
    for each in found["versions"]:
        output.data(f"{each['n']:>6}  {each['name'][1:]}  {each['size']:>12,} bytes  {each['cause']}")


@app.command()
def restore(
    file: File,
    version: Annotated[int, typer.Argument(metavar="[VERSION]", help="Its number; 0: the latest.")] = 0,
    as_json: output.JsonFlag = False,
) -> None:
    """Bring back what a file held; what it holds now becomes a version."""
    from nexus.memexfs.desk import meant, version_shown

    path = path_of(file)
    desk = opened()  # never the service: one that systemd confines may not see the mount
    try:
        done = version_shown(desk.restore(meant(path), version))
    finally:
        desk.store.close()
    if as_json:
        output.as_json({"path": path, "restored": done})
    else:
        output.talk(f"{output.harmless(path)} is again as it was at {done['name'][1:]}")


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="A folder of this machine.")],
    name: Annotated[str, typer.Option(help="Its name under files/; its own if not given.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Index a folder where it is, without copying, and show it as files/NAME."""
    where = folder.expanduser().absolute()
    found = ask(
        lambda client: client.call("POST", "/api/memex/sources", {"folder": str(where), "name": name}),
        lambda desk: {"name": desk.add_source(where, name), "folder": str(where)},
    )
    if as_json:
        output.as_json(found)
    else:
        output.talk(f"{where} is shown as files/{output.harmless(found['name'])}, and being read")


@app.command()
def remove(
    folder: Annotated[str, typer.Argument(help="A folder that was added, by its name or path.")],
) -> None:
    """Show and index an added folder no more; its files stay as they are."""
    given = str(Path(folder).expanduser().absolute()) if "/" in folder else folder
    found = ask(
        lambda client: client.call("DELETE", "/api/memex/sources", {"name": given}),
        lambda desk: {"name": desk.drop_source(given)},
    )
    output.talk(f"files/{output.harmless(found['name'])} is shown no more")


@app.command()
def status(as_json: output.JsonFlag = False) -> None:
    """Say how it goes: files by state, what waits, where it is mounted."""
    from nexus.cli.memex_status import alone, lines

    found = ask(lambda client: client.call("GET", "/api/memex/status"), alone)
    if as_json:
        output.as_json(found)
        return
    for line in lines(found):
        output.data(output.harmless(line))


@app.command()
def pause() -> None:
    """Read no files until `nexus memex resume`."""
    from nexus.cli.client import Client

    Client().call("POST", "/api/memex/pause", {"paused": True})
    output.talk("paused; what is found is found as before: nexus memex resume")


@app.command()
def resume() -> None:
    """Go on reading files."""
    from nexus.cli.client import Client

    Client().call("POST", "/api/memex/pause", {"paused": False})
    output.talk("resumed")


@app.command()
def reindex(
    under: Annotated[str, typer.Argument(metavar="[PATH]", help="A folder or a file; else all.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Read files again, also those that could not be read."""
    from nexus.cli.client import Client

    found = Client().call("POST", "/api/memex/reindex", {"under": path_of(under) if under else ""})
    if as_json:
        output.as_json(found)
    else:
        output.talk(f"{found['queued']} files are being read again: nexus memex status")


@app.command()
def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Mend it; needs `nexus umount`.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Check that what lies on the disk fits together. Exit status 1 where it does not."""
    from nexus.core.paths import Home

    def alone(_: object) -> dict[str, Any]:
        from nexus.service.api.memex import report

        return report(Home.from_env().root, repair)

    found = ask(lambda client: client.call("POST", "/api/memex/fsck", {"repair": repair}), alone)
    if as_json:
        output.as_json(found)
    else:
        for name in ("problems", "repaired", "notes"):
            for line in found[name]:
                output.data(output.harmless(f"{name.removesuffix('s')}: {line}"))
        more = f", and {found['more']} more" if found["more"] else ""
        output.talk(
            f"{len(found['problems'])} problems{more}; {found['files']} files, {found['sealed']} packed,"
            f" {found['objects']} contents, {found['versions']} versions"
        )
    if not found["sound"] and not found["repaired"]:
        raise typer.Exit(1)
