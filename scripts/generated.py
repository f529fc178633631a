"""What the scripts that make a page have in common: where the page goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def write(about: str, page: Callable[[], str]) -> None:
    """Make the page and write it into the file that the command line names, to stdout where it names none."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", help="where the page goes; stdout without it")
    target: Path | None = parser.parse_args().file
    text = page()
    if target is None:
        sys.stdout.write(text)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
