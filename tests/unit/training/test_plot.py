"""The curve of a training: a picture of the log, whatever a kill left of its last line."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import MissingPartError
from nexus.training.plot import distances, draw, lines

LOG = [{"step": n, "on": 9.0 - n, "off": 9.0, "answers_on": None, "answers_off": None} for n in (1, 2, 3)]


def write(path: Path, more: str = "") -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in LOG) + more)
    return path


def test_steps_are_there_once_and_in_order(tmp_path: Path) -> None:
    log = write(tmp_path / "log", json.dumps(LOG[1] | {"on": 5.0}) + '\n{"step": 4, "o')
    assert [(line["step"], line["on"]) for line in lines(log)] == [(1, 8.0), (2, 5.0), (3, 6.0)]
    assert lines(tmp_path / "absent") == []


def test_the_picture_is_one(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    assert draw(write(tmp_path / "log"), tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert not draw(tmp_path / "absent", tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_recall_over_distance_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    picture = tmp_path / "recall.png"
    assert not distances({"nexus": []}, picture)
    assert not picture.exists()
    assert distances({"nexus": [(10 * n, n < 20) for n in range(1, 40)], "none": []}, picture, window=100)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPartError, match="matplotlib is not installed") as caught:
        draw(write(tmp_path / "log"), tmp_path / "loss.png")
    assert caught.value.hint == "pip install matplotlib"
