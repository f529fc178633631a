"""The remote engine against a foreign server that really runs: llama.cpp on a loopback port."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from nexus.core.errors import ContextOverflowError, EngineError, InvalidInputError
from nexus.engine.base import AnswerEvent, ChatMessage, ChatRequest, Delta, Finish
from nexus.engine.remote import RemoteEngine
from tests.running import free_port

SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.n_batch, params.verbosity = 2048, 1, 64, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.hostnames, params.port, params.api_keys = ["127.0.0.1"], int(sys.argv[2]), ["right"]
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""
HELLO = [ChatMessage("user", "Say hi")]
LONG = [ChatMessage("user", " ".join(f"item {number} is red;" for number in range(200)))]


class Foreign:
    """A server we did not write, started and killed as a test needs it."""

    def __init__(self, model: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-c", SERVER, str(model), str(self.port)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="module")
def server(smollm2_path: Path) -> Iterator[Foreign]:
    foreign = Foreign(smollm2_path)
    foreign.start()
    yield foreign
    foreign.kill()


@pytest.fixture
def engine(server: Foreign) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(server.url + "/v1", api_key="right", model="", context=0)
    engine.start()
    yield engine
    engine.stop()


def test_it_finds_out_model_and_window_and_streams(engine: RemoteEngine) -> None:
    assert engine.health().state == "ready"
    assert engine.name.endswith(".gguf")
    assert engine.context == 2048
    *deltas, finish = engine.chat(ChatRequest(HELLO, max_tokens=6, temperature=0))
    assert isinstance(finish, Finish)
    assert finish.reason == "length"
    text = "".join(event.text for event in deltas if isinstance(event, Delta))
    assert finish.usage.completion_tokens == 6 == engine.count_tokens(text)
    assert finish.usage.prompt_tokens == engine.count_prompt(ChatRequest(HELLO))


def test_how_likely_a_text_is_another_server_does_not_tell(engine: RemoteEngine) -> None:
    with pytest.raises(InvalidInputError, match="another server"):
        engine.likelihood("The gate is green. Question:", " Which colour?")


def test_a_prompt_over_the_window_is_refused_with_both_numbers(engine: RemoteEngine) -> None:
    count = engine.count_prompt(ChatRequest(LONG))
    with pytest.raises(ContextOverflowError, match=f"{count} tokens"):
        list(engine.chat(ChatRequest(LONG, max_tokens=2048 - count + 1)))


def test_cancel_while_the_prompt_is_read_stops_the_reading(engine: RemoteEngine, server: Foreign) -> None:
    cancel = Event()
    events: list[AnswerEvent] = []
    caller = Thread(target=lambda: events.extend(engine.chat(ChatRequest(LONG, max_tokens=4), cancel)))

    def slot() -> dict[str, int]:
        headers = {"Authorization": "Bearer right"}
        found: dict[str, int] = httpx.get(server.url + "/slots", headers=headers).json()[0]
        return found

    caller.start()
    while not slot()["is_processing"]:
        pass
    cancel.set()
    caller.join()
    assert isinstance(events[0], Finish)
    assert events[0].reason == "cancelled"
    most = 0
    while (state := slot())["is_processing"]:
        most = max(most, state["n_prompt_tokens_processed"])
    assert most < engine.count_prompt(ChatRequest(LONG)) // 2


def test_a_wrong_key_names_the_url_and_the_setting(server: Foreign) -> None:
    engine = RemoteEngine(server.url, api_key="wrong", model="", context=0)
    engine.start()
    # llama.cpp lists its models to anybody; the first thing that needs the key says so.
    with pytest.raises(EngineError) as caught:
        list(engine.chat(ChatRequest(HELLO)))
    assert server.url in caught.value.message
    assert "401" in caught.value.message
    assert "engine.api_key" in caught.value.hint
    engine.stop()


def test_a_server_that_goes_and_comes_back(smollm2_path: Path) -> None:
    foreign = Foreign(smollm2_path)
    engine = RemoteEngine(foreign.url, api_key="right", model="", context=0)
    engine.start()
    assert engine.health().state == "failed"
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        list(engine.chat(ChatRequest(HELLO)))
    assert foreign.url in caught.value.message
    foreign.start()
    while engine.health().state != "ready":
        engine.maintain()
        Event().wait(0.05)
    answer = engine.chat(ChatRequest([ChatMessage("user", "Tell a long story")], max_tokens=1000))
    assert isinstance(next(answer), Delta)
    foreign.kill()
    with pytest.raises(EngineError, match=r"broke|ended the stream"):
        list(answer)
    assert engine.health().state == "failed"
    foreign.start()
    *_, finish = engine.chat(ChatRequest(HELLO, max_tokens=4))
    assert isinstance(finish, Finish)
    engine.stop()
    foreign.kill()
