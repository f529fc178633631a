"""Sessions lose their credentials before anything of them is cut, and keep everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.evaluation.credentials import HIGH, Maker
from nexus.cortex.secrets import blacked_out
from nexus.cortex.transcripts.sessions import parse_session
from tests.unit.cortex.transcripts.session_lines import call, claude, lines, result

TOKEN = HIGH["github-token"](Maker(3))
PASSWORD = "vK7#" + "qLw9Tz4x"
TALK = "The harbour opens at nine and closes at noon. "


def said(*entries: Mapping[str, Any]) -> str:
    """Title and turns of a session, read and then blacked out."""
    found = parse_session(Path("s.jsonl"), lines(*entries)).with_texts(blacked_out)
    return "\n".join([found.title, *(turn.text for turn in found.turns)])


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    with Cortex(
        home, CortexSettings(index="exact"), OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    ) as made:
        yield made


def test_the_end_of_a_key_does_not_outlive_its_beginning() -> None:
    """Of a long output the first and the last lines are kept: those of a key are no key to any rule."""
    body = [Maker(n).letters(64) for n in range(20)]
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----"])
    text = said(
        claude("user", "Look at it."), call("Bash", command="cat deploy"), result(f"{TALK}\n{key}\n{TALK}")
    )
    assert not any(line[-12:] in text for line in body)
    assert "[removed: private-key]" in text
    assert text.count(TALK.strip()) == 2


@pytest.mark.parametrize("before", range(40, 140, 9))
def test_no_half_of_a_token_is_left_in_a_title(before: int) -> None:
    text = said(
        claude("user", (TALK * 4)[:before] + f" {TOKEN} and so on, for as long as it takes. " + TALK * 4)
    )
    assert TOKEN[4:16] not in text


@pytest.mark.parametrize("before", range(240, 320, 9))
def test_no_half_of_a_token_is_left_in_a_call(before: int) -> None:
    text = said(claude("user", "Go on."), call("Bash", command=(TALK * 9)[:before] + f" {TOKEN} " + TALK))
    assert TOKEN[4:16] not in text


@pytest.mark.parametrize("before", range(17_900, 18_010, 3))
def test_no_half_of_a_token_is_left_in_a_long_message(before: int) -> None:
    token = HIGH["azure-devops-token"](Maker(3))
    text = said(
        claude("user", "Go on."), claude("assistant", (TALK * 900)[:before] + f" {token} " + TALK * 900)
    )
    assert token[10:26] not in text
    assert "characters left out" in text


def test_a_password_that_was_read_in_a_file_is_known_in_a_command(cortex: Cortex, tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    path.write_bytes(
        lines(
            claude("user", "Open the harbour gate, the settings lie in deploy.cfg."),
            call("Read", "t-1", file_path="/srv/shop/deploy.cfg"),
            result(f"     1\thost = harbour\n     2\tdb_password = {PASSWORD}\n", "t-1"),
            call("Bash", "t-2", command=f"mysql -ukeeper -p{PASSWORD} harbour"),
            claude(
                "assistant", [{"type": "text", "text": f"The harbour gate takes {PASSWORD} and is open."}]
            ),
        )
    )
    report = cortex.import_sessions([path])
    assert report.counts == {"added": 1}
    texts = [found.chunk.text for found in cortex.recall("harbour gate", kinds=("transcript",))]
    assert any("The harbour gate takes [removed: password-or-key] and is open." in text for text in texts)
    assert PASSWORD not in "".join(texts)
