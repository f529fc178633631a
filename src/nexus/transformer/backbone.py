"""The window: a causal transformer whose attention looks exactly `config.window` tokens back.

Knows nothing of the memory. Invariants: its state is the last `window` keys and values of each layer,
whatever the length of the stream; the same tokens in other calls give the same hidden states, but for the
order of sums; the position in the stream changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.attention import attend
from nexus.transformer.config import Config
from nexus.transformer.errors import TokensError, WindowError
from nexus.transformer.rope import Rotation
from nexus.transformer.ternary import linear

EPSILON: Final = 1e-6


@dataclass(frozen=True, slots=True)
class WindowCache:
    """What the window keeps of a stream: for each layer keys (not turned) and values [B, K, P, width], P <=
    window.

    `position` is how many tokens each stream has had; it is a Python number, so exact at any length.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    position: int = 0

    def detach(self) -> WindowCache:
        """The same without gradients."""
        return WindowCache(
            tuple(k.detach() for k in self.keys), tuple(v.detach() for v in self.values), self.position
        )

    def to(self, device: torch.device | str) -> WindowCache:
        """The same on another device."""
        return WindowCache(
            tuple(k.to(device) for k in self.keys), tuple(v.to(device) for v in self.values), self.position
        )

    def at(self, position: int) -> WindowCache:
        """The same window elsewhere in a stream."""
        return replace(self, position=position)

    def bytes(self) -> int:
        """What its tensors take."""
        return sum(t.element_size() * t.numel() for t in (*self.keys, *self.values))

    def tensors(self) -> dict[str, Tensor]:
        """For a file; `from_tensors` reads them."""
        named = {f"keys.{n}": k for n, k in enumerate(self.keys)}
        named |= {f"values.{n}": v for n, v in enumerate(self.values)}
        return {name: t.contiguous() for name, t in named.items()} | {"position": torch.tensor(self.position)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], config: Config) -> WindowCache:
        """Raises `WindowError` where they are not those of a model of `config`."""
        names = [f"{kind}.{n}" for kind in ("keys", "values") for n in range(config.layers)]
        if set(tensors) != {*names, "position"} or tensors["position"].shape != ():
            raise WindowError("the tensors are not those of a window", hint="use what `tensors` gave")
        cache = cls(
            tuple(tensors[name] for name in names[: config.layers]),
            tuple(tensors[name] for name in names[config.layers :]),
            int(tensors["position"]),
        )
        cache.check(config, cache.keys[0].shape[0] if cache.keys[0].ndim else 0)
        return cache

    def check(self, config: Config, streams: int) -> None:
        """Raises `WindowError` unless it fits `streams` streams of a model of `config`."""
        past = self.keys[0].shape[2] if self.keys and self.keys[0].ndim == 4 else 0
        expected = (streams, config.kv_heads, past, config.head_width)
        shapes = {tuple(t.shape) for t in (*self.keys, *self.values)}
        if len(self.keys) != config.layers or len(self.values) != config.layers or shapes != {expected}:
            raise WindowError(
                f"a window of {len(self.keys)} layers and shapes {sorted(shapes)}, for {config.layers} "
                f"layers and {streams} streams of {config.kv_heads} x {config.head_width}",
                hint="use the window of this model and these streams, or none to start a stream",
            )
        if past > config.window or self.position < past:
            raise WindowError(
                f"a window of {past} tokens at position {self.position}, where {config.window} is the most",
                hint="use what the model returned, unchanged",
            )


