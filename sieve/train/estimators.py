"""How the loss of a hard choice reaches the scores: straight-through estimators.

The forward value of every gate is the hard 0/1 choice itself; they differ in the gradient alone.
Kept states are multiplied by their gates, so the gradient of a gate is <dL/dx, x> of its token. A
token that was dropped before the decoder has no gate to be multiplied with and learns only where
the estimator couples the scores (softmax, Gumbel).

Sources: ``identity`` is the paper's (EchoingPixels, arXiv 2512.10324), ``softmax`` what the
authors' code does, ``gumbel`` the paper's ablation (noise in training only, unlike the authors'
code), ``sigmoid`` the plain alternative that OmniSIFT uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_SMALLEST = 1e-9
_SILENT = 1e-6  # rewards below this are no rewards


@dataclass(frozen=True, slots=True)
class Estimator:
    """``soft``: scores [..., n] -> what stands for the choice in the backward pass, [..., n].
    ``noise``: scale of the Gumbel noise added to the scores before choosing, in training only."""

    soft: Callable[[Tensor], Tensor]
    noise: float = 0.0

    def explore(self, scores: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The scores [..., n] to choose and to gate by in a training step: noisy for Gumbel, as
        they are for the others."""
        return scores + self.noise * gumbel_noise(scores, generator) if self.noise else scores

    def gate(self, scores: Tensor, keep: Tensor) -> Tensor:
        """Factors [..., n] for the states of a pool: forward ``keep`` (bool [..., n]) as 0 and 1,
        backward the gradient of ``soft(scores)``. Scores are finite; padding has very low ones."""
        soft = self.soft(scores)
        return keep.to(soft.dtype) + (soft - soft.detach())


def gumbel_noise(scores: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise of the shape of ``scores``: the k largest of scores + noise are a draw
    without replacement from their softmax. ``generator`` lives on the CPU."""
    uniform = torch.rand(scores.shape, generator=generator).clamp(_SMALLEST, 1 - 1e-7)
    return -torch.log(-torch.log(uniform)).to(scores.device, scores.dtype)


def _identity(scores: Tensor) -> Tensor:
    return scores


def _softmax(scores: Tensor) -> Tensor:
    return scores.softmax(-1)


ESTIMATORS = {
    "identity": Estimator(_identity),
    "softmax": Estimator(_softmax),
    "sigmoid": Estimator(torch.sigmoid),
    "gumbel": Estimator(_softmax, noise=1.0),
}


def advantages(found: Sequence[float]) -> list[float]:
    """What exchanges of tokens are worth: rewards divided by their root mean square; all 0 where
    nothing made a difference."""
    size = float(np.sqrt(np.mean(np.square(found)))) if len(found) else 0.0
    return [reward / size if size > _SILENT else 0.0 for reward in found]
