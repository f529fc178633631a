"""Make the README's picture of the dashboard: the real page of a real service that knows `docs/`.

    python scripts/screenshot.py [--question TEXT] [--out FILE] [--dark]

Starts a service of its own in a temporary home and ends it again. The model, its folder and all else
come from the configuration in force: NEXUS_ENGINE_MODEL, NEXUS_MODELS_FOLDER or the user's own home.
Needs the `dev` extra and Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from nexus.core import config

ROOT = Path(__file__).resolve().parents[1]
QUESTION = "How do I start NexusOS?"
WIDTH, HEIGHT = 1280, 800


def main() -> None:
    """Start, ask, wait, take the picture, stop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "dashboard.png")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    settings = config.load()
    models = settings.settings.models.folder or settings.home.models
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "NEXUS_HOME": folder, "NEXUS_MODELS_FOLDER": str(models)}
        service = subprocess.Popen(
            [sys.executable, "-m", "nexus", "up", "--port", str(port)], env=environment
        )
        try:
            wait(f"http://127.0.0.1:{port}/readyz", service)
            nexus(environment, "add", str(ROOT / "docs"), *map(str, ROOT.glob("*.md")))
            token = (Path(folder) / "run" / "token").read_text(encoding="ascii").strip()
            options.out.parent.mkdir(parents=True, exist_ok=True)
            picture(f"http://127.0.0.1:{port}/dashboard#token={token}", options)
        finally:
            service.terminate()
            service.wait(timeout=30)
    print(options.out)


def wait(url: str, service: subprocess.Popen[bytes]) -> None:
    """Until the service is ready."""
    while service.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
            return
        except OSError:
            time.sleep(0.2)
    sys.exit("the service did not start; see the lines above")


def nexus(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of the CLI against the service."""
    subprocess.run([sys.executable, "-m", "nexus", *arguments], env=environment, check=True)


def picture(url: str, options: argparse.Namespace) -> None:
    """Ask in the page; once the answer and its sources stand, take the picture."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("Chromium is needed for the picture: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="dark" if options.dark else "light",
            device_scale_factor=2,
        )
        page.goto(url)
        page.locator("#state[data-state=ready]").wait_for(timeout=120_000)
        page.fill("#prompt", options.question)
        page.keyboard.press("Enter")
        page.locator(".budget").wait_for(timeout=600_000)
        show_from_the_question(page)
        page.screenshot(path=options.out)
        browser.close()


def show_from_the_question(page: Page) -> None:
    """Scroll to the start of the conversation and let go of the input field."""
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
