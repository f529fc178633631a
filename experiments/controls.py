"""A Nexus and its controls, trained alike and small, and asked what was said far behind the window: V01.

Every model of a seed sees the same tokens in the same order and is asked the same questions, in text that
none has seen. Invariant: NEXUS_DATA, the configuration and the seed give the figures.

NEXUS_DATA holds books/train and books/eval (docs/guides/benchmarks.md). Rows have the `model`'s name: one of
`nexus.transformer.controls`, "nexus" with its own gate, or "nexus, all" that writes everything. The tokenizer
has few ids, made of the same books: with 8,192, nearly all work of so small a model would be its table.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from experiments import jobs
from experiments.run import spread
from nexus.core.errors import InvalidInputError
from nexus.training import token_files
from nexus.training.diet import TURNS, Diet
from nexus.training.plain import train
from nexus.training.token_files import TokenFile
from nexus.training.trainer import Plan
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.controls import CONTROLS, Control
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer
from nexus.transformer.tokenizer_training import trained

FIGURES: Final = ("answers", "answers without", "right", "all")
_BYTES: Final = {"train": 1_000_000, "eval": 500_000}  # of books, by name
_KEPT: Final = Path(__file__).resolve().parents[1] / "build" / "experiments"
_ASKED: Final = tuple(turn for turn in TURNS if turn != "text")
_UNSEEN: Final = 1 << 20  # the step whose rows are asked: far behind those of the training

Model = Nexus | Control


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`answers`, `answers without`: nats a token of answers, with the memory and without. `right`: the share
    of these tokens whose likeliest word is right. `all`: nats of every token.
    """
    books = {part: _text(part) for part in _BYTES}
    tokenizer = _tokenizer(books["train"], config["vocabulary"])
    texts = {part: _KEPT / f"controls-{part}.tokens" for part in books}
    for part, path in texts.items():
        token_files.write(path, [tokenizer.encode(books[part])], tokenizer)
    found = jobs.done(config, _one, config, texts, tokenizer)
    rows = {}
    for name in config["rows"]:
        each = [found[name, salt] for salt in config["salts"]]
        rows[name] = {figure: spread([one[figure] for one in each]) for figure in FIGURES}
        rows[name]["weights"] = each[0]["weights"]
    return rows


def _one(
    config: dict[str, Any], texts: dict[str, Path], tokenizer: Tokenizer, row: dict[str, Any], salt: int
) -> dict[str, Any]:
    torch.set_num_threads(1)
    torch.manual_seed(salt)
    model = _made(config, row["model"])
    seen, unseen = (Diet([TokenFile(texts[part], tokenizer)], tokenizer, salt) for part in ("train", "eval"))
    chunks = config["train_tokens"] // config["window"]
    length, rates = ((0.0, chunks),), (config["rate"], config["adam_rate"], config["warm"])
    plan = Plan(config["steps"], config["step_tokens"], length, 0.0, config["cut"], *rates)
    train(model, plan, seen, _ASKED)
    return asked(model, unseen, config) | {"weights": sum(p.numel() for p in model.parameters())}


@torch.no_grad()
def asked(model: Model, diet: Diet, config: dict[str, Any]) -> dict[str, float]:
    """The figures of rows of facts in all four haystacks, each asked `apart` tokens behind or more."""
    meal = diet.meal(_UNSEEN, config["rows_asked"], config["asked_tokens"], config["apart"], _ASKED)
    tokens, where = torch.from_numpy(meal.tokens), torch.from_numpy(meal.asked)
    state: Any = model.start(len(tokens))
    totals = torch.zeros(4, dtype=torch.float64)
    for at, piece in model.steps(tokens[:, :-1], state):
        target, here = (part[:, at : at + piece.shape[1]] for part in (tokens[:, 1:], where))
        out = model(piece, state)
        losses = model.losses(out, target)
        right = model.log_p(out).argmax(-1) == target
        totals += torch.stack(
            [x.double().sum() for x in (losses.on * here, losses.off * here, right & here, losses.on)]
        )
        state = out.state
    answers = int(where.sum())
    counts = torch.tensor([answers, answers, answers, where.numel()])
    return dict(zip(FIGURES, (totals / counts).tolist(), strict=True))


def _made(config: dict[str, Any], name: str) -> Model:
    memory = MemoryConfig(
        sets=config["entries"] // 8,
        key_width=config["memory_width"],
        value_width=config["memory_width"],
        orders=tuple(config["orders"]),
        replacement="lru" if name == "nexus, all" else "priority",
    )
    window = config["window"]
    sizes = {name: config[name] for name in ("width", "layers", "vocabulary")}
    made = Config(
        **sizes, embedding=config["width"], heads=4, kv_heads=2, window=window, chunk=window, memory=memory
    )
    if name in CONTROLS:
        return CONTROLS[name](made)
    model = Nexus(made)
    if name == "nexus, all":
        model.writing = Writing(EveryGate(len(memory.orders)), budget=window * len(memory.orders), least=-1.0)
    else:
        model.writing = Writing(model.regret, budget=window // 8, explore=config["explore"])
    return model


def _tokenizer(text: str, size: int) -> Tokenizer:
    """Pairs of hex digits are said so often that they have ids of their own in so small a vocabulary, too."""
    pairs = "".join(f"{n:{how}}\n" * (len(text) // 500) for n in range(256) for how in ("02x", "02X"))
    inner = trained([text, pairs], size - 1)
    counts = np.zeros(size, np.int64)
    return Tokenizer(inner, counts + np.bincount(Tokenizer(inner, counts).encode(text), minlength=size))


def _text(part: str) -> str:
    """The first `_BYTES` of books/`part`."""
    read, data = b"", os.environ.get("NEXUS_DATA", "")
    for path in sorted((Path(data) / "books" / part).glob("*.txt")):
        read += path.read_bytes()
        if len(read) >= _BYTES[part]:
            return read[: _BYTES[part]].decode("utf-8", "replace")
    raise InvalidInputError(
        f"NEXUS_DATA is {data!r} and holds {len(read)} bytes of books/{part}",
        hint="name the folder with the data sets (docs/guides/benchmarks.md)",
    )