class RmsNorm(nn.Module):
    """x / rms(x), times a learned weight. Computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x.float(), x.shape[-1:], self.weight.float(), EPSILON).to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention over the window. Queries and keys are normed, so that no score can run away."""

    def __init__(self, config: Config, rotation: Rotation) -> None:
        super().__init__()
        self.config = config
        shared = config.kv_heads * config.head_width
        self.query = linear(config, config.width, config.width)
        self.key = linear(config, config.width, shared)
        self.value = linear(config, config.width, shared)
        self.out = linear(config, config.width, config.width)
        # One table for all layers; a list, so that it is not theirs.
        self._rotation = [rotation]

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, T, d] to the same, and the last `window` keys and values."""
        batch, length, _ = x.shape
        config = self.config

        def split(y: Tensor, heads: int) -> Tensor:
            return y.view(batch, length, heads, config.head_width).transpose(1, 2)

        query = _unit(split(self.query(x), config.heads))
        key = _unit(split(self.key(x), config.kv_heads))
        value = split(self.value(x), config.kv_heads)
        if past is not None:
            key = torch.cat([past[0].to(key.dtype), key], dim=2)
            value = torch.cat([past[1].to(value.dtype), value], dim=2)
        read = attend(query, key, value, self._rotation[0], config.window)
        out = self.out(read.transpose(1, 2).reshape(batch, length, config.width))
        return out, (_last(key, config.window), _last(value, config.window))


class Layer(nn.Module):
    """Attention, then an MLP whose middle is relu squared; both beside the stream of states."""

    def __init__(self, config: Config, rotation: Rotation) -> None:
        super().__init__()
        self.before_attention = RmsNorm(config.width)
        self.attention = Attention(config, rotation)
        self.before_mlp = RmsNorm(config.width)
        self.up = linear(config, config.width, config.expansion * config.width)
        self.down = linear(config, config.expansion * config.width, config.width)

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        read, kept = self.attention(self.before_attention(x), past)
        x = x + read
        return x + self.down(functional.relu(self.up(self.before_mlp(x))).square()), kept


class Backbone(nn.Module):
    """Tokens to hidden states, and hidden states to logits."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.vocabulary, config.embedding)
        self.widen = nn.Linear(config.embedding, config.width, bias=False)
        self.rotation = Rotation(config.head_width, config.window, config.rope_base)
        self.layers = nn.ModuleList(Layer(config, self.rotation) for _ in range(config.layers))
        self.last_norm = RmsNorm(config.width)
        self.narrow = nn.Linear(config.width, config.embedding, bias=False)
        self.head = None if config.tied else nn.Linear(config.embedding, config.vocabulary, bias=False)
        self._start()

    def forward(self, tokens: Tensor, past: WindowCache | None = None) -> tuple[Tensor, WindowCache]:
        """tokens int64 [B, T], T >= 1, to hidden states [B, T, d], before the last norm, and the window
        after them.

        Raises `TokensError` and `WindowError`.
        """
        self._check(tokens, past)
        x = self.widen(self.table(tokens))
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            x, (key, value) = layer(x, None if past is None else (past.keys[number], past.values[number]))
            keys.append(key)
            values.append(value)
        position = tokens.shape[1] + (0 if past is None else past.position)
        return x, WindowCache(tuple(keys), tuple(values), position)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [..., d] to [..., vocabulary], in float32."""
        narrow = self.narrow(self.last_norm(hidden))
        table = self.table.weight if self.head is None else self.head.weight
        return functional.linear(narrow, table.to(narrow.dtype)).float()

    def _check(self, tokens: Tensor, past: WindowCache | None) -> None:
        if tokens.ndim != 2 or tokens.dtype != torch.int64 or 0 in tokens.shape:
            raise TokensError(
                f"tokens are {tokens.dtype} {list(tokens.shape)}",
                hint="give int64 [streams, tokens], both at least 1",
            )
        # On a GPU the look would wait for all work before it; there the table itself refuses the id.
        if (
            tokens.device.type == "cpu"
            and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.config.vocabulary
        ):
            raise TokensError(
                f"token ids from {int(tokens.min())} to {int(tokens.max())}",
                hint=f"this model knows 0 to {self.config.vocabulary - 1}: use its own tokenizer",
            )
        if past is not None:
            past.check(self.config, tokens.shape[0])

    def _start(self) -> None:
        """Weights to start training with: what goes into the stream of states is small, the deeper the
        smaller.
        """
        nn.init.normal_(self.table.weight, std=self.config.embedding**-0.5)
        nn.init.normal_(self.widen.weight, std=1.0)
        # The first logits are nearly equal: no id starts out likely.
        nn.init.normal_(self.narrow.weight, std=0.25 * self.config.width**-0.5)
        if self.head is not None:
            nn.init.normal_(self.head.weight, std=self.config.embedding**-0.5)
        beside = (2 * self.config.layers) ** -0.5
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            for module in (layer.attention.out, layer.down):
                nn.init.normal_(module.weight, std=beside * module.in_features**-0.5)


def pieces(tokens: Tensor, position: int, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """int64 [B, N] from a stream's `position` on, cut at the ends of chunks: where each begins, and it."""
    at = 0
    while at < tokens.shape[1]:
        room = chunk - (position + at) % chunk
        yield at, tokens[:, at : at + room]
        at += room


def _unit(x: Tensor) -> Tensor:
    return functional.rms_norm(x.float(), x.shape[-1:], None, EPSILON).to(x.dtype)


def _last(x: Tensor, window: int) -> Tensor:
    """The last `window` tokens, in memory of their own: a view would keep all that went before."""
    return x if x.shape[2] <= window else x[:, :, -window:].clone()
