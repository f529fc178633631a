"""Starting twice, stopping in the middle: who runs is named, and no stop takes longer than promised."""

from __future__ import annotations

import signal
import threading
import time

import httpx
import pytest

from tests.running import running


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_second_one_names_the_first(tmp_path, models_folder, smollm2_path):
    with running(tmp_path / "home", models_folder) as service:
        assert service.process
        named = f"{service.url} (process {service.process.pid})"
        foreground = service.cli("up")
        assert foreground.returncode == 6
        assert named in foreground.stderr
        # In the background there is nothing left to do, and the address is what was asked for.
        background = service.cli("up", "--detach")
        assert background.returncode == 0
        assert named in background.stderr
        assert background.stdout.startswith(service.url)


@pytest.mark.parametrize("path", ["/api/interact", "/v1/chat/completions", "/v1/messages"])
def test_an_answer_that_does_not_end_in_time_is_ended_and_the_service_stops(
    path, tmp_path, models_folder, smollm2_path
):
    with running(tmp_path / "home", models_folder, NEXUS_SERVICE_DRAIN_SECONDS="1") as service:
        got: list[str] = []
        ended: list[str] = []
        body = {
            "prompt": "Count to ten thousand.",
            "messages": [{"role": "user", "content": "Count to ten thousand."}],
            "model": "smollm2-135m",
            "stream": True,
            "max_tokens": 3500,
            "temperature": 0,  # drawn, the answer is over after one sentence now and then
        }
        if path != "/api/interact":
            del body["prompt"]
        else:
            del body["messages"], body["model"], body["temperature"]

        def listen() -> None:
            try:
                with service.client() as client, client.stream("POST", path, json=body) as reply:
                    got.extend(line for line in reply.iter_lines() if line)
                ended.append("by the service")
            except httpx.TransportError as error:
                ended.append(f"cut: {error}")

        lines: list[str] = got
        listener = threading.Thread(target=listen)
        listener.start()
        until(lambda: len(lines) > 8)
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        with service.client() as client:

            def refused() -> bool:
                try:
                    return client.post(path, json=body).status_code == 503
                except httpx.TransportError:
                    return True  # it has stopped listening already

            until(refused)
        assert service.process.wait(60) == 0, service.log()
        listener.join(60)
        assert ended == ["by the service"], service.log()
        assert "Traceback" not in service.log()
