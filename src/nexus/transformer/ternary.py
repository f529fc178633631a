"""Matrices of three values: trained with full weights behind them, saved five weights a byte.

Knows nothing of models. Invariants: a layer computes with the rounded weights while it trains, too; packing
and unpacking gives the very numbers that it computed with, so the logits are bit-identical; unpacking reads
untrusted bytes and gives a matrix or `PackedWeightsError`.

Each `group` weights of a row share one scale, a float16: a weight is -1, 0 or 1 by the mean of the group's
absolute values, and the scale is chosen such that this mean stays what it was. Trits go five a byte, least
first, row by row; the last byte is filled up with zeros. A zero is the digit 1, so a byte is 0 to 242.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.config import Config
from nexus.transformer.errors import PackedWeightsError

TRITS: Final = 5
_FIRST_OF: Final = (1, 3, 9, 27, 81)
_MOST: Final = 3**TRITS - 1
_LARGEST_SCALE: Final = 65_504.0


def rounded(weight: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Trits [rows, columns], of the weight's type, and scales float32 [rows, groups] that float16 holds
    exactly.
    """
    rows, columns = weight.shape
    groups = -(-columns // group)
    padded = functional.pad(weight, (0, groups * group - columns)).view(rows, groups, group)
    # The padding is no weight: the mean is over what is there.
    sizes = torch.full((groups,), group, device=weight.device, dtype=weight.dtype)
    sizes[-1] = columns - (groups - 1) * group
    mean = padded.abs().sum(-1) / sizes
    trits = (padded / mean.clamp_min(torch.finfo(weight.dtype).tiny)[..., None]).round_().clamp_(-1, 1)
    used = trits.abs().sum(-1) / sizes
    scales = (mean / used.clamp_min(1.0 / group)).float().clamp_max(_LARGEST_SCALE).half().float()
    return trits.view(rows, groups * group)[:, :columns], scales


def spread(scales: Tensor, group: int, columns: int) -> Tensor:
    """Scales [rows, groups] to [rows, columns]."""
    return scales.repeat_interleave(group, dim=1)[:, :columns]


class TernaryLinear(nn.Linear):
    """A layer without bias that computes with `rounded` weights; gradients go to the full ones as if they
    were it.
    """

    def __init__(self, inputs: int, outputs: int, group: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.group = group
        self._kept: tuple[int, int, Tensor] | None = None

    def ternary(self) -> Tensor:
        """The matrix that it computes with, without gradients."""
        # Never an inference tensor: a later call whose input learns has to save it.
        with torch.inference_mode(False), torch.no_grad():
            trits, scales = rounded(self.weight.detach().float(), self.group)
            return (trits * spread(scales, self.group, self.in_features)).to(self.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.weight.requires_grad:
            self._kept = None
            return functional.linear(x, self.weight + (self.ternary() - self.weight).detach())
        # Where nothing learns, the weights are rounded once.
        now = (self.weight._version, self.weight.data_ptr())
        if self._kept is None or self._kept[:2] != now or self._kept[2].device != self.weight.device:
            self._kept = (*now, self.ternary())
        return functional.linear(x, self._kept[2])


def linear(config: Config, inputs: int, outputs: int) -> nn.Linear:
    """A layer of the backbone, ternary or not as the configuration says."""
    if config.ternary:
        return TernaryLinear(inputs, outputs, config.group)
    return nn.Linear(inputs, outputs, bias=False)


def pack(trits: Tensor) -> Tensor:
    """Trits -1, 0, 1 of any shape to uint8 [ceil(n / 5)]."""
    digits = (trits.reshape(-1).to(torch.int16) + 1).to(torch.int16)
    digits = functional.pad(digits, (0, -len(digits) % TRITS), value=1).view(-1, TRITS)
    weights = torch.tensor(_FIRST_OF, dtype=torch.int16, device=digits.device)
    return (digits * weights).sum(1).to(torch.uint8)


def unpack(packed: Tensor, count: int) -> Tensor:
    """uint8 [ceil(count / 5)] to int8 trits [count]. Raises `PackedWeightsError`."""
    if packed.dtype != torch.uint8 or packed.ndim != 1 or len(packed) != -(-count // TRITS):
        raise _damaged(f"{packed.dtype} {list(packed.shape)} for {count} weights")
    if len(packed) and int(packed.max()) > _MOST:
        raise _damaged(f"byte {int(packed.max())}, where {_MOST} is the most")
    weights = torch.tensor(_FIRST_OF, dtype=torch.int16, device=packed.device)
    digits = (packed.to(torch.int16)[:, None] // weights % 3 - 1).to(torch.int8).view(-1)
    if bool((digits[count:] != 0).any()):
        raise _damaged("weights behind the last one")
    return digits[:count]


def packed_state(module: nn.Module, rest: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """All that `module` saves: `NAME.trits` and `NAME.scales` for each ternary layer, the rest as `rest`.

    Tensors of whole numbers stay as they are. `load_packed` reads it.
    """
    found = {name: value.detach() for name, value in module.state_dict().items()}
    tensors: dict[str, Tensor] = {}
    for name, layer in _ternary_layers(module):
        trits, scales = rounded(found.pop(f"{name}.weight").float(), layer.group)
        tensors[f"{name}.trits"] = pack(trits)
        tensors[f"{name}.scales"] = scales.half()
    for name, value in found.items():
        tensors[name] = value.to(rest) if value.is_floating_point() else value
    return {name: value.cpu().contiguous() for name, value in tensors.items()}


def load_packed(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give `module` the weights that `packed_state` took from one like it.

    Raises `PackedWeightsError`; `module` is then unchanged.
    """
    left = dict(tensors)
    state: dict[str, Tensor] = {}
    for name, layer in _ternary_layers(module):
        packed, scales = left.pop(f"{name}.trits", None), left.pop(f"{name}.scales", None)
        if packed is None or scales is None:
            raise _damaged(f"{name} is missing")
        rows, columns = layer.weight.shape
        expected = (rows, -(-columns // layer.group))
        if scales.dtype != torch.float16 or tuple(scales.shape) != expected:
            raise _damaged(
                f"{name} has scales {scales.dtype} {list(scales.shape)}, not float16 {list(expected)}"
            )
        if not bool(torch.isfinite(scales).all()) or bool((scales < 0).any()):
            raise _damaged(f"{name} has a scale that is negative or no number")
        trits = unpack(packed, rows * columns).view(rows, columns).float()
        state[f"{name}.weight"] = trits * spread(scales.float(), layer.group, columns)
    own = module.state_dict()
    if missing := sorted(own.keys() - state.keys() - left.keys()):
        raise _damaged(f"{missing[0]} is missing")
    if unknown := sorted(left.keys() - own.keys()):
        raise _damaged(f"{unknown[0]} is of another model")
    for name, value in left.items():
        if value.shape != own[name].shape or value.is_floating_point() != own[name].is_floating_point():
            raise _damaged(f"{name} is {value.dtype} {list(value.shape)}, not {list(own[name].shape)}")
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            raise _damaged(f"{name} holds what is no number")
        state[name] = value.to(own[name].dtype)
    module.load_state_dict(state)


def _ternary_layers(module: nn.Module) -> list[tuple[str, TernaryLinear]]:
    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, TernaryLinear)]


def _damaged(what: str) -> PackedWeightsError:
    return PackedWeightsError(
        f"packed weights do not fit: {what}", hint="fetch the file again, for this configuration"
    )
