"""Mixed files with questions whose right answer is known, for the semantic file system.

`write(folder, count)` writes them: the topics (tests/memex_topics.py) in their forms, a small C program that
make builds, and notes of made-up projects as what they have to be told from. The same count gives the same
bytes everywhere.

    python -m tests.memex_corpus FOLDER [COUNT]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from tests import memex_files as made
from tests.memex_topics import TOPICS, Topic


class Question(NamedTuple):
    """What is asked, in other words and in the file's own, and the path below the corpus that answers it."""

    text: str
    exact: str
    path: str


QUESTIONS = tuple(Question(topic.question, topic.exact, topic.path) for topic in TOPICS)

AUTHORS = ("Ada Byron", "Tom Weaver", "Lena Brook", "Paul Stone")

_PROGRAM = {
    "src/count/Makefile": "CFLAGS = -O1 -Wall\ncount: main.o lines.o\n\t$(CC) -o $@ main.o lines.o\n"
    "main.o lines.o: lines.h\nclean:\n\trm -f count *.o\n.PHONY: clean\n",
    "src/count/lines.h": "/* Counting lines. */\nlong lines_of(const char *path);\n",
    "src/count/lines.c": '/* Counts the lines of a file. */\n#include "lines.h"\n#include <stdio.h>\n\n'
    'long lines_of(const char *path)\n{\n    FILE *file = fopen(path, "r");\n   '
    " long count = 0;\n    int c;\n"
    "    if (!file)\n        return -1;\n    while ((c = getc(file)) != EOF)\n        count += c == '\\n';\n"
    "    fclose(file);\n    return count;\n}\n",
    "src/count/main.c": "/* Says how many lines its arguments have. */\n#include "
    '"lines.h"\n#include <stdio.h>\n\n'
    "int main(int argc, char **argv)\n{\n    for (int i = 1; i < argc; i++)\n"
    '        printf("%ld %s\\n", lines_of(argv[i]), argv[i]);\n    return 0;\n}\n',
}


def write(folder: Path, count: int = 200) -> list[Path]:
    """Writes `count` files below `folder` (at least the topics and the program); their paths."""
    written = []
    for name, data in files(count):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written.append(path)
    return written


def files(count: int) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file."""
    for number, topic in enumerate(TOPICS):
        yield topic.path, rendered(topic, AUTHORS[number % len(AUTHORS)])
    for name, text in _PROGRAM.items():
        yield name, text.encode()
    for number in range(count - len(TOPICS) - len(_PROGRAM)):
        topic = _note(number)
        yield topic.path, rendered(topic, AUTHORS[number % len(AUTHORS)])


# ---- forms -------------------------------------------------------------------------------------

_COMMENTS = {".py": "# {}", ".sh": "# {}", ".sql": "-- {}", ".rs": "// {}", ".go": "// {}"}


def rendered(topic: Topic, author: str) -> bytes:
    """The topic in the form that its suffix names."""
    suffix = Path(topic.path).suffix
    title, text = topic.title, topic.text
    sentences = text.replace(". ", ".\n").replace("; ", "\n").split("\n")
    match suffix:
        case ".pdf":
            return made.pdf(["\n".join([title, "", *sentences])], title=title, author=author)
        case ".docx":
            return made.docx([f"# {title}", *sentences], title=title, author=author)
        case ".odt":
            return made.odt([f"# {title}", *sentences], title=title, author=author)
        case ".pptx":
            return made.pptx([(title, "\n".join(sentences))], title=title, author=author)
        case ".xlsx":
            rows = [part.split(" ") for part in sentences]
            return made.xlsx({title[:31]: rows}, title=title, author=author)
        case ".epub":
            return made.epub([(title, text)], title=title, author=author)
        case ".html":
            page = f"<!DOCTYPE html><html lang=en><head><title>{escape(title)}</title></head><body>"
            return f"{page}<h1>{escape(title)}</h1><p>{escape(text)}</p></body></html>\n".encode()
        case ".ipynb":
            cells = [{"cell_type": "markdown", "source": [f"# {title}\n", text], "metadata": {}}]
            return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
        case ".md":
            return f"---\nauthor: {author}\n---\n# {title}\n\n{text}\n".encode()
        case ".c" | ".css":
            return f"/* {title}. */\n\n{text}\n".encode()
        case ".txt":
            return f"{title}\n\n{text}\n".encode()
    return f"{_COMMENTS[suffix].format(title)}\n\n{text}\n".encode()


# ---- what the topics are to be told from -------------------------------------------------------

_THINGS = (
    "scheduler", "invoice printer", "label editor", "import of addresses", "weather page", "mail digest",
    "photo viewer", "map of stations", "stock counter", "door lock", "chat window", "ticket desk",
)  # fmt: skip
_DEEDS = (
    "{who} finished the {thing} and showed it to the group.",
    "The {thing} was slow on old phones; {who} found a loop that ran twice.",
    "{who} wants the {thing} translated into Polish and Greek.",
    "We moved the {thing} to the new server without a break.",
    "Two users could not open the {thing}; their browser was out of date.",
    "{who} wrote a page that explains the {thing} to beginners.",
    "The icons of the {thing} were drawn anew.",
    "Nobody knows who uses the {thing}; {who} counts it for a week.",
    "{who} will look after the {thing} from now on.",
    "The {thing} gets a second column and a smaller font.",
)
_SUFFIXES = (".md", ".txt", ".md", ".docx", ".py", ".pdf", ".md", ".html", ".txt", ".odt", ".go", ".pptx")


def _note(number: int) -> Topic:
    """A note about something in a made-up project; none answers a question."""
    draw = random.Random(number)
    thing = draw.choice(_THINGS)
    suffix = _SUFFIXES[number % len(_SUFFIXES)]
    deeds = draw.sample(_DEEDS, 4)
    sentences = [deed.format(who=draw.choice(AUTHORS).split()[0], thing=thing) for deed in deeds]
    title = f"{thing.capitalize()}, week {1 + number % 52}"
    text = " ".join(sentences)
    if suffix == ".py":
        text = f'"""{text}"""\n\nWEEK = {number % 52}\n\n\ndef shown() -> int:\n    return WEEK * {number}'
    elif suffix == ".go":
        text = f"// {text}\n\npackage notes\n\nconst Week = {number % 52}"
    name = thing.replace(" ", "-")
    return Topic(f"notes/{name}/{number:05d}-{name}{suffix}", title, text, "", "")


if __name__ == "__main__":
    paths = write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    print(f"{len(paths)} files in {sys.argv[1]}")
