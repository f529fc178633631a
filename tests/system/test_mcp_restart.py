"""100 connected MCP clients and a few relays outlive kill -9 of the service: all go on with the next one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from nexus.service.tool_schemas import TOOLS
from tests.running import Service, running

pytestmark = pytest.mark.slow

CLIENTS, RELAYS = 100, 5
# What the service is handed at once: the clients are one process with two cores, and it is about them.
AT_ONCE = 16
MODES = ("legacy", "auto", "2026-07-28")
_MIB = 2**20


@pytest.fixture
def service(tmp_path, models_folder, granite_folder, embedder_folder, smollm2_path):
    with running(tmp_path / "home", models_folder) as service:
        yield service


@asynccontextmanager
async def over_http(service: Service, mode: str) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {service.token}"}
    async with (
        create_mcp_http_client(headers) as http,
        Client(streamable_http_client(f"{service.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(service: Service) -> AsyncIterator[Client]:
    # The installed program, as an agent starts it: it takes a shorter way than `python -m nexus`.
    program = Path(sys.executable).with_name("nexus")
    server = StdioServerParameters(command=str(program), args=["mcp"], env=service.env)
    async with Client(stdio_client(server)) as client:
        yield client


async def all_of(work: Any, clients: list[Client]) -> list[Any]:
    """`work(client, number)` for each, so many at once; the results in order."""
    limit, results = anyio.CapacityLimiter(AT_ONCE), [None] * len(clients)

    async def one(number: int, client: Client) -> None:
        async with limit:
            results[number] = await work(client, number)

    async with anyio.create_task_group() as group:
        for number, client in enumerate(clients):
            group.start_soon(one, number, client)
    return results


async def save(client: Client, number: int) -> str:
    fact = f"client {number} keeps its ledger in vault {number * 7}"
    saved = await client.call_tool("memory_save", {"learning": fact})
    assert not saved.is_error, saved.content
    return str(saved.structured_content["id"])


async def tools(client: Client, number: int) -> int:
    return len((await client.list_tools()).tools)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_clients_and_some_relays_go_on_after_kill_9(service):
    async def session() -> None:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(over_http(service, MODES[number % len(MODES)]))
                for number in range(CLIENTS)
            ]
            clients += [await stack.enter_async_context(over_stdio(service)) for _ in range(RELAYS)]
            assert await all_of(tools, clients) == [len(TOOLS)] * len(clients)
            ids = await all_of(save, clients)
            assert len(set(ids)) == len(clients)

            await anyio.to_thread.run_sync(service.kill)
            await anyio.to_thread.run_sync(service.start)

            async def read(client: Client, number: int) -> str:
                got = await client.call_tool("memory_get", {"id": ids[number]})
                assert not got.is_error, got.content
                return str(got.model_dump()["content"][0]["text"])

            # What was acknowledged before is there, and no client had to be told anything.
            for number, text in enumerate(await all_of(read, clients)):
                assert f"vault {number * 7}" in text
            assert await all_of(tools, clients) == [len(TOOLS)] * len(clients)

    anyio.run(session)


@pytest.mark.slow
def test_a_relay_is_small(service):
    async def session() -> None:
        async with over_stdio(service) as client:
            assert len((await client.list_tools()).tools) == len(TOOLS)
            await client.call_tool("memory_status", {})
            (relay,) = [
                child
                for child in psutil.Process().children(recursive=True)
                if child.cmdline()[-1:] == ["mcp"]
            ]
            memory = relay.memory_full_info()
            print(f"a relay holds {memory.rss / _MIB:.1f} MiB, {memory.uss / _MIB:.1f} of its own")
            assert memory.uss < 10 * _MIB

    anyio.run(session)
