"""The settings: every key, its type, its default and what it means.

Knows nothing of where values come from (`nexus.core.config` does). Invariant: a `Settings` object is
frozen and valid; a wrong value never reaches the rooms.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

EngineKind = Literal["auto", "local", "llamacpp", "remote"]
IndexKind = Literal["qdrant", "exact", "server"]
Capture = Literal["off", "proposals", "sessions"]
Position = Literal["top", "middle", "bottom", "edges"]
Category = Literal["verified_fix", "explicit_note", "discovery", "requirement", "rule", "fact"]
Source = Literal["path", "hub", "registry"]


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceSettings(Section):
    """The always-on service."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=1, le=65535, description="port to listen on")
    token: str = Field(default="", description="key clients must send; default: NEXUS_HOME/run/token")
    names: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="further host names to answer to, when not on loopback"
    )
    queue: int = Field(
        default=32, ge=1, le=10_000, description="requests that may wait; more are told to retry"
    )
    body_mib: int = Field(
        default=64, ge=1, le=4096, description="largest request in MiB; a larger one gets 413"
    )
    anthropic_any_model: bool = Field(
        default=True,
        description="answer /v1/messages under any model name, as Claude Code asks for its own",
    )
    drain_seconds: int = Field(default=10, ge=0, le=600, description="how long a stop waits for open answers")
    log_format: Literal["human", "json"] = Field(default="human", description="form of the log")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level logged"
    )

    @field_validator("names", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return _words(value)


class EngineSettings(Section):
    """The language model that answers."""

    kind: EngineKind = Field(
        default="auto",
        description="our engine (local), llama.cpp, the first of them that computes the model, or a server",
    )
    model: str = Field(
        default="qwen2.5-coder-1.5b-instruct",
        description="catalog name, path of a GGUF file, or remote model",
    )
    url: str = Field(default="", description="base URL of the remote server, for kind = remote")
    api_key: str = Field(default="", description="key for the remote server")
    threads: int = Field(default=0, ge=0, le=1024, description="CPU threads; 0 takes what others leave free")
    context: int = Field(
        default=0,
        ge=0,
        le=4_194_304,
        description="longest conversation in tokens; 0: 262144, and 8192 with llama.cpp or a server",
    )
    exact_tokens: int = Field(
        default=0,
        ge=0,
        le=4_194_304,
        description="up to here our engine attends everything; 0: what the model was trained on",
    )
    streams: int = Field(default=4, ge=1, le=64, description="answers that our engine writes at once")
    ram_mib: int = Field(
        default=512, ge=16, le=1_048_576, description="RAM for pages of conversations, beside the weights"
    )
    disk_gib: int = Field(
        default=8, ge=1, le=65_536, description="disk for stored prefixes and conversations"
    )
    reply_tokens: int = Field(
        default=512, ge=1, le=65_536, description="longest reply when the client names none"
    )


class CortexSettings(Section):
    """Knowledge and memory."""

    embedder: str = Field(
        default="granite-embedding-30m-english", description="catalog name of the model that reads documents"
    )
    talk_embedder: str = Field(
        default="all-minilm-l6-v2", description="and of the one that reads sessions and memories"
    )
    index: IndexKind = Field(
        default="qdrant", description="in this process, the exact scan in memory, or a Qdrant server"
    )
    qdrant_url: str = Field(default="", description="address of the Qdrant server, for index = server")
    qdrant_api_key: str = Field(default="", description="key for the Qdrant server")
    scoring: Literal["hybrid", "seed004"] = Field(
        default="hybrid", description="how results are ranked; seed004 is that document's formula"
    )
    chunk_tokens: int = Field(
        default=220, ge=32, le=2000, description="largest chunk, in the embedder's tokens"
    )
    chunk_minimum: int = Field(
        default=40, ge=1, le=1000, description="smaller chunks are merged with a neighbour"
    )
    chunk_overlap: int = Field(default=0, ge=0, le=500, description="tokens repeated at a cut")
    frame_tokens: int = Field(
        default=1000,
        ge=200,
        le=1_000_000,
        description="tokens of the frame beside the prompt (seed 004: 15500)",
    )
    position: Position = Field(
        default="top", description="where the best passages stand among those in the frame"
    )
    capture: Capture = Field(
        default="sessions", description="what hooks of agents may keep: nothing, proposals, or sessions too"
    )
    hook_tokens: int = Field(
        default=600, ge=150, le=10_000, description="largest context that a hook gives to an agent"
    )
    auto_approve: Annotated[tuple[Category, ...], NoDecode] = Field(
        default=(), description="categories of proposals that become unverified memories by themselves"
    )
    watch: bool = Field(default=True, description="follow added folders and index what changes")
    unload_minutes: int = Field(
        default=15, ge=0, le=100_000, description="let go of the embedder after so long unused; 0 keeps it"
    )
    check_answer: bool = Field(
        default=True, description="ask the model first whether the texts hold the answer"
    )
    max_file_mb: int = Field(default=20, ge=1, le=4096, description="larger files are reported and left out")
    max_line_chars: int = Field(default=200_000, ge=1000, description="files with a longer line are left out")

    @field_validator("auto_approve", mode="before")
    @classmethod
    def _split_categories(cls, value: Any) -> Any:
        return _words(value)


class ModelsSettings(Section):
    """Where weights lie and come from."""

    folder: Path | None = Field(default=None, description="where models are kept; default NEXUS_HOME/models")
    search_path: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="folders with weights already on this machine, looked at first"
    )
    sources: Annotated[tuple[Source, ...], NoDecode] = Field(
        default=("path", "hub", "registry"), description="where weights may come from, in order"
    )

    @field_validator("search_path", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [p for p in value.split(os.pathsep) if p] if isinstance(value, str) else value

    @field_validator("sources", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        return _words(value)


def _words(value: Any) -> Any:
    return [w.strip() for w in value.split(",") if w.strip()] if isinstance(value, str) else value
