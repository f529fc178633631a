"""The numbers of our engine beside those of llama.cpp and, if asked for, Hugging Face: same file, same text.

    python bench/engine_numbers.py MODEL.gguf BOOK.txt... [--tokens 4096] [--positions 100] [--hf]

Perplexity over pieces of 1,024 tokens, one from the middle of each book in turn. For the first
`--positions` tokens whole distributions are compared: KL divergence, the likeliest token, and logits (less
their mean, which has no meaning). The first token of a piece is given by itself: in Qwen its activations are
thousands of times larger than any later one's, and what 8-bit activations make of it says nothing of text.
llama.cpp is driven through its server: the text's next token is forced on it and its log-probability read, so
that every token is decoded singly with a 16-bit cache. Hugging Face computes with the file's weights in
float32 (needs torch, transformers, accelerate, gguf): the true value that both approximate.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nexus import _engine

PIECE = 1024
STEP = 256

Floats = npt.NDArray[np.float64]
Item = TypeVar("Item")


@dataclass
class Reading:
    """What one engine makes of the text: log-probabilities of its tokens, and whole distributions."""

    likelihoods: list[float] = field(default_factory=list)
    distributions: list[Floats] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def perplexity(self) -> float:
        counted = inner(self.likelihoods)
        return math.exp(-sum(counted) / len(counted))

    def see(self, logits: Floats, following: Sequence[int], positions: int) -> None:
        """Rows of logits and the token that followed each."""
        rows = logits - logits.max(axis=1, keepdims=True)
        rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
        self.likelihoods += [float(row[token]) for row, token in zip(rows, following, strict=True)]
        self.distributions += list(rows[: max(0, positions - len(self.distributions))])


def inner(values: Sequence[Item]) -> list[Item]:
    """Of one value for each position: those that are not a piece's first."""
    return [value for index, value in enumerate(values) if index % (PIECE - 1)]


