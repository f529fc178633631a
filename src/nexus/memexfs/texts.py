"""Bytes of a text file as text, and what it says of itself: title, author, first words.

Knows no files. Invariants: every byte string becomes a text, what had to be guessed or replaced is said;
what comes out can be encoded as UTF-8 and holds no NUL; time is linear.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from nexus.memexfs.kinds import BOMS, wide

LEAD = 600
"""Characters of the first words of a file, at most."""

TITLE = 200
"""Characters of a title, at most."""


class Decoded(NamedTuple):
    """A text, and what was wrong with its bytes."""

    text: str
    problem: str = ""


class Said(NamedTuple):
    """What a text says of itself; each is empty where it does not."""

    title: str = ""
    author: str = ""
    lead: str = ""


def encoding(data: bytes) -> str:
    """What the first bytes of a text say of its encoding; empty for UTF-8 and whatever says nothing."""
    return next((name for bom, name in BOMS[1:] if data.startswith(bom)), "") or wide(data)


def decode(data: bytes, form: str = "") -> Decoded:
    """In `form`, by its mark, as UTF-8, or as Windows-1252 where that it is not."""
    for bom, name in BOMS:
        if data.startswith(bom):
            return _certain(data[len(bom) :], name)
    form = form or wide(data)
    if form:
        return _certain(data, form)
    try:
        return Decoded(clean(data.decode("utf-8")))
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    sound = sum(1 for character in text if character > "\x7f") - wrong
    if sound > wrong:
        return Decoded(clean(text), f"{wrong} places are not UTF-8")
    # Five bytes have no meaning there; in Latin-1 they are controls.
    return Decoded(clean(data.decode("cp1252", "replace")), "not UTF-8: read as Windows-1252")


def _certain(data: bytes, name: str) -> Decoded:
    text = clean(data.decode(name, "replace"))
    wrong = text.count("\ufffd")
    return Decoded(text, f"{wrong} places are not {name.upper()}" if wrong else "")


_UNFIT = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with line ends as `\\n` and without what cannot be stored: NULs and lone halves of pairs."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        text = text.replace("\0", " ")
    return text if text.isascii() else _UNFIT.sub("\ufffd", text)


def line(text: str, limit: int = TITLE) -> str:
    """`text` as one line of printable characters; what is longer ends with an ellipsis."""
    joined = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"


# ---- what a text says of itself ----------------------------------------------------------------

_FRONT = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^(title|author|authors|creator)[ \t]*:[ \t]*(.+)$", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(r"^#{1,2}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_SETEXT = re.compile(r"\A\s*([^\n]{1,200})\n[=~*-]{3,}[ \t]*(?:\n|\Z)")
_BY = re.compile(
    r"^[ \t]*(?:@author[ \t]+|\\author\{|authors?[ \t]*:[ \t]*|written by[ \t]+|"
    r"copyright \(c\) [\d, -]+[ \t])([^\n}<:]{2,80})",
    re.IGNORECASE | re.MULTILINE,
)
_NOISE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)|\[([^\]\n]*)\]\([^)\n]*\)|<[^<>\n]{1,200}>|[*`|]{1,3}|\b_|_\b")
_COMMENT = re.compile(r"^[ \t]*(?:///?!?|#+!?|--+|;+|%+|\*+/?|/\*+!?|\"{3}|'{3}|<!--|-->|\(\*)[ \t]?")
_NO_TITLE = re.compile(
    r"(?i)untitled.*|document\d*|microsoft (?:word|powerpoint|excel).*|"
    r".*\.(?:docx?|pptx?|xlsx?|indd|dvi|tex)|slide \d+|powerpoint presentation|\W*"
)


def of_markdown(text: str) -> Said:
    """Front matter, else the first heading; the first paragraph that is prose."""
    head = text[:20_000]
    title = author = ""
    front = _FRONT.match(head)
    if front:
        for key, value in _KEY.findall(front[1]):
            value = line(value.strip().strip("\"'[]").replace('"', ""))
            if key.lower() == "title":
                title = title or value
            else:
                author = author or value
        head = head[front.end() :]
    heading = _HEADING.search(head) or _SETEXT.match(head)
    title = title or (line(_plain(heading[1])) if heading else "")
    return Said(usable(title), author, _prose(head))


def of_text(text: str) -> Said:
    """A first line that stands alone is the title."""
    head = text[:20_000].lstrip()
    underlined = _SETEXT.match(head)
    first, _, rest = head.partition("\n")
    title = ""
    if underlined:
        title = underlined[1]
    elif len(first) <= 100 and rest.startswith(("\n", "\r")) and first[-1:] not in ".,;:{":
        title = first
    author = _BY.search(head[:4000])
    return Said(usable(line(title)), line(author[1]) if author else "", shortened(head))


def of_code(text: str) -> Said:
    """The comment at the top, of which a licence is no part; else the first lines."""
    head = text[:20_000]
    comment = _comments(head)
    author = _BY.search("\n".join(comment))
    comment = [part for part in comment if not _LICENCE.search(part)]
    lead = " ".join(comment)
    first = comment[0].split(". ")[0] if comment else ""
    title = first if 8 <= len(first) <= 100 else ""
    return Said(line(title), line(author[1]) if author else "", shortened(lead if len(lead) > 20 else head))


_LICENCE = re.compile(
    r"(?i)copyright|licen[cs]e|SPDX|all rights reserved|warrant(?:y|ies)|^@author|coding[:=]|^vim?:|-\*-"
)


def _comments(head: str) -> list[str]:
    """The lines of the comments before the first code, without their signs."""
    found: list[str] = []
    inside = ""
    for raw in head.split("\n")[:80]:
        stripped = raw.strip()
        if inside:
            found.append(_COMMENT.sub("", stripped.replace(inside, "")).strip())
            inside = "" if inside in stripped else inside
            continue
        if stripped.startswith("#!") or not stripped:
            continue
        sign = _COMMENT.match(raw)
        if not sign or stripped.startswith("#include"):
            break
        opened = next((close for o, close in _OPENS if stripped.startswith(o)), "")
        found.append(_COMMENT.sub("", stripped.removesuffix(opened)).strip())
        inside = opened if opened and opened not in stripped[3 if opened[0] in "\"'" else 2 :] else ""
    return [part for part in found if part]


_OPENS = (('"""', '"""'), ("'''", "'''"), ("/*", "*/"), ("<!--", "-->"), ("(*", "*)"))


def usable(title: str) -> str:
    """The title, unless it is one that a program gave."""
    return "" if _NO_TITLE.fullmatch(title) else title


def _prose(markdown: str) -> str:
    """The first paragraphs that are neither heading, list of links, table nor code."""
    found: list[str] = []
    fenced = False
    for block in re.split(r"\n[ \t]*\n", markdown):
        fences = block.count("```")
        if fenced or block.lstrip().startswith(("```", "|", "<!--")):
            fenced = fenced != bool(fences % 2)
            continue
        words = _plain(
            "\n".join(part for part in block.split("\n") if not part.startswith(("#", "==", "--")))
        )
        if len(words) >= 30:
            found.append(words)
        if sum(map(len, found)) >= LEAD:
            break
    return shortened(" ".join(found) or _plain(_SIGNS.sub("", markdown)))


_SIGNS = re.compile(r"^(?:#+ |\|(?: --- \|)+$|```\w*$|={3,}$|-{3,}$)", re.MULTILINE)


def _plain(markdown: str) -> str:
    return " ".join(_NOISE.sub(lambda match: match[1] or "", markdown).split())


def shortened(text: str) -> str:
    """The first `LEAD` characters, cut at a word."""
    joined = " ".join(text[: 4 * LEAD].split())
    if len(joined) <= LEAD:
        return joined
    return (
        joined[: LEAD - 1].rpartition(" ")[0].rstrip(" ,;:") + " …" if " " in joined[:LEAD] else joined[:LEAD]
    )
