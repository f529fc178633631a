"""The transformer's commands where torch is not installed: one line that names the extra and the command."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nexus.cli import main


@pytest.mark.parametrize(
    "words",
    [
        ("train", "texts", "--out", "out"),
        ("eval", "needle"),
        ("eval", "recall", "x"),
        ("eval", "bpb", "x"),
        ("stream", "x"),
    ],
)
def test_without_torch_it_names_the_extra_and_the_command(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "torch" else real(name, *more)
    )
    monkeypatch.setattr(sys, "argv", ["nexus", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out, told.err.count("\n")) == (13, "", 1)
    assert "torch is not installed: the transformer needs the extra `train`" in told.err
    assert "run: scripts/torch.sh in a checkout, pip install 'nexusos[train]' elsewhere" in told.err
