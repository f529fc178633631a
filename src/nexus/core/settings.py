"""The settings: every key, its type, its default and what it means.

Knows nothing of where values come from (`nexus.core.config` does). Invariant: a `Settings` object is
frozen and valid; a wrong value never reaches the rooms.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

EngineKind = Literal["auto", "local", "llamacpp", "remote"]
IndexKind = Literal["qdrant", "exact", "server"]
Capture = Literal["off", "proposals", "sessions"]
Position = Literal["top", "middle", "bottom", "edges"]
Category = Literal["verified_fix", "explicit_note", "discovery", "requirement", "rule", "fact"]
Source = Literal["path", "hub", "registry"]
Teacher = Literal["none", "ollama", "openai"]


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


class BackgroundSettings(Section):
    """What work that nobody waits for may take of the machine."""

    active_percent: float = Field(
        default=10, ge=0, le=100, description="of all cores, while you or an agent are being served"
    )
    idle_percent: float = Field(default=25, ge=0, le=100, description="of all cores, else; 0 switches it off")
    active_memory_percent: float = Field(
        default=10, gt=0, le=100, description="of the memory, while you or an agent are being served"
    )
    idle_memory_percent: float = Field(default=25, gt=0, le=100, description="of the memory, else")
    active_seconds: float = Field(
        default=60, ge=0, le=86_400, description="how long after a request the service counts as active"
    )
    cgroup: bool = Field(
        default=True, description="have the kernel hold the limit too, where it may be asked"
    )


class HousekeepingSettings(Section):
    """How the service keeps its own memory small."""

    gc_minutes: float = Field(
        default=10, gt=0, le=10_000, description="how often what nobody needs is collected and given back"
    )
    cache_minutes: float = Field(default=5, gt=0, le=10_000, description="how often caches are emptied")
    leak_mb_per_hour: float = Field(
        default=10, gt=0, le=1_000_000, description="steady growth that is reported as a leak"
    )
    warning_mb: int = Field(default=2048, ge=64, le=1_048_576, description="memory that is warned about")
    critical_mb: int = Field(
        default=4096,
        ge=64,
        le=1_048_576,
        validate_default=True,
        description="memory from which everything that can be is let go",
    )
    buffer_full_percent: float = Field(
        default=90, gt=0, le=100, description="a buffer (replay, histories) this full is trimmed"
    )
    buffer_trim_percent: float = Field(
        default=75, ge=0, le=100, validate_default=True, description="and this much of it is kept"
    )

    @field_validator("critical_mb")
    @classmethod
    def _above_warning(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("warning_mb", 0):
            raise ValueError(f"below warning_mb = {info.data['warning_mb']}")
        return value

    @field_validator("buffer_trim_percent")
    @classmethod
    def _below_full(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("buffer_full_percent", 100.1):
            raise ValueError(f"not below buffer_full_percent = {info.data['buffer_full_percent']:g}")
        return value


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


class TrainingSettings(Section):
    """Learning while the machine is idle (seed 002). All of it stays on this machine."""

    enabled: bool = Field(default=True, description="learn from your own conversations when idle")
    teacher: Teacher = Field(
        default="none", description="who gives lessons: nobody, an Ollama server, or an OpenAI-compatible one"
    )
    url: str = Field(default="", description="base URL of the teacher; Ollama's own address where empty")
    model: str = Field(default="", description="the teacher's model, as its server names it")
    api_key: str = Field(default="", description="key for the teacher's server")
    bootstrap: bool = Field(default=False, description="ask the teacher whenever idle, from the start")
    topic: str = Field(
        default="", max_length=200, description="focus topic of lessons; empty: academic topics at random"
    )
    pause_seconds: int = Field(
        default=30, ge=0, le=86_400, description="pause between two questions to the teacher"
    )
    timeout_seconds: int = Field(
        default=120, ge=1, le=3600, description="longest that one answer of the teacher may take"
    )
    replay_mib: int = Field(
        default=16, ge=1, le=1024, description="disk for the conversations that are read again"
    )
    replay_items: int = Field(
        default=20_000, ge=100, le=1_000_000, description="and how many passages of them"
    )
    ram_mib: int = Field(
        default=0, ge=0, le=1_048_576, description="most memory of the learner's process; 0: no limit"
    )


class AgentsSettings(Section):
    """Agents that were started with `nexus run`, while nobody uses them."""

    idle_minutes: float = Field(
        default=15, ge=0, le=100_000, description="an agent unused for so long is paused; 0: none is"
    )
    pressure_percent: float = Field(
        default=10,
        gt=0,
        le=100,
        description="with so much waiting for memory, the least important idle agent is paused earlier",
    )
    never: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="names or programs of agents that are never paused"
    )
    merge_least_mb: float = Field(
        default=2,
        ge=0,
        le=100_000,
        description="KSM goes off again when it saves fewer MB for each second of CPU; 0: never",
    )
    merge_window_minutes: float = Field(
        default=10, ge=0.02, le=10_000, description="over how long that is looked at"
    )

    @field_validator("never", mode="before")
    @classmethod
    def _split_never(cls, value: Any) -> Any:
        return _words(value)


class AgentmemSettings(Section):
    """One copy of what agents hold: prompts, tools and conversations that pass the service."""

    enabled: bool = Field(default=True, description="run the broker, for this service and for agents here")
    record: bool = Field(
        default=True, description="keep the prompts, tools and conversations that pass the service"
    )
    hot_mib: int = Field(
        default=0, ge=0, le=16_777_216, description="RAM for what is in use; 0: an eighth of the machine's"
    )
    warm_mib: int = Field(
        default=0, ge=0, le=16_777_216, description="RAM for what is compressed; 0: a sixteenth"
    )
    cold_gib: float = Field(
        default=-1,
        ge=-1,
        le=1_048_576,
        description="disk for what is idle; 0: none; -1: a tenth of what is free, at most 16",
    )
    keep_days: int = Field(
        default=30, ge=1, le=36_500, description="conversations unused for longer are forgotten"
    )
    keep_mib: int = Field(
        default=1024,
        ge=1,
        le=16_777_216,
        description="and the oldest, when all are longer than this together",
    )


class MemexSettings(Section):
    """MemexFS: files that are found by what they are about."""

    enabled: bool = Field(default=True, description="index the files of MemexFS and answer questions on them")
    mount: str = Field(default="", description="folder to mount at each start of the service; empty: none")
    seal_after_minutes: float = Field(
        default=10, ge=0, le=1_000_000, description="pack files that were left alone for so long; 0: never"
    )
    versions_gib: float = Field(default=8, gt=0, le=1_048_576, description="disk for older contents of files")
    embed_url: str = Field(
        default="", description="OpenAI-compatible server for vectors of files; empty: the local model"
    )
    embed_model: str = Field(default="text-embedding-3-small", description="its model, of 1536 dimensions")
    embed_key: str = Field(default="", description="key for that server")

    @property
    def provider_url(self) -> str:
        return self.embed_url

    @property
    def provider_model(self) -> str:
        return self.embed_model

    @property
    def provider_key(self) -> str:
        return self.embed_key


class SandboxSettings(Section):
    """Where code that agents write is run, and what it may use."""

    enabled: bool = Field(default=True, description="offer run_python to agents")
    backend: Literal["auto", "kvm", "spt", "qemu", "unicorn"] = Field(
        default="auto", description="what runs it: a virtual machine, a locked process, an emulator"
    )
    seconds: float = Field(default=10, gt=0, le=3600, description="longest run, when the caller names none")
    memory_mib: int = Field(default=64, ge=8, le=2046, description="memory of one run")
    output_kib: int = Field(default=1024, ge=1, le=1_048_576, description="output of one run; more ends it")
    at_once: int = Field(
        default=4, ge=1, le=1000, description="runs at the same time; more are told to retry"
    )
    warm: int = Field(default=1, ge=0, le=100, description="guests that are started ahead, once one was used")
    http: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="hosts that agents' code may ask over HTTP, like api.example.org"
    )
    read: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="files and folders it may read, besides what an agent names of its project"
    )
    cpython: bool = Field(
        default=True, description="run what needs CPython's packages in bubblewrap instead, and say so"
    )

    @field_validator("http", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        return _words(value)

    @field_validator("read", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [p for p in value.split(os.pathsep) if p] if isinstance(value, str) else value


def _words(value: Any) -> Any:
    return [w.strip() for w in value.split(",") if w.strip()] if isinstance(value, str) else value
