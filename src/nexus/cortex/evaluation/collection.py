"""Documents, questions, and which documents answer them: the judged sets of document retrieval.

`cranfield` and `claude_docs` read two published sets from their own files; neither is part of this
project. Invariant: a `Collection` judges only documents that it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import InvalidInputError


class Document(NamedTuple):
    """`id` is good for a file name; `title` may be empty."""

    id: str
    title: str
    text: str


class Asked(NamedTuple):
    """A question and what each document is worth as its answer; documents worth nothing are absent."""

    text: str
    gains: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Collection:
    """A judged set. `form` is the ending of its documents' files.

    `blank` counts documents and `unjudged` questions that were left out.
    """

    name: str
    form: str
    documents: tuple[Document, ...]
    questions: tuple[Asked, ...]
    blank: int
    unjudged: int


def cranfield(folder: Path) -> Collection:
    """1,400 abstracts and 225 questions (Cleverdon 1967), TREC form.

    The trap: the judgments count the questions by position; `<num>` in the question file is another,
    older numbering. Raises `InvalidInputError`.
    """
    documents = []
    for block in _blocks(_text(folder / "cran.all.1400.xml"), "doc"):
        title, text = _field(block, "title"), _field(block, "text")
        # Nearly every text begins with its title.
        text = text.removeprefix(title).strip()
        documents.append(Document(f"c{int(_field(block, 'docno')):04d}", title, text))
    held = {document.id for document in documents}
    gains: dict[int, dict[str, float]] = {}
    for number, line in enumerate(_text(folder / "cranqrel.trec.txt").splitlines(), 1):
        try:
            question, _, document_number, grade = line.split()
            name, gain = f"c{int(document_number):04d}", float(grade)
        except ValueError as error:
            raise InvalidInputError(
                f"{folder / 'cranqrel.trec.txt'}:{number} is no judgment: {line!r}",
                hint="four columns: question, 0, document, grade",
            ) from error
        if gain > 0 and name in held:
            gains.setdefault(int(question), {})[name] = gain
    texts = [_field(block, "title") for block in _blocks(_text(folder / "cran.qry.xml"), "top")]
    return _judged("Cranfield", "md", documents, [(t, gains.get(n, {})) for n, t in enumerate(texts, 1)])


def claude_docs(folder: Path) -> Collection:
    """Sections of the Claude documentation and questions with the sections that answer them (MIT).

    Raises `InvalidInputError`.
    """
    try:
        sections = json.loads(_text(folder / "anthropic_docs.json"))
        questions = json.loads(_text(folder / "docs_evaluation_dataset.json"))
        numbers = {section["chunk_link"]: f"s{n:03d}" for n, section in enumerate(sections)}
        documents = [
            Document(numbers[section["chunk_link"]], section["chunk_heading"], section["text"])
            for section in sections
        ]
        asked = [
            (q["question"], {numbers[link]: 1.0 for link in q["correct_chunks"] if link in numbers})
            for q in questions
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{folder} is not in the form of the Claude docs set: {type(error).__name__} {error}"
        ) from error
    return _judged("Claude docs", "md", documents, asked)


def _judged(
    name: str, form: str, documents: list[Document], asked: list[tuple[str, dict[str, float]]]
) -> Collection:
    # Two abstracts of Cranfield are blank, and nobody can find what is not there.
    told = [document for document in documents if document.title or document.text.strip()]
    if not told:
        raise InvalidInputError(f"the {name} set holds no documents")
    questions = tuple(Asked(text, gains) for text, gains in asked if gains)
    return Collection(
        name, form, tuple(told), questions, len(documents) - len(told), len(asked) - len(questions)
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from error


def _blocks(text: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)


def _field(block: str, tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", block, re.DOTALL)
    if not found:
        raise InvalidInputError(f"an entry of the Cranfield set has no <{tag}>: {block[:60]!r}")
    return " ".join(found[1].split())
