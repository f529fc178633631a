"""What paging costs: perplexity beside exact attention, and facts found again in a long text.

Perplexity: both kinds of context read the same text in turns; tokens of the second half count. Needles: short
facts at 16 depths of a text; after one reading each is asked for, and the context cut back in between. Paged
contexts page from their 2,048th token on, so that every length here is mostly selected pages.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexus.engine.evaluation.figures import Report, load, text
from nexus.engine.threads import usable_cores

PAGED_FROM = 2048
LENGTHS = (4096, 8192, 16_384, 32_768)
DEPTHS, SEEDS = 16, 5
_STEP = 256
_EVERYTHING = 1 << 22
_PLACES = (
    "Lisbon Oslo Quito Hanoi Dakar Perth Turin Lagos Sofia Kyoto Leeds Minsk"
    " Tunis Basel Osaka Cairo Riga Lima Bern Doha Accra Delhi Seoul Malmo"
).split()
_ANSWER = 12  # tokens


@contextmanager
def _opened(model: Path, most: int) -> Iterator[tuple[Any, Any]]:
    """The model and a store for two contexts of `most` tokens."""
    from nexus import _engine

    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        loaded = _engine.Model(str(model), usable_cores())
        blocks = 2 * most // _engine.PAGE_TOKENS + 64
        store = _engine.Store(str(Path(folder) / "blocks"), loaded, bytes(32), 512 << 20, blocks)
        yield loaded, store


def perplexity(
    model: Path, report: Report, *, length: int = 16_384, book: Path | None = None
) -> dict[str, Any]:
    """Exact and paged, and by how many percent paged is more. No longer than the model was trained on."""
    from nexus import _engine

    with _opened(model, length) as (loaded, store):
        length = min(length, loaded.config["trained_context"])
        tokens = [int(token) for token in loaded.tokenizer.encode(text(book)[: length * 8])][: length + 1]
        contexts = {
            "exact": _engine.Context(loaded, store, _EVERYTHING),
            "paged": _engine.Context(loaded, store, PAGED_FROM),
        }
        sums = dict.fromkeys(contexts, 0.0)
        counted = 0
        for begin in range(0, len(tokens) - 1, _STEP):
            end = min(begin + _STEP, len(tokens) - 1)
            wanted = end - begin if begin >= length // 2 else 0
            for name, context in contexts.items():
                logits = loaded.step([(context, tokens[begin:end], wanted)])
                for row, token in zip(logits, tokens[end - wanted + 1 : end + 1], strict=True):
                    sums[name] -= _engine.log_probability(row, token)
            counted += wanted
            if begin % (8 * _STEP) == 0:
                report(f"  {end} of {len(tokens) - 1} tokens")
        found = {name: math.exp(total / counted) for name, total in sums.items()}
        contexts.clear()
    return {
        "tokens": length,
        "counted": counted,
        "exact": round(found["exact"], 4),
        "paged": round(found["paged"], 4),
        "percent": round(100 * (found["paged"] / found["exact"] - 1), 3),
        "load": load(),
    }


def needles(
    model: Path,
    report: Report,
    *,
    lengths: Sequence[int] = LENGTHS,
    seeds: int = SEEDS,
    depths: int = DEPTHS,
    book: Path | None = None,
) -> list[dict[str, Any]]:
    """Facts found of depths x seeds, by length, attending everything and paged."""
    found = []
    with _opened(model, max(lengths)) as (loaded, store):
        for length in lengths:
            if length > loaded.config["trained_context"]:
                left_out = f"the model was trained on {loaded.config['trained_context']} tokens"
                found.append({"tokens": length, "left_out": left_out})
                continue
            hits = {"exact": [0] * depths, "paged": [0] * depths}
            for seed in range(seeds):
                prompt = _Prompt(loaded, text(book), length, depths, seed)
                for name, exact in (("exact", _EVERYTHING), ("paged", PAGED_FROM)):
                    for depth, hit in enumerate(prompt.ask(store, exact)):
                        hits[name][depth] += hit
                report(
                    f"  {length} tokens, seed {seed}: { ({name: sum(each) for name, each in hits.items()}) }"
                )
            total = depths * seeds
            row: dict[str, Any] = {"tokens": length, "asked": total, "load": load()}
            row |= {f"{name}_found": sum(each) for name, each in hits.items()}
            row |= {f"{name}_by_depth": each for name, each in hits.items()}
            row["paged_of_exact_percent"] = round(100 * sum(hits["paged"]) / max(1, sum(hits["exact"])), 1)
            found.append(row)
    return found


class _Prompt:
    """A text of about `length` tokens with facts in it, and the questions."""

    def __init__(self, model: Any, source: str, length: int, depths: int, seed: int) -> None:
        self._model = model
        drawn = random.Random(seed)  # noqa: S311 - the same each time
        places = drawn.sample(_PLACES, depths)
        self._facts = [(place, str(drawn.randrange(10_000, 100_000))) for place in places]
        chat = "<|im_start|>" in (model.text("tokenizer.chat_template") or "")
        self._head = "<|im_start|>user\n" if chat else ""
        self._turn = "<|im_end|>\n<|im_start|>assistant\n" if chat else ""
        room = length - depths * 24 - 80
        start = drawn.randrange(max(1, len(source) - room * 6))
        filler = [int(token) for token in model.tokenizer.encode(source[start : start + room * 8])][:room]
        self._tokens = self._encode(self._head)
        for depth, (place, number) in enumerate(self._facts):
            part = filler[depth * room // depths : (depth + 1) * room // depths]
            half = drawn.randrange(len(part))
            fact = self._encode(f"\n\nThe secret number of {place} is {number}.\n\n")
            self._tokens += part[:half] + fact + part[half:]

    def ask(self, store: Any, exact: int) -> list[bool]:
        """Reads the text into a context that attends everything up to `exact`, then asks for each fact."""
        from nexus import _engine

        context = _engine.Context(self._model, store, exact)
        for begin in range(0, len(self._tokens), _STEP):
            self._model.step([(context, self._tokens[begin : begin + _STEP], 0)])
        tail, base = context.tail(), context.tokens // _engine.PAGE_TOKENS * _engine.PAGE_TOKENS
        slots = [slot for _, slot, _ in context.new_blocks()]
        found = []
        for place, number in self._facts:
            found.append(number in self._answer(context, place))
            context.truncate(base)
            _release(store, [slot for _, slot, _ in context.new_blocks()])
            context.restore_tail(tail)
        del context
        _release(store, slots)
        return found

    def _answer(self, context: Any, place: str) -> str:
        question = f"\n\nWhat is the secret number of {place}? Answer with the number only.{self._turn}"
        ending = "" if self._turn else f"\nThe secret number of {place} is"
        logits = self._model.step([(context, self._encode(question + ending), 1)])
        written = b""
        for _ in range(_ANSWER):
            token = int(logits[0].argmax())
            if self._model.tokenizer.is_end(token):
                break
            written += self._model.tokenizer.piece(token)
            logits = self._model.step([(context, [token], 1)])
        return written.decode("utf-8", "replace")

    def _encode(self, words: str) -> list[int]:
        return [int(token) for token in self._model.tokenizer.encode(words, parse_special=True)]


def _release(store: Any, slots: Sequence[int]) -> None:
    """Of a context that is cut or gone."""
    if slots:
        store.sync()
    for slot in slots:
        store.release(slot)
