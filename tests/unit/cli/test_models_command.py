"""`nexus models`: data on stdout, talk on stderr, exit statuses. Weights come from a local folder."""

from __future__ import annotations

import hashlib
import json

import pytest

from nexus.cli import main as cli
from nexus.core.models import CATALOG

SMOLLM = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def nexus(home, monkeypatch, capsys):
    """Runs one command line; returns (exit status, stdout, stderr)."""

    def run(*arguments: str):
        monkeypatch.setattr("sys.argv", ["nexus", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with an unpinned model, the only source allowed."""
    folder = tmp_path / "shelf" / "e5-small-v2"
    folder.mkdir(parents=True)
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).write_bytes(name.encode() * 100)
    monkeypatch.setenv("NEXUS_MODELS_SEARCH_PATH", str(folder.parent))
    monkeypatch.setenv("NEXUS_MODELS_SOURCES", "path")
    return folder


def test_list_names_every_model_its_size_licence_and_state(nexus):
    status, out, err = nexus("models", "list")
    assert status == 0
    assert len(out.splitlines()) == len(CATALOG)
    assert "* qwen2.5-coder-1.5b-instruct" in out
    assert "1,117.3 MB  Apache-2.0  not installed" in out
    assert "does not know the bytes of e5-small-v2" in err
    rows = json.loads(nexus("models", "list", "--json")[1])
    assert [row["name"] for row in rows] == list(CATALOG)
    assert [row["name"] for row in rows if not row["pinned"]] == ["e5-small-v2"]


def test_pull_path_verify_rm(nexus, shelf, home):
    status, out, err = nexus("models", "pull", "e5-small-v2", "--json")
    assert status == 0
    [result] = json.loads(out)
    assert result["fetched"] is True
    assert len(result["notes"]) == 2
    assert hashlib.sha256(b"model.onnx" * 100).hexdigest() in err
    folder = home.models / "e5-small-v2"
    assert nexus("models", "path", "e5-small-v2") == (0, f"{folder}\n", "")
    assert nexus("models", "path")[1] == f"{home.models}\n"
    assert "here already" in nexus("models", "pull", "e5-small-v2")[2]
    assert nexus("models", "verify")[:2] == (0, "e5-small-v2 is whole\n")
    # The file is the user's own, linked: give the model other bytes without touching it.
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_bytes(b"TOKENIZER.json" + b"tokenizer.json" * 99)
    status, out, err = nexus("models", "verify", "--json")
    assert status == 10
    assert json.loads(out)[0]["ok"] is False
    assert "nexus models pull e5-small-v2 --force" in err
    assert nexus("models", "pull", "e5-small-v2", "--force")[0] == 0
    assert nexus("models", "verify", "e5-small-v2")[0] == 0
    assert nexus("models", "rm", "e5-small-v2")[0] == 0
    assert (shelf / "model.onnx").exists()
    assert nexus("models", "path", "e5-small-v2")[0] == 9


def test_a_truncated_model_is_listed_as_damaged_and_refused(nexus, shelf, home):
    nexus("models", "pull", "e5-small-v2")
    path = home.models / "e5-small-v2" / "model.onnx"
    path.unlink()
    path.write_bytes(b"short")
    assert "damaged" in nexus("models", "list")[1]
    status, out, err = nexus("models", "path", "e5-small-v2")
    assert (status, out) == (10, "")
    assert "5 bytes, expected 1000 bytes" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("pull", "nonsense"), 5, "no model is called 'nonsense'"),
        (("pull", "smolm2-135m"), 5, "did you mean smollm2-135m?"),
        (("path", "../etc"), 2, "cannot be the name of a model"),
        (("rm", "smollm2-135m"), 5, "is not installed"),
        (("verify", "smollm2-135m"), 9, "nexus models pull smollm2-135m"),
        (("pull", "smollm2-135m"), 11, "could not be had"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(nexus, shelf, arguments, status, said):
    code, out, err = nexus("models", *arguments)
    assert (code, out) == (status, "")
    assert said in err
    assert "Traceback" not in err


def test_pull_without_a_name_takes_what_the_configuration_uses(nexus, shelf, monkeypatch):
    monkeypatch.setenv("NEXUS_CORTEX_EMBEDDER", "e5-small-v2")
    monkeypatch.setenv("NEXUS_CORTEX_TALK_EMBEDDER", "e5-small-v2")
    monkeypatch.setenv("NEXUS_ENGINE_MODEL", "/weights/mine.gguf")
    status, out, err = nexus("models", "pull", "--json")
    assert status == 0
    assert [result["name"] for result in json.loads(out)] == ["e5-small-v2"]
    assert "/weights/mine.gguf: it is used where it lies" in err
    monkeypatch.setenv("NEXUS_ENGINE_KIND", "remote")
    assert "no chat model is needed" in nexus("models", "pull")[2]


def test_verify_of_nothing_says_so(nexus):
    status, out, err = nexus("models", "verify")
    assert (status, out) == (0, "")
    assert "no model is installed" in err


def test_a_folder_that_the_catalog_does_not_name_is_listed(nexus, shelf, home):
    nexus("models", "pull", "e5-small-v2")
    folder = home.models / "older-model"
    (home.models / "e5-small-v2").rename(folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("e5-small-v2", "older-model"))
    rows = json.loads(nexus("models", "list", "--json")[1])
    assert rows[-1]["name"] == "older-model"
    assert rows[-1]["state"] == "installed"
