"""Muon for the matrices of the layers, Adam for all else, as one optimizer.

Knows nothing of models but which parameters are matrices. It has the methods of a torch optimizer and is
none: making one of those imports torch's compiler, which takes seconds. Invariants: a step depends on the
weights, the gradients and the saved state alone, so a training that resumes on a CPU goes on bit-exactly; a
gradient that is no finite number changes nothing and is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from nexus.core.errors import NexusError

# Of the odd polynomial whose repetition brings singular values near 1.
_POLYNOMIAL: Final = (3.4445, -4.7750, 2.0315)


class DivergedError(NexusError):
    """A loss or a gradient is no finite number; nothing was changed by it."""

    code = "training_diverged"
    exit_status = 12


class MuonAdam:
    """`param_groups` are as torch's, with `kind` "muon" or "adam", `lr`, `momentum` (Muon) or `betas`
    (Adam), and `weight_decay`.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float = 0.02,
        adam_lr: float = 0.003,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        steps: int = 5,
        weight_decay: float = 0.0,
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "kind": "muon", "lr": lr, "momentum": momentum, "steps": steps},
            {"params": list(others), "kind": "adam", "lr": adam_lr, "betas": betas, "eps": 1e-10},
        ]
        if any(p.ndim != 2 for group in groups if group["kind"] == "muon" for p in group["params"]):
            raise ValueError("Muon steps matrices")
        for group in groups:
            group["weight_decay"] = weight_decay
        self.param_groups: Final = [group for group in groups if group["params"]]
        self.state: Final[dict[Tensor, dict[str, Any]]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """As torch's: `state` by the number of the parameter, `param_groups` with these numbers."""
        numbers = {parameter: number for number, parameter in enumerate(self._parameters())}
        return {
            "state": {numbers[parameter]: dict(values) for parameter, values in self.state.items()},
            "param_groups": [
                group | {"params": [numbers[parameter] for parameter in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Raises `ValueError` where it is of other parameters; nothing is changed then."""
        parameters = self._parameters()
        sizes = [len(group["params"]) for group in saved["param_groups"]]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise ValueError(f"groups of {sizes} parameters")
        for number, values in saved["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape != parameters[number].shape:
                    raise ValueError(f"{name} of parameter {number} is {list(value.shape)}")
        self.state.clear()
        for number, values in saved["state"].items():
            place = parameters[number].device
            self.state[parameters[number]] = {
                name: value.to(place, copy=True) if isinstance(value, Tensor) else value
                for name, value in values.items()
            }
        for group, found in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({name: value for name, value in found.items() if name != "params"})

    @torch.no_grad()
    def step(self) -> None:
        """One step. Raises `DivergedError` before anything is changed."""
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        # One number for all, so that a GPU is waited for once.
        if gradients and not bool(
            torch.isfinite(torch.stack([g.float().abs().max() for g in gradients])).all()
        ):
            raise DivergedError(
                "a gradient is no finite number", hint="go back to the last checkpoint, lower the rate"
            )
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            for parameter in with_gradient:
                if group["weight_decay"]:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
            if group["kind"] == "muon":
                self._muon(group, with_gradient)
            else:
                self._adam(group, with_gradient)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _muon(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            alike[parameter.shape, parameter.device].append(parameter)
        for (shape, _), same in alike.items():
            wanted = []
            for parameter in same:
                state = self.state[parameter]
                if not state:
                    state["average"] = torch.zeros_like(parameter)
                assert parameter.grad is not None
                state["average"].lerp_(parameter.grad, 1 - group["momentum"])
                wanted.append(parameter.grad.lerp(state["average"], group["momentum"]))
            turned = orthogonal(torch.stack(wanted), group["steps"])
            rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(same, turned, strict=True):
                parameter.sub_(change.to(parameter.dtype), alpha=rate)

    def _adam(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        first, second = group["betas"]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["steps"] = 0
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            assert parameter.grad is not None
            state["steps"] += 1
            state["mean"].lerp_(parameter.grad, 1 - first)
            state["square"].lerp_(parameter.grad.square(), 1 - second)
            scale = (state["square"] / (1 - second ** state["steps"])).sqrt_().add_(group["eps"])
            parameter.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - first ** state["steps"]))


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """[n, rows, columns] to matrices of the same singular vectors whose singular values are near 1.

    In bfloat16 on a GPU, in float32 on a CPU, where that is the faster one.
    """
    a, b, c = _POLYNOMIAL
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    turned: Tensor = x.mT if tall else x
    return turned


def optimizer_for(module: nn.Module, **settings: Any) -> MuonAdam:
    """Muon for the weights of linear layers inside a list of layers, Adam for tables, norms, gates and the
    rest.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    seen: set[int] = set()
    inside = {
        id(layer.weight)
        for stack in module.modules()
        if isinstance(stack, nn.ModuleList)
        for layer in stack.modules()
        if isinstance(layer, nn.Linear)
    }
    for parameter in module.parameters():
        if parameter.requires_grad and id(parameter) not in seen:
            seen.add(id(parameter))
            (matrices if id(parameter) in inside else others).append(parameter)
    return MuonAdam(matrices, others, **settings)
