"""The model's file is removed, replaced or written to while it is in use: named, refused, and found again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Service, running

ASK = {"prompt": "Say hello.", "max_tokens": 2}
_MIDDLE = 50_000_000


@pytest.fixture(scope="module")
def models(tmp_path_factory, models_folder: Path) -> Path:
    """The models of the tests, in files of our own."""
    copy: Path = tmp_path_factory.mktemp("models") / "models"
    shutil.copytree(models_folder, copy)
    return copy


@pytest.fixture(scope="module")
def service(tmp_path_factory, models: Path) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("files") / "home", models) as service:
        yield service


@pytest.fixture
def weights(models: Path, service: Service, smollm2_path: Path) -> Iterator[Path]:
    """The file, whole and in use; made whole again at the end."""
    path = models / "smollm2-135m" / smollm2_path.name
    yield path
    whole = path.with_suffix(".whole")
    shutil.copy(smollm2_path, whole)
    whole.replace(path)
    with service.client() as http:
        until(lambda: http.post("/api/interact", json=ASK).status_code == 200)


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def model(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/status").json()["model"]
    return found


def kill_worker(http: httpx.Client) -> None:
    before = model(http)
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: model(http)["restarts"] > before["restarts"] or model(http)["state"] == "failed")


def refused(http: httpx.Client) -> dict[str, str]:
    """The error of a question that is not answered, once the breaker lets one through."""

    def asked() -> httpx.Response | None:
        reply = http.post("/api/interact", json=ASK)
        return None if reply.json()["error"]["code"] == "broken" else reply

    reply = until(asked)
    assert reply.status_code == 503
    error: dict[str, str] = reply.json()["error"]
    # Knowledge and memory do not need the model.
    made = http.post("/api/memories", json={"learning": f"noted at {time.time_ns()}"})
    assert made.status_code == 201
    assert not http.get("/api/status").json()["health"]["healthy"]
    return error


def flipped(path: Path) -> None:
    """One bit in the middle is another."""
    with path.open("r+b") as file:
        file.seek(_MIDDLE)
        byte = file.read(1)
        file.seek(_MIDDLE)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.timeout(600)
def test_a_removed_file_is_missed_only_when_the_process_begins_again(service, weights, smollm2_path):
    with service.client() as http:
        weights.unlink()
        assert http.post("/api/interact", json=ASK).status_code == 200
        kill_worker(http)
        error = refused(http)
        assert error["code"] == "model_missing"
        assert "nexus models pull smollm2-135m" in error["hint"]
        shutil.copy(smollm2_path, weights)
        assert until(lambda: http.post("/api/interact", json=ASK).status_code == 200)
        assert until(lambda: http.get("/api/status").json()["health"]["healthy"])


@pytest.mark.timeout(600)
def test_a_replaced_file_is_never_used_unless_it_is_the_catalogs(service, weights):
    with service.client() as http:
        other = weights.with_suffix(".other")
        shutil.copy(weights, other)
        flipped(other)
        other.replace(weights)
        # What is mapped is still the old file.
        assert http.post("/api/interact", json=ASK).status_code == 200
        kill_worker(http)
        error = refused(http)
        assert error["code"] == "model_corrupt"
        assert weights.name in error["message"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_file_that_is_written_to_while_it_is_in_use_is_looked_at_again(service, weights, damage):
    with service.client() as http:
        assert http.post("/api/interact", json=ASK).status_code == 200
        if damage == "flipped":
            flipped(weights)
        else:
            os.truncate(weights, _MIDDLE)
        # It lies in memory for the process, so it changes under it; nobody has to ask for this to be seen.
        until(lambda: model(http)["state"] == "failed")
        error = refused(http)
        assert error["code"] == "model_corrupt"
        assert weights.name in error["message"]
