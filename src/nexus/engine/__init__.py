"""The engine room: a language model that streams, counts its tokens and can be stopped.

`base` is the contract; `child_engine` runs a GGUF file in a child process (`local`, our own engine, or
llama.cpp), `remote` speaks to any OpenAI-compatible server. Knows nothing of memories, documents or the
service. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.engine.base import ChatMessage as ChatMessage
    from nexus.engine.base import ChatRequest as ChatRequest
    from nexus.engine.base import Delta as Delta
    from nexus.engine.base import Engine as Engine
    from nexus.engine.base import EngineState as EngineState
    from nexus.engine.base import Tool as Tool
    from nexus.engine.base import ToolCall as ToolCall
    from nexus.engine.base import ToolChoice as ToolChoice
    from nexus.engine.child_engine import ChildEngine as ChildEngine
    from nexus.engine.completion import CompletionRequest as CompletionRequest
    from nexus.engine.remote import RemoteEngine as RemoteEngine
    from nexus.engine.worker_settings import WorkerSettings as WorkerSettings

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "base": "ChatMessage ChatRequest Delta Engine EngineState Tool ToolCall ToolChoice",
        "child_engine": "ChildEngine",
        "completion": "CompletionRequest",
        "remote": "RemoteEngine",
        "worker_settings": "WorkerSettings",
    },
)
