"""Small judged sets in the published forms, made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SESSIONS = (
    (
        "1:56 pm on 8 May, 2023",
        ["The goat escaped from the barn again this morning.", "Did you call the vet about its leg?"],
    ),
    (
        "9:05 am on 2 June, 2023",
        ["I bought a green kayak for the lake trip.", "Yes", "The paddle costs forty euros in that shop."],
    ),
)


def conversation(name: str, sessions: Any = SESSIONS) -> dict[str, Any]:
    """A conversation of Ann and Ben with two questions that have evidence and one that has none."""
    talk: dict[str, Any] = {"speaker_a": "Ann", "speaker_b": "Ben"}
    for number, (when, said) in enumerate(sessions, 1):
        talk[f"session_{number}_date_time"] = when
        talk[f"session_{number}"] = [
            {"speaker": ("Ann", "Ben")[i % 2], "dia_id": f"D{number}:{i + 1}", "text": text}
            for i, text in enumerate(said)
        ]
    questions = [
        {"question": "What escaped from the barn?", "evidence": ["D1:1"], "category": 4, "answer": "a goat"},
        {"question": "What does the paddle cost?", "evidence": ["D2:03; D:2:1"], "category": 1},
        {"question": "Who is the mayor?", "evidence": [], "category": 5},
    ]
    return {"sample_id": name, "conversation": talk, "qa": questions}


def locomo(folder: Path, *names: str) -> Path:
    """A file of such conversations."""
    path = folder / "locomo-small.json"
    path.write_text(json.dumps([conversation(name) for name in names]))
    return path


def cranfield(folder: Path) -> None:
    """Three abstracts and two questions whose `<num>` is not what the judgments count."""
    abstracts = [
        ("lift of a wing", "lift of a wing in a slipstream was measured ."),
        ("heat in slabs", "heat flow through composite slabs of metal ."),
        ("shell buckling", "buckling of thin shells under pressure ."),
    ]
    documents = "".join(
        f"<doc>\n<docno>{n}</docno>\n<title>{title} .</title>\n<author>a</author>\n"
        f"<text>{title} .\n{text}\n</text>\n</doc>"
        for n, (title, text) in enumerate(abstracts, 1)
    )
    (folder / "cran.all.1400.xml").write_text(documents)
    questions = [(1, "how does heat flow in composite slabs"), (4, "when do thin shells buckle")]
    tops = "".join(f"<top>\n<num> {n}</num>\n<title>\n{text} .\n</title>\n</top>" for n, text in questions)
    (folder / "cran.qry.xml").write_text(f"<xml>{tops}</xml>")
    (folder / "cranqrel.trec.txt").write_text("1 0 2 1\n1 0 1 0\n2 0 3 1\n2 0 99 1\n")


def claude_docs(folder: Path) -> None:
    """Two sections, one question about each, and one about a section that is not there."""
    sections = [
        {"chunk_link": "u#a", "chunk_heading": "Streaming", "text": "Set stream to true to get events."},
        {"chunk_link": "u#b", "chunk_heading": "Limits", "text": "A minute allows fifty requests."},
    ]
    questions = [
        {"id": "1", "question": "How do I get events while streaming?", "correct_chunks": ["u#a"]},
        {
            "id": "2",
            "question": "How many requests are allowed each minute?",
            "correct_chunks": ["u#b", "u#z"],
        },
        {"id": "3", "question": "What is elsewhere?", "correct_chunks": ["u#z"]},
    ]
    (folder / "anthropic_docs.json").write_text(json.dumps(sections))
    (folder / "docs_evaluation_dataset.json").write_text(json.dumps(questions))