def pieces(model: _engine.Model, books: Sequence[Path], tokens: int) -> list[list[int]]:
    """Token lists of PIECE tokens, from the middle of the books."""
    found = []
    for number in range(max(1, tokens // PIECE)):
        book = books[number % len(books)].read_text(encoding="utf-8", errors="replace")
        middle = len(book) // 2 + number // len(books) * PIECE * 8
        ids = [int(token) for token in model.tokenizer.encode(book[middle : middle + PIECE * 8])]
        bos = [model.tokenizer.bos] if model.tokenizer.adds_bos and model.tokenizer.bos is not None else []
        found.append((bos + ids)[:PIECE])
        if len(found[-1]) < PIECE:
            raise SystemExit(f"{books[number % len(books)]} is too short")
    return found


def steps(length: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each step; the last token of a piece has nothing to predict."""
    for begin in range(0, length - 1, STEP):
        yield begin, min(begin + STEP, length - 1)


def ours(model: _engine.Model, texts: Sequence[Sequence[int]], positions: int, exact: int) -> Reading:
    out, begun = Reading(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        store = _engine.Store(str(Path(folder) / "blocks"), model, bytes(32), 512 << 20, 256)
        for text in texts:
            context = _engine.Context(model, store, exact)
            for begin, end in steps(len(text)):
                logits = model.step([(context, list(text[begin:end]), end - begin)])
                out.see(logits.astype(np.float64), text[begin + 1 : end + 1], positions)
            for _, slot, _ in context.new_blocks():
                store.release(slot)
            del context
        out.seconds = time.monotonic() - begun
        del store
    return out


def llamacpp(path: Path, texts: Sequence[Sequence[int]], positions: int, threads: int) -> Reading:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = PIECE + 64, 1
    params.fit_params = params.ctx_shift = params.warmup = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 0
    server, out, begun = xllamacpp.Server(params), Reading(), time.monotonic()
    for text in texts:
        for at in range(1, len(text)):
            whole = len(out.distributions) < positions
            request = {
                "prompt": list(text[:at]),
                "n_predict": 1,
                "n_probs": 1 << 20 if whole else 1,
                "temperature": 0,
                "logit_bias": [[text[at], 1000.0]],
                "cache_prompt": True,
            }
            answer: Any = server.handle_completions(request)
            answer = json.loads(answer) if isinstance(answer, str) else answer
            chosen = answer["choices"][0]["logprobs"]["content"][0]
            if chosen["id"] != text[at]:
                raise SystemExit(f"llama.cpp chose {chosen['id']}, not the forced {text[at]}")
            out.likelihoods.append(float(chosen["logprob"]))
            if whole:
                row = np.full(len(chosen["top_logprobs"]), -np.inf)
                for item in chosen["top_logprobs"]:
                    row[item["id"]] = item["logprob"]
                out.distributions.append(row)
    out.seconds = time.monotonic() - begun
    return out


def hugging_face(path: Path, texts: Sequence[Sequence[int]], positions: int) -> Reading:
    import torch  # type: ignore[import-not-found, unused-ignore]
    from transformers import AutoModelForCausalLM  # type: ignore[import-not-found, unused-ignore]

    model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    model.eval()
    out, begun = Reading(), time.monotonic()
    for text in texts:
        with torch.no_grad():
            logits = model(torch.tensor([list(text[:-1])])).logits[0].double().numpy()
        out.see(logits, text[1:], positions)
    out.seconds = time.monotonic() - begun
    return out


def compared(a: Reading, b: Reading) -> dict[str, float]:
    """How far `a` is from `b`."""
    mean, most, same, spread = [], 0.0, 0, []
    divergences = [
        divergence(one, other) for one, other in zip(a.distributions, b.distributions, strict=True)
    ]
    for one, other in zip(inner(a.distributions), inner(b.distributions), strict=True):
        one, other = _both(one, other)
        difference = (one - one.mean()) - (other - other.mean())
        mean.append(float(np.abs(difference).mean()))
        most = max(most, float(np.abs(difference).max()))
        same += int(one.argmax() == other.argmax())
        spread.append(float(other.std()))
    likelihood = np.array(inner(a.likelihoods)) - np.array(inner(b.likelihoods))
    return {
        "logit_mean_abs": round(float(np.mean(mean)), 5),
        "logit_max_abs": round(most, 4),
        "logit_deviation": round(float(np.mean(spread)), 3),
        "kl_mean": round(float(np.mean(inner(divergences))), 6),
        "kl_max": round(float(np.max(inner(divergences))), 5),
        "kl_of_first_token": round(divergences[0], 5),
        "argmax_equal": round(same / len(mean), 4),
        "token_logprob_mean_abs": round(float(np.abs(likelihood).mean()), 5),
        "perplexity_percent": round((a.perplexity / b.perplexity - 1) * 100, 4),
        # What the difference of two equally good roundings would be: it shrinks with more tokens.
        "perplexity_standard_error": round(float(100 * likelihood.std() / len(likelihood) ** 0.5), 4),
    }


def divergence(one: Floats, other: Floats) -> float:
    """Kullback-Leibler, of `one` from `other`."""
    one, other = _both(one, other)
    return float((np.exp(other) * (other - one)).sum())


def _both(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Where both give a token a probability worth a number."""
    width = min(len(one), len(other))
    one, other = one[:width], other[:width]
    finite = np.isfinite(one) & np.isfinite(other) & (other > -60)
    return one[finite], other[finite]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("books", type=Path, nargs="+")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hf", action="store_true")
    parser.add_argument("--no-llamacpp", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = _engine.Model(str(given.model), given.threads)
    texts = pieces(model, given.books, given.tokens)
    readings = {"nexus": ours(model, texts, given.positions, 1 << 20)}
    del model
    if given.hf:
        readings["hugging face"] = hugging_face(given.model, texts, given.positions)
    if not given.no_llamacpp:
        readings["llama.cpp"] = llamacpp(given.model, texts, given.positions, given.threads)
    names = list(readings)
    result = {
        "model": given.model.name,
        "books": [book.name for book in given.books],
        "tokens": sum(len(text) - 1 for text in texts),
        "positions": given.positions,
        "load": round(os.getloadavg()[0], 1),
        "perplexity": {name: round(reading.perplexity, 4) for name, reading in readings.items()},
        "seconds": {name: round(reading.seconds, 1) for name, reading in readings.items()},
        "compared": {
            f"{a} to {b}": compared(readings[a], readings[b])
            for index, a in enumerate(names)
            for b in names[index + 1 :]
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n", encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # llama.cpp's own shutdown waits for connections that it never had


if __name__ == "__main__":
    main()
