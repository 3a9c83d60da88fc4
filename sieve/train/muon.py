"""Muon (Jordan et al. 2024): matrices learn by steps whose singular values are all about one.

``torch.optim.Muon`` turns every matrix by itself and in bfloat16, which a processor without AVX-512
multiplies number by number. Here all matrices of one shape are turned together, in float32.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's: steep at zero, between 0.7 and 1.2 near one
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, turned by ``orthogonalised`` and scaled to the root mean square of AdamW's
    steps (Liu et al., arXiv 2502.16982), with AdamW's weight decay. Only matrices [out, in]."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for matrices in alike.values():
                self._move(matrices, group)

    def _move(self, matrices: list[nn.Parameter], group: dict[str, Any]) -> None:
        """One step of matrices of one shape."""
        headings = torch.stack([self._heading(matrix, group["momentum"]) for matrix in matrices])
        size = 0.2 * math.sqrt(max(headings.shape[-2:])) * group["lr"]
        for matrix, turned in zip(matrices, orthogonalised(headings), strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(turned, alpha=-size)

    def _heading(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        state, gradient = self.state[matrix], matrix.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum)


def orthogonalised(matrices: Tensor) -> Tensor:
    """About U V^T of every one of ``matrices`` [..., out, in] = U S V^T, by Newton and Schulz."""
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
