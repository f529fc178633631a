"""LlamaIndex: its vector index and its BM25, fused by reciprocal ranks, as its manual shows.

Nodes are our passages, so its own splitter has nothing to do. Everything is in memory, as by default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import PrivateAttr

from peers.adapters.embedder import OurEmbedder
from peers.serving import Passage, serve


class _Embedding(BaseEmbedding):
    """As LlamaIndex calls one."""

    _embedder: OurEmbedder = PrivateAttr()

    def __init__(self, models: Path) -> None:
        super().__init__(model_name="ours", embed_batch_size=64)
        self._embedder = OurEmbedder(models)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embedder.passages([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.passages(texts)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embedder.question(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._embedder.question(query)


class LlamaIndex:
    """An index for each scope: its BM25 cannot look at a part of one."""

    def __init__(self, models: Path, work: Path) -> None:
        self._embedding = _Embedding(models)
        self._indexes: dict[str, tuple[VectorStoreIndex, list[TextNode]]] = {}
        self._retrievers: dict[tuple[str, int], Any] = {}

    def write(self, passages: list[Passage]) -> None:
        """Vectors and words."""
        scopes: dict[str, list[TextNode]] = {}
        for passage in passages:
            # Its fusion takes equal texts for one node and adds up their ranks; numbered they are several.
            node = TextNode(
                id_=passage["id"],
                text=passage["text"],
                metadata={"passage": passage["id"]},
                excluded_embed_metadata_keys=["passage"],
            )
            scopes.setdefault(passage["scope"], []).append(node)
        for scope, nodes in scopes.items():
            self._indexes[scope] = (VectorStoreIndex(nodes, embed_model=self._embedding), nodes)
            self._retriever(scope, 10)

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """Both, fused."""
        return [found.node.node_id for found in self._retriever(scope, depth).retrieve(question)]

    def _retriever(self, scope: str, depth: int) -> Any:
        if (scope, depth) not in self._retrievers:
            index, nodes = self._indexes[scope]
            most = min(depth, len(nodes))
            self._retrievers[scope, depth] = QueryFusionRetriever(
                [
                    index.as_retriever(similarity_top_k=most),
                    BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=most),
                ],
                llm=MockLLM(),
                similarity_top_k=most,
                num_queries=1,  # the question itself, and none that a language model would add
                mode="reciprocal_rerank",
                use_async=False,
            )
        return self._retrievers[scope, depth]


if __name__ == "__main__":
    serve(LlamaIndex)
