"""The libraries that people use instead of Cortex, at the versions that were measured."""

from __future__ import annotations

from dataclasses import dataclass

from peers.environment import Environment

# What our own embedder needs, at our lock's versions, in the environments that get it.
EMBEDDER = ("numpy", "onnxruntime==1.31.1", "tokenizers==0.23.3")


@dataclass(frozen=True, slots=True)
class Library:
    """One peer; `adapter` is its module in `peers.adapters`, `how` what a reader must know of the row.

    `forms`: a turn says little without its day and the turn before, which Cortex searches, too. So each peer
    gets LoCoMo's turns both ways, and what counts is what it does better with.
    """

    title: str
    environment: Environment
    adapter: str
    how: str
    tasks: tuple[str, ...] = ()  # all where none is named
    forms: tuple[str, ...] = ("text", "in context")

    @property
    def named(self) -> str:
        """With its version."""
        return f"{self.title} {self.environment.packages[0].partition('==')[2]}"


LIBRARIES = {
    "mem0": Library(
        "mem0",
        Environment("mem0", ("mem0ai==2.2.1", "fastembed==0.9.1", *EMBEDDER)),
        "mem0",
        "no language model writes (`infer=False`), local Qdrant, vectors and BM25; its stop words and its"
        " spaCy model lie on hosts that are no registry, so there are no stop words, lemmas and entities",
    ),
    "mempalace": Library(
        "MemPalace",
        Environment("mempalace", ("mempalace==3.11.0", *EMBEDDER)),
        "mempalace",
        "its ChromaDB and hybrid search, asked as its MCP tool asks; its own MiniLM lies on no registry",
    ),
    "basic-memory": Library(
        "Basic Memory",
        Environment(
            "basic-memory",
            ("basic-memory==0.23.2", "pysqlite3-binary==0.5.4.post2", *EMBEDDER),
            python="3.12",
        ),
        "basic_memory",
        "a Markdown note for each passage, its hybrid search; its bge-small lies on a model hub; it wants"
        " Python 3.12. Its writing takes minutes, so it gets LoCoMo alone, with day and turn before",
        tasks=("locomo",),
        forms=("in context",),
    ),
    "llama-index": Library(
        "LlamaIndex",
        Environment(
            "llama-index", ("llama-index-core==0.14.25", "llama-index-retrievers-bm25==0.8.0", *EMBEDDER)
        ),
        "llama_index",
        "vector index and BM25 in memory, fused by reciprocal ranks",
    ),
    "txtai": Library(
        "txtai",
        Environment("txtai", ("txtai==9.14.0", "torch==2.13.0+cpu", *EMBEDDER)),
        "txtai",
        "its hybrid index in memory; it wants torch, and gets the build for CPUs",
    ),
}
