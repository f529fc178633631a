"""A stream that is taken in, and asked what was said: the exact words, where, and how sure that is.

The small door to the Nexus: whoever keeps a conversation of any length needs no more. Knows a model and its
tokenizer; knows no service. Invariants: asking changes nothing; the state never grows beyond a
bound; a file of it is taken by the model that wrote it and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nexus.transformer import names, tensor_file
from nexus.transformer.backbone import WindowCache
from nexus.transformer.model import Nexus
from nexus.transformer.pointer import NONE
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import ForeignMemoryError
from nexus.transformer.step import State
from nexus.transformer.tokenizer import Tokenizer

_PIECE: Final = 1 << 16  # characters encoded at once: bounds memory
_ENTRY: Final = "entries."
_WINDOW: Final = "window."
_MEANING: Final = "meanings."


@dataclass(frozen=True)
class Recall:
    """An answer.

    text: what the model says next, greedily. payload: what followed where the question was said before, word
    for word, up to the payload's length; "" where nothing was found. position: where in the stream, in
    tokens, that payload begins; -1 where nothing was found. confidence: the mean probability of the answer's
    tokens.
    """

    text: str
    payload: str
    position: int
    confidence: float


class Memory:
    """One stream of a model."""

    def __init__(self, model: Nexus, tokenizer: Tokenizer, device: torch.device | str = "cpu") -> None:
        """Raises `ForeignMemoryError` where the model has another vocabulary."""
        if model.config.vocabulary != tokenizer.size:
            raise ForeignMemoryError(
                f"the model knows {model.config.vocabulary} tokens, the tokenizer {tokenizer.size}",
                hint="use the tokenizer that the model was trained with",
            )
        self.model, self.tokenizer, self.device = model.to(device).eval(), tokenizer, torch.device(device)
        self._state = self.model.start(1, self.device)

    @property
    def position(self) -> int:
        """Tokens taken in."""
        return self._state.position

    def size(self) -> int:
        """Bytes that the state takes: bounded; a part of it is the chunk so far."""
        return self._state.bytes()

    def write(self, text: str | bytes) -> int:
        """Take in a text of any length; the tokens that it was."""
        before = self.position
        for start in range(0, len(text), _PIECE):
            ids = self.tokenizer.encode(text[start : start + _PIECE])
            self._state = self.model.stream(self._tensor(ids), self._state)
        return self.position - before

    @torch.no_grad()
    def ask(self, question: str | bytes, tokens: int = 32, stop: str = "\n") -> Recall:
        """What comes after `question`, as if it were said now: up to `tokens` tokens, or to `stop`.

        Raises:
            ValueError: the question is empty, or no token is asked for.
        """
        ids = self.tokenizer.encode(question)
        if not len(ids) or tokens < 1:
            raise ValueError(f"a question of {len(ids)} tokens and an answer of {tokens}")
        given, state, said, sure = self._tensor(ids), self._state, [], 0.0
        payload, position = "", -1
        for number in range(tokens):
            for _, piece in self.model.steps(given, state):
                out = self.model(piece, state)
                state = out.state
            best = self.model.log_p(out)[0, -1].max(-1)
            if number == 0:
                payload, position = self._found(out.read, state)
            said.append(int(best.indices))
            sure += float(best.values.exp())
            given = best.indices.view(1, 1)
            if stop and stop in self.tokenizer.decode(said[-8:]):
                break
        text = self.tokenizer.decode(said)
        return Recall(text.split(stop)[0] if stop else text, payload, position, sure / len(said))

    def first(self, phrase: str) -> Recall:
        """What was said about `phrase` when it was first mentioned, as far as that is still known.

        A name has an entry of its own (`names`). Else the longest n-gram at its end that has one answers;
        `confidence` is the share of the phrase that it covers. Nothing is made up: text is the payload, and
        "" where there is no entry. After an entry was evicted, a later mention counts as the first.

        Raises:
            ValueError: the phrase is empty.
        """
        ids = self.tokenizer.encode(" " + phrase.strip()).tolist()
        if not phrase.strip():
            raise ValueError("the phrase is empty")
        lexical = self.model.lexical
        whole = names.address(ids, lexical)
        if whole is not None and (found := self._entry(*whole)) is not None:
            return self._said_first(found, 1.0)
        line = torch.tensor([ids])
        sets, tags, _ = lexical.addresses(line, lexical.begin(1))
        for order in sorted(lexical.orders, reverse=True):
            which = lexical.orders.index(order)
            if order > len(ids):
                continue
            if (found := self._entry(int(sets[0, -1, which]), int(tags[0, -1, which]))) is not None:
                return self._said_first(found, order / len(ids))
        return Recall("", "", -1, 0.0)

    def _entry(self, row: int, tag: int) -> tuple[int, int, int] | None:
        """Where the entry of an address lies."""
        ways = (self._state.entries.tag[0, row] == tag).nonzero()
        return (0, row, int(ways[0])) if len(ways) else None

    def _said_first(self, entry: tuple[int, int, int], confidence: float) -> Recall:
        entries = self._state.entries
        said = entries.first_payload[entry]
        text = self.tokenizer.decode(said[said != NONE].tolist())
        return Recall(text, text, int(entries.first_place[entry]), confidence)

    def save(self, path: Path) -> None:
        """Make or replace `path`. Raises `StorageError`; the old file is then unchanged."""
        state = self._state
        entries, metadata = state.entries.saved(self.model.config.fingerprint())
        tensors = {_ENTRY + name: tensor for name, tensor in entries.items()}
        if state.meanings is not None:
            meanings, its = state.meanings.saved(self.model.config.fingerprint())
            tensors |= {_MEANING + name: tensor for name, tensor in meanings.items()}
            metadata = metadata | {_MEANING + name: value for name, value in its.items()}
        tensors |= {"tokens": state.tokens.cpu().contiguous(), "hidden": state.hidden.cpu().contiguous()}
        if state.window is not None:
            tensors |= {_WINDOW + name: t.cpu().contiguous() for name, t in state.window.tensors().items()}
        metadata = metadata | {"position": str(state.position), "tokenizer": self.tokenizer.fingerprint()}
        tensor_file.save(path, tensors, metadata)

    def load(self, path: Path) -> None:
        """Go on with the stream of a file. Raises `ForeignMemoryError`; the stream is then as it was."""
        config = self.model.config
        try:
            with safe_open(path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
                tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get("tokenizer") != self.tokenizer.fingerprint():
                raise ForeignMemoryError(
                    f"{path} is of tokenizer {metadata.get('tokenizer')}, not {self.tokenizer.fingerprint()}",
                    hint="load it with the model that saved it",
                )
            parts: dict[str, dict[str, Tensor]] = {_ENTRY: {}, _WINDOW: {}, _MEANING: {}, "": {}}
            for name, tensor in tensors.items():
                kind = next(kind for kind in parts if name.startswith(kind))
                parts[kind][name.removeprefix(kind)] = tensor.to(self.device)
            entries = Entries.restored(
                parts[_ENTRY], metadata, config.memory, config.fingerprint(), self.device
            )
            window = WindowCache.from_tensors(parts[_WINDOW], config) if parts[_WINDOW] else None
            position = int(metadata["position"])
            meanings = self._meanings(parts[_MEANING], metadata)
            state = State(position, window, entries, parts[""]["tokens"], parts[""]["hidden"], meanings)
            self._check(state)
        except (SafetensorError, OSError, LookupError, ValueError) as error:
            raise ForeignMemoryError(
                f"{path} is damaged or no memory: {error}", hint="save it again"
            ) from error
        self._state = state

    def _meanings(self, tensors: dict[str, Tensor], metadata: dict[str, str]) -> Entries | None:
        """The semantic lane's entries, where the model has that lane."""
        if self.model.semantic is None:
            return None
        own = {
            name.removeprefix(_MEANING): value
            for name, value in metadata.items()
            if name.startswith(_MEANING)
        }
        shape, mark = self.model.semantic.shape, self.model.config.fingerprint()
        return Entries.restored(tensors, own, shape, mark, self.device)

    def _check(self, state: State) -> None:
        within, config = state.position % self.model.config.chunk, self.model.config
        wanted: dict[str, tuple[Any, ...]] = {
            "tokens": (state.tokens, (1, self.model.lead + within), torch.int64),
            "hidden": (state.hidden, (1, 1 + within, config.width), torch.float32),
        }
        for name, (tensor, shape, kind) in wanted.items():
            if tuple(tensor.shape) != shape or tensor.dtype != kind:
                raise ValueError(f"{name} is {tensor.dtype} {list(tensor.shape)}, not {kind} {list(shape)}")
        window = 0 if state.window is None else state.window.position
        if window != state.position or state.position < 0:
            raise ValueError(f"a window at {window} and a stream at {state.position}")
        if not -1 <= int(state.tokens.min()) <= int(state.tokens.max()) < config.vocabulary:
            raise ValueError(f"tokens from {int(state.tokens.min())} to {int(state.tokens.max())}")

    def _found(self, read: Any, state: State) -> tuple[str, int]:
        """The payload of the run at the last token, and where it begins in the stream."""
        run, offset = read.run, int(read.run.offset[0, -1])
        if int(run.token[0, -1]) == NONE:
            return "", -1
        place = int(read.place[0, -1])
        entries = state.entries
        there = (entries.place[0] == place).nonzero()
        if not len(there):
            return "", -1
        row, way = there[0].tolist()
        ids = entries.payload[0, row, way, offset:]
        return self.tokenizer.decode(ids[ids != NONE].tolist()), place + offset

    def _tensor(self, ids: Any) -> Tensor:
        return torch.as_tensor(ids.astype("int64"), device=self.device)[None]
