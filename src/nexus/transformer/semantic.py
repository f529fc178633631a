"""The semantic lane: what an entry means, where such a meaning is filed, and how a question finds it.

Keys and queries are unit vectors, trained with InfoNCE so that a later mention finds an earlier one. Learned
centroids divide the keys among sets; a query probes the nearest few. Knows hidden states; knows neither
entries nor tokens (seed 001, section 3C; research 3.1 rows 2, 5 and 16).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_TEMPERATURE = 0.01


class SemanticLane(nn.Module):
    """Queries, keys and the sets they belong to."""

    def __init__(self, width: int, key_width: int, sets: int) -> None:
        super().__init__()
        self.to_query = nn.Linear(width, key_width, bias=False)
        self.to_key = nn.Linear(width, key_width, bias=False)
        self.centroids = nn.Parameter(functional.normalize(torch.randn(sets, key_width), dim=-1))
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    @property
    def scale(self) -> Tensor:
        """One over the temperature, at most 1 / LEAST_TEMPERATURE."""
        return self.log_scale.exp().clamp(max=1 / LEAST_TEMPERATURE)

    def keys(self, hidden: Tensor) -> Tensor:
        """Float [..., key_width], of length 1, of hidden states [..., d]."""
        return functional.normalize(self.to_key(hidden).float(), dim=-1)

    def queries(self, hidden: Tensor) -> Tensor:
        """Float [..., key_width], of length 1."""
        return functional.normalize(self.to_query(hidden).float(), dim=-1)

    def near(self, vectors: Tensor) -> Tensor:
        """How near each set is: float [..., sets]."""
        return vectors @ functional.normalize(self.centroids, dim=-1).T

    def file(self, keys: Tensor) -> Tensor:
        """The set a key is filed in: int64 [...]. No gradient goes through the choice."""
        with torch.no_grad():
            return self.near(keys).argmax(-1)

    def probe(self, queries: Tensor, probes: int) -> tuple[Tensor, Tensor]:
        """The sets to look in, int64 [..., probes], nearest first, and what they weigh, float in (0, 1).

        The weight is a sigmoid, not a softmax: to look in one set is no reason to trust another less.
        """
        near, sets = self.near(queries).topk(probes, -1)
        return sets, torch.sigmoid(near * self.scale)


@dataclass(frozen=True)
class Contrast:
    """`loss`: what to minimise. `right`: the share of queries whose own key was nearest."""

    loss: Tensor
    right: float


def info_nce(lane: SemanticLane, queries: Tensor, keys: Tensor, same: Tensor | None = None) -> Contrast:
    """InfoNCE of n queries [n, k] and their keys [n, k]; the other n - 1 keys are the negatives.

    same: bool [n, n], true where another key would be right as well (the same entity): no negative.
    """
    scores = queries @ keys.T * lane.scale
    own = torch.arange(len(scores), device=scores.device)
    if same is not None:
        other = same.clone()
        other[own, own] = False
        scores = scores.masked_fill(other, float("-inf"))
    right = (scores.argmax(-1) == own).float().mean().item() if len(scores) else 0.0
    return Contrast(functional.cross_entropy(scores, own) if len(scores) else scores.sum(), right)


def routing_loss(lane: SemanticLane, queries: Tensor, keys: Tensor) -> Tensor:
    """Queries [n, k] are drawn to the sets of their keys, and the sets are kept in use.

    Cross entropy of both against the key's set, less the entropy of the mean use: one full set would be
    the cheapest answer otherwise.
    """
    target = lane.file(keys)
    of_keys, of_queries = lane.near(keys) * lane.scale, lane.near(queries) * lane.scale
    pull = functional.cross_entropy(of_keys, target) + functional.cross_entropy(of_queries, target)
    use = of_keys.softmax(-1).mean(0)
    return pull + (use * use.clamp(min=1e-9).log()).sum()


def use_of_sets(lane: SemanticLane, keys: Tensor) -> float:
    """Entropy of where keys [n, k] are filed, as a share of the most that n keys could have."""
    counts = torch.bincount(lane.file(keys), minlength=len(lane.centroids)).double()
    part = counts[counts > 0] / counts.sum()
    most = min(len(keys), len(lane.centroids))
    return float(-(part * part.log()).sum() / torch.tensor(most).double().log()) if most > 1 else 1.0
