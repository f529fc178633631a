"""From which cosine on is a passage about a question? The bound `relevant` of each embedder.

    NEXUS_DATA=folder python bench/relevant.py --model NAME [--models FOLDER]

NEXUS_DATA holds docs/fastapi. The documentation is cut and embedded as the product does it; for every
question of fastapi_questions.json the cosine of the nearest passage is printed, those that the
documentation answers against those that it does not, and the bound that parts them best.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from nexus.core.settings import CortexSettings
from nexus.cortex.chunker import ChunkSizes, chunk
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.entries import document_context


def main() -> None:
    """Cut, embed, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    options = parser.parse_args()
    embedder = OnnxEmbedder(options.model, options.models / options.model)
    settings = CortexSettings()
    sizes = ChunkSizes(settings.chunk_tokens, settings.chunk_minimum, settings.chunk_overlap)
    texts = []
    for path in sorted((Path(os.environ["NEXUS_DATA"]) / "docs/fastapi/docs").rglob("*.md")):
        for piece in chunk(path.read_text(), "markdown", embedder, sizes, name=path.name):
            texts.append(f"{document_context(str(path), piece.heading)}\n{piece.text}")
    matrix = embedder.passages(texts)
    sets = json.loads(Path(__file__).with_name("fastapi_questions.json").read_text())
    asked = [(item["question"], True) for item in sets["answered"]]
    asked += [(question, False) for question in sets["unanswered"]]
    rows = sorted((float((matrix @ embedder.query(text)).max()), answered, text) for text, answered in asked)
    for cosine, answered, text in rows:
        print(f"{cosine:.3f} {'answered  ' if answered else 'unanswered'} {text}")
    best = max(
        (sum((cosine >= bound) is answered for cosine, answered, _ in rows), bound)
        for bound in [cosine for cosine, _, _ in rows]
    )
    print(f"{options.model}: {len(texts)} passages; {best[0]} of {len(rows)} on their side of {best[1]:.3f}")


if __name__ == "__main__":
    main()
