"""A service that uses another host's model and store over a network, whose cable is pulled in the middle.

Two network namespaces are two hosts: the house, where `nexus up` is, and the rack, where a server with the
interface of OpenAI and a Redis are. A user sees a clear error for what is away, all else as before, and
everything again once the cable is in; nobody restarts anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from nexus.agentmem import Store, UnitType
from nexus.agentmem.remote import Secret
from tests.agentmem_valkey import Server
from tests.running import Service
from tests.two_hosts import Host, NoHostsError, two_hosts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KEY = "the-key-of-the-rack-0123456789"
PASSWORD = "of-the-store"
MODEL_PORT, STORE_PORT = 8431, 6391
# Longer than the kernel asks a silent peer (25 s), on a machine that others use, too.
PATIENCE = 120.0


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    try:
        with two_hosts() as made:
            yield made
    except NoHostsError as error:
        pytest.skip(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="og-"))
    yield path
    shutil.rmtree(path)


def until(true: Callable[[], Any], what: Callable[[], object]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
    return found


def thinking(service: Service) -> psutil.Process:
    """Its model, held in the middle of what it does."""
    assert service.process
    children = psutil.Process(service.process.pid).children(recursive=True)
    (model,) = [child for child in children if "nexus.engine.worker" in " ".join(child.cmdline())]
    model.suspend()
    return model


class House:
    """The service in the house, asked from there."""

    def __init__(self, host: Host, service: Service) -> None:
        self.host, self.service = host, service

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        def asked() -> httpx.Response:
            with self.service.client() as http:
                return http.request(method, path, json=body)

        return self.host.do(asked)

    def chat(self, tokens: int = 8) -> httpx.Response:
        said = [{"role": "user", "content": "Say something about ships."}]
        body = {"model": "smollm2-135m", "messages": said, "max_tokens": tokens}
        return self.ask("POST", "/v1/chat/completions", body)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/api/status").raise_for_status().json()
        return found

    def long_answer(self) -> list[str]:
        """Lines of an answer that streams for a while."""
        said = [{"role": "user", "content": "Tell a very long story about a harbour, in many chapters."}]
        body = {"model": "smollm2-135m", "messages": said, "max_tokens": 3000, "stream": True}
        lines: list[str] = []
        with (
            self.service.client() as http,
            http.stream("POST", "/v1/chat/completions", json=body | {"temperature": 0.9}) as reply,
        ):
            for line in reply.iter_lines():
                self.heard += bool(line)
                lines += [line] if line else []
        return lines

    heard = 0


def service(host: Host, folder: Path, models: Path, **env: str) -> Service:
    """One that learns nothing and watches nothing."""
    quiet = {"NEXUS_TRAINING_ENABLED": "false", "NEXUS_MEMEX_ENABLED": "false"}
    return Service(folder / host.name, models, **quiet, **env)


def test_the_cable_to_the_rack_with_the_model_is_pulled(hosts, folder, models_folder, smollm2_path):
    here, there = hosts
    rack = service(
        there,
        folder,
        models_folder,
        NEXUS_SERVICE_HOST=there.address,
        NEXUS_SERVICE_TOKEN=KEY,
        NEXUS_SERVICE_PORT=str(MODEL_PORT),
        NEXUS_ENGINE_THREADS="1",
        NEXUS_ENGINE_CONTEXT="8192",
    )
    rack.url = url = f"http://{there.address}:{MODEL_PORT}"
    home = service(
        here,
        folder,
        models_folder,
        NEXUS_ENGINE_KIND="remote",
        NEXUS_ENGINE_URL=f"{url}/v1",
        NEXUS_ENGINE_API_KEY=KEY,
        NEXUS_ENGINE_CONTEXT="8192",
    )
    house = House(here, home)
    try:
        there.do(rack.start, 180)
        here.do(home.start, 180)
        assert house.chat().status_code == 200
        made = house.ask("POST", "/api/memories", {"learning": "the depot opens at six"})
        assert made.status_code == 201
        # In the middle of an answer: what came stays, and how it ended is said.
        answer = here.begin(house.long_answer)
        until(lambda: house.heard or answer.done(), lambda: "the answer does not begin")
        model = thinking(rack)
        there.link(up=False)
        lines = answer.result(PATIENCE)
        model.resume()
        *_, last, done = lines
        assert (len(lines) > 2, done) == (True, "data: [DONE]")
        error = json.loads(last.removeprefix("data: "))["error"]
        assert f"the model server at {url}" in error["message"]
        # The model is away and says so; everything of the house's own goes on.
        refused = house.chat()
        assert refused.status_code == 502, refused.text
        assert f"the model server at {url}/v1 cannot be reached" in refused.json()["error"]["message"]
        assert "start the server or correct engine.url" in refused.json()["error"]["message"]
        status = house.status()
        assert (status["daemon"]["state"], status["model"]["state"]) == ("ready", "failed")
        kept = house.ask("POST", "/api/memories", {"learning": "the depot closes at nine"})
        assert kept.status_code == 201
        found = house.ask("POST", "/api/recall", {"query": "when does the depot open?"}).json()["results"]
        assert "the depot opens at six" in [one["text"] for one in found]
        # Nobody restarts anything.
        there.link(up=True)
        until(lambda: house.status()["model"]["state"] == "ready", house.status)
        until(lambda: house.chat().status_code == 200, lambda: house.chat().text)
        held = house.ask("GET", "/api/memories").json()["memories"]
        assert {one["learning"] for one in held} == {"the depot opens at six", "the depot closes at nine"}
        # The house has told the rack its questions, and nothing else.
        assert KEY not in home.log()
        assert "Traceback" not in home.log()
    finally:
        for each, host in ((home, here), (rack, there)):
            if each.process:
                host.do(each.stop)


def test_the_cable_to_the_rack_with_the_units_is_pulled(hosts, folder, models_folder):
    here, there = hosts
    key = folder / "share.key"
    Secret.create(key)
    options = ["--port", str(STORE_PORT), "--bind", there.address, "--requirepass", PASSWORD]
    store = Server(folder, options, f"valkey://:{PASSWORD}@{there.address}:{STORE_PORT}")
    share = {"NEXUS_SHARE_URL": store.url, "NEXUS_ENGINE_MODEL": str(folder / "none.gguf")}
    house = service(here, folder, models_folder, **share)
    rack = service(there, folder, models_folder, **share)

    def kept(of: Service) -> Store:
        return Store.connect(of.root / "run" / "agentmem.sock", realm="ships", agent="worker", durable=True)

    def shared(host: Host, of: Service, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["agents", "share", *words, "worker", "--realm", "ships", "--secret", str(key)]
        return host.do(of.cli, *command, "--conversations")

    try:
        there.do(store.start)
        here.do(house.start, 180)
        there.do(rack.start, 180)
        for each, host in ((house, here), (rack, there)):
            until(partial(_broker, host, each), each.log)
        with kept(house) as units:
            talk = units.conversation("main")
            for number in range(50):
                talk.append(UnitType.CONVERSATION, b"message %d" % number * 40)
        pushed = shared(here, house, "push")
        assert pushed.returncode == 0, pushed.stderr
        there.link(up=False)
        with kept(house) as units:
            units.conversation("main").append(UnitType.CONVERSATION, b"said while the cable was out")
        lost = shared(here, house, "push")
        assert lost.returncode != 0
        assert f"the shelf valkey://{there.address}:{STORE_PORT} does not answer" in lost.stderr
        assert "Traceback" not in lost.stderr
        assert PASSWORD not in lost.stderr
        with kept(house) as units:
            assert len(units.conversation("main")) == 51
        there.link(up=True)
        again = shared(here, house, "push")
        assert again.returncode == 0, again.stderr
        pulled = there.do(
            rack.cli, "agents", "share", "pull", "worker", "--realm", "ships", "--secret", str(key)
        )
        assert pulled.returncode == 0, pulled.stderr
        with kept(rack) as units:
            messages = [bytes(message) for message in units.conversation("main")]
        assert messages == [
            *(b"message %d" % n * 40 for n in range(50)),
            b"said while the cable was out",
        ]
        # What lies in the store is sealed: the words are not there to be read.
        dumped = there.do(_dump, store.url)
        assert dumped
        assert all(b"message" not in value and b"cable" not in value for value in dumped)
    finally:
        for each, host in ((house, here), (rack, there)):
            if each.process:
                host.do(each.stop)
        store.end()


def _broker(host: Host, of: Service) -> bool:
    def asked() -> bool:
        with of.client() as http, suppress(httpx.TransportError):
            status = http.get("/api/status").json()["agent_memory"]["state"]
            if status == "missing":
                pytest.skip("nexus-agentmemd is not built; mend it with: make up")
            return bool(status == "ready")
        return False

    return host.do(asked)


def _dump(url: str) -> list[bytes]:
    import valkey

    with valkey.Valkey.from_url(url) as client:
        return [value for key in client.scan_iter() if (value := client.get(key)) is not None]


def test_a_training_with_a_process_on_each_host(hosts, folder):
    pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
    from tests.transformer_commands import TINY, story

    text, config = folder / "text.txt", folder / "tiny.json"
    story(text)
    config.write_text(TINY.to_json())
    begun = []
    for number, host in enumerate(hosts):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(number)]
        command += ["--nproc-per-node", "1", "--master-addr", hosts[0].address, "--master-port", "29531"]
        command += ["-m", "nexus", "train", str(text), "--config", str(config), "--tokens", "512"]
        command += ["--steps", "2", "--threads", "1", "--out", str(folder / "run")]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": host.cable}
        given: dict[str, Any] = {"env": env, "capture_output": True, "text": True, "timeout": 900}
        begun.append(host.begin(subprocess.run, command, **given))
    done = [each.result() for each in begun]
    assert [one.returncode for one in done] == [0, 0], [one.stderr[-2000:] for one in done]
    assert (folder / "run" / "model.safetensors").exists()
    assert len((folder / "run" / "log.jsonl").read_text().splitlines()) == 2
    # Only the first one tells and writes.
    assert "step 2" in done[0].stdout
    assert done[1].stdout == ""


def test_the_cable_to_the_rack_with_the_index_is_pulled(hosts, folder, models_folder):
    """Its protocol, and failures of every kind, without a server: tests/unit/cortex/test_qdrant_server.py."""
    program = shutil.which("qdrant") or pytest.skip("no Qdrant server (program `qdrant`) is installed")
    here, there = hosts
    url = f"http://{there.address}:6333"
    env = {
        **os.environ,
        "QDRANT__SERVICE__HOST": there.address,
        "QDRANT__SERVICE__API_KEY": KEY,
        "QDRANT__STORAGE__STORAGE_PATH": str(folder / "qdrant"),
    }
    server = there.do(subprocess.Popen, [program], env=env, cwd=folder, stdout=subprocess.DEVNULL)
    index = {"NEXUS_CORTEX_INDEX": "server", "NEXUS_CORTEX_QDRANT_URL": url}
    more = {"NEXUS_CORTEX_QDRANT_API_KEY": KEY, "NEXUS_ENGINE_MODEL": str(folder / "none.gguf")}
    home = service(here, folder, models_folder, **index, **more)
    house = House(here, home)
    try:
        until(lambda: there.do(_answers, url), lambda: "the Qdrant server does not answer")
        here.do(home.start, 180)
        assert house.ask("POST", "/api/memories", {"learning": "the depot opens at six"}).status_code == 201
        there.link(up=False)
        refused = house.ask("POST", "/api/memories", {"learning": "the depot closes at nine"})
        assert (refused.status_code, url in refused.json()["error"]["message"]) == (507, True)
        assert house.ask("GET", "/api/memories").status_code == 200
        there.link(up=True)
        again = {"learning": "the depot is closed on Sundays"}
        until(lambda: house.ask("POST", "/api/memories", again).status_code == 201, home.log)
        found = house.ask("POST", "/api/recall", {"query": "when does the depot open?"}).json()["results"]
        assert "the depot opens at six" in [one["text"] for one in found]
    finally:
        if home.process:
            here.do(home.stop)
        server.terminate()
        server.wait(PATIENCE)


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).status_code < 500
    return False
