"""axe-core, the accessibility engine of Deque, for the tests that drive the dashboard.

Fetched by npm once and kept under `build/`; it is no part of NexusOS. Knows no page.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
KEPT = Path(__file__).resolve().parents[2] / "build" / "axe" / f"axe-{VERSION}.min.js"
# The levels A and AA of WCAG 2.0, 2.1 and 2.2, and what axe calls good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async rules => (await axe.run(document, {runOnly: rules, resultTypes: ['violations']})).violations
    .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`))
"""


def source(scratch: Path) -> str:
    """The engine's one file, fetched into the empty folder `scratch` when it was never kept.

    Skips the test, and says why, where npm is not or reaches no registry.
    """
    if not KEPT.is_file():
        command = ["npm", "pack", "--silent", "--pack-destination", str(scratch), f"axe-core@{VERSION}"]
        try:
            subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
            pytest.skip(f"axe-core {VERSION} is not in {KEPT} and npm cannot fetch it: {' '.join(said)}")
        with tarfile.open(scratch / f"axe-core-{VERSION}.tgz") as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member
            content = member.read()
        assert hashlib.sha256(content).hexdigest() == SHA256, "npm gave another file than was looked at"
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_bytes(content)
    content = KEPT.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, f"{KEPT} is damaged: delete it"
    return content.decode()


def violations(page: Page, engine: str) -> list[Any]:
    """What breaks one of the rules on the page as it stands, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(engine)
    found: list[Any] = page.evaluate(_RUN, RULES)
    return found
