"""Basic Memory: a Markdown note for each passage, indexed by itself, asked by its tool `search_notes`.

Its default embedder (bge-small by fastembed, from a model hub) is replaced by ours, and nothing is cut off by
score. Words and vectors are fused by its own hybrid search. Its vectors need a SQLite that loads extensions,
which many a Python has not: pysqlite3 takes the place of sqlite3, as ChromaDB's manual tells.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pysqlite3

from peers.adapters.embedder import DIMENSIONS, OurEmbedder
from peers.serving import Passage, serve


class _Provider:
    """As Basic Memory calls one."""

    model_name = "ours"
    dimensions = DIMENSIONS

    def __init__(self, models: Path) -> None:
        self._embedder = OurEmbedder(models)

    async def embed_query(self, text: str) -> list[float]:
        """One vector."""
        return self._embedder.question(text)

    async def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Several."""
        return self._embedder.passages(texts)

    def runtime_log_attrs(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}


class BasicMemory:
    """A project for each scope: its search looks at one project."""

    def __init__(self, models: Path, work: Path) -> None:
        # Before anything of Basic Memory is imported.
        sys.modules["sqlite3"], sys.modules["sqlite3.dbapi2"] = pysqlite3, pysqlite3.dbapi2
        self._notes, self._scopes = work / "notes", dict[str, str]()
        folder = work / "config"
        folder.mkdir()
        os.environ["BASIC_MEMORY_CONFIG_DIR"] = str(folder)
        settings = {
            "projects": {},
            "semantic_search_enabled": True,
            "semantic_embedding_dimensions": DIMENSIONS,
            "semantic_min_similarity": 0.0,
            "semantic_vector_k": 400,
        }
        (folder / "config.json").write_text(json.dumps(settings))
        self._loop = asyncio.new_event_loop()
        self._provider = _Provider(models)

    def write(self, passages: list[Passage]) -> None:
        """Notes, then its own index of each project."""
        for passage in passages:
            scope = passage["scope"] or "all"
            name = self._scopes.setdefault(scope, f"project{len(self._scopes)}")
            path = self._notes / name / f"{passage['id']}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(passage["text"] + "\n", encoding="utf-8")
        self._run(self._index())

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """Its hybrid search of whole notes."""
        from basic_memory.mcp.tools.search import search_notes

        found = self._run(
            search_notes(
                question,
                project=self._scopes[scope or "all"],
                page_size=depth,
                search_type="hybrid",
                output_format="json",
                min_similarity=0.0,
            )
        )
        if not isinstance(found, dict):
            raise RuntimeError(str(found)[:300])
        return list(dict.fromkeys(Path(row["file_path"]).stem for row in found["results"]))

    async def _index(self) -> None:
        from basic_memory import db
        from basic_memory.config import ConfigManager
        from basic_memory.index.local_project import (
            LocalProjectIndexRuntimeFactory,
            run_local_project_index_for_project,
        )
        from basic_memory.repository import ProjectRepository, embedding_provider_factory
        from basic_memory.services.initialization import reconcile_projects_with_config
        from loguru import logger

        logger.remove()  # it would write a page for each question
        manager = ConfigManager()
        for name in self._scopes.values():
            manager.add_project(name, str(self._notes / name))
        config = ConfigManager().config
        key = embedding_provider_factory._provider_cache_key(config)
        embedding_provider_factory._EMBEDDING_PROVIDER_CACHE[key] = self._provider
        await reconcile_projects_with_config(config)
        _, sessions = await db.get_or_create_db(config.database_path, db_type=db.DatabaseType.FILESYSTEM)
        async with db.scoped_session(sessions) as session:
            projects = await ProjectRepository().get_active_projects(session)
        for project in projects:
            await run_local_project_index_for_project(
                project, runtime_factory=LocalProjectIndexRuntimeFactory(), force_full=True
            )

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)


if __name__ == "__main__":
    serve(BasicMemory)
