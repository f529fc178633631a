"""The prompt of the small model's own template, against llama.cpp, which has written its own renderer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexus.engine.local.template import ChatTemplate, encode
from tests.running import free_port

SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.verbosity = 512, 1, 0
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[2])
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""
CONVERSATIONS = [
    [{"role": "user", "content": "Say hi"}],
    [
        {"role": "system", "content": "Be <b>brief</b> & 'plain'."},
        {"role": "user", "content": "  é\n{{ x }}\n"},
    ],
    [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b\n\n```py\nx = {}\n```"},
        {"role": "user", "content": "{% raw %}"},
    ],
]


@pytest.fixture(scope="module")
def server(smollm2_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(smollm2_path), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="module")
def template(server: str) -> ChatTemplate:
    props = httpx.get(f"{server}/props").json()
    return ChatTemplate(props["chat_template"], bos=props["bos_token"], eos=props["eos_token"])


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_both_write_the_same_prompt(
    server: str, template: ChatTemplate, messages: list[dict[str, Any]]
) -> None:
    theirs = httpx.post(f"{server}/apply-template", json={"messages": messages}).json()["prompt"]
    assert template.render(messages) == theirs


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_both_read_the_same_tokens(
    server: str, template: ChatTemplate, smollm2_path: Path, messages: list[dict[str, Any]]
) -> None:
    engine = pytest.importorskip("nexus._engine", reason="the native engine is not built")
    body = {"content": template.render(messages), "parse_special": True}
    theirs = httpx.post(f"{server}/tokenize", json=body).json()["tokens"]
    tokenizer = engine.Model(str(smollm2_path), 1).tokenizer
    assert encode(tokenizer, template, messages, []).tolist() == theirs
