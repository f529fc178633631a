"""`.memex/`: `status`, how it goes just now, and `help`, what commands mean in each folder.

Knows the store and whatever else is given to it to ask. Invariant: telling how it goes never fails: what
cannot be told says why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nexus.core.errors import NexusError
from nexus.memexfs.virtual import Fixed, MadeFile, Scene

if TYPE_CHECKING:
    from nexus.memexfs.store import State

Said = Mapping[str, Callable[[], object]]


def meta(scene: Scene, path: bytes, more: Said) -> Fixed:
    """The folder `.memex/`. `more` are lines of the status that others know."""
    status = MadeFile(scene, path + b"/status", lambda: told(scene, more))
    return Fixed(
        scene, path, [(b"status", status), (b"help", MadeFile(scene, path + b"/help", lambda: HELP))]
    )


def told(scene: Scene, more: Said) -> str:
    """One `name: value` a line."""
    store = scene.store
    lines: dict[str, Callable[[], object]] = {
        "files": lambda: _files(store.count()),
        "waiting to be read": store.waiting,
        "tags": lambda: len(store.tags()),
        "saved questions": lambda: len(store.queries()),
        "database": lambda: store.rebuilt or "sound",
        "shown since": lambda: time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(scene.since_ns // 10**9)),
        "by process": os.getpid,
        **more,
    }
    return "".join(f"{name}: {_asked(value)}\n" for name, value in lines.items())


def _files(counts: Mapping[State, int]) -> str:
    each = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
    return f"{sum(counts.values())} ({each})" if each else "0"


def _asked(value: Callable[[], object]) -> object:
    try:
        return value()
    except (NexusError, OSError) as error:
        return f"not known: {error}"


HELP = """MemexFS: your files by what they are about. Everything below is a view of files/.

files/                      your files: an ordinary folder tree. Whatever works on a disk works here.
search/any question/        files that answer it, the best first; they are the real files, edit them here.
                            Any name with a space is a question, or one that ends with "?".
    cat "search/.../.why"   why these files
    mkdir search/WORD       save a question of one word
    mv "search/a question" search/NAME     save a longer one under a name;  rmdir search/NAME  forgets it
similar/PATH/               files like files/PATH (or like the one file called PATH)
tags/A/                     files with the tag A;  tags/A/B/  those with both (there by name, not listed)
    ls tags/A/+             which other tags these files have
    mkdir tags/A            make a tag;  rmdir  drop one that no file has;  mv tags/A tags/C  rename it
    ln FILE tags/A/         tag FILE. cp and mv do the same: FILE stays where it is, no copy is kept.
                            A RESULT of a search can be given as FILE. ln needs no -s.
    cp ELSEWHERE tags/A/    from outside of here: stored as files/A/NAME, with the tag
    rm tags/A/FILE          take the tag off; the file stays. rm -r tags/A  takes A off all of them.
                            In tags/A/B/ it is B that goes.
    mv tags/A/F tags/B/     take A off and give B;  mv tags/A/F tags/A/G  renames the real file
projects/P/                 files of a project; mkdir, ln, cp, mv, rm as in tags/
recent/today week month     what was changed lately
by/type author date         by what files are
versions/PATH/@TIME         what a file held before; cp it over the file to bring it back
agents/ID/                  a branch of files/: changes in it change nothing else
    mkdir agents/ID         make one;  cat agents/ID.diff  what it changed;  rmdir  drop one without changes
    setfattr -n user.memex.branch -v merge agents/ID     bring its changes into files/;  -v drop  forget them
.memex/status               how it goes;  .memex/help  this text

Only below files/ does rm remove a file. In search, similar, recent and by, rm as well as cp and ln into a
folder are "not permitted": what is listed there follows from the question. mv from any view to a real folder
moves the file.

Names: results of a question are "01 NAME", "02 NAME" ..., at most 50; elsewhere equal names get " (2)", and
at most 50000 are listed. search/ lists only saved questions, and similar/ nothing: walking through this tree
asks no question that was not saved.

What is known of a file: getfattr -d -m user.memex FILE
    user.memex.tags         "a, b"; setfattr -n user.memex.tags -v "a, b" FILE sets them
    user.memex.state        waiting, indexed, unreadable, secret, ignored or large; .problem says why
    user.memex.score        how well it fitted the last question, and which
"""
