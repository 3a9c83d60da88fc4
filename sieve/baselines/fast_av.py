"""FastAV: one global prune in the middle, small ones after it.

Source: FastAV (arXiv 2601.13143). At half of the depth the tokens are ranked by attention rollout,
the product of alpha A + (1 - alpha) I over the layers so far, as seen from the last token; each
later layer drops the 20 % least attended by the last token in the layer before. Half of the layers
read everything, so an average of 50 % or less is out of reach, and with all tokens kept in the
middle it reads the most it can.

Ours: alpha = 0.5; the share of the global prune is the one that meets the budget. Live
(``in_llm``), the global prune alone decides: what later layers drop is a matter of their cost, not
of what is remembered.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sieve.prune import Pruner, Reading

ALPHA = 0.5
STAYING = 0.8  # from layer to layer in the second half
_BLOCK = 256  # queries at a time: an attention map of a whole clip is large


class FastAV(Pruner):
    def family(self, layers: int, retention: float, x: float) -> tuple[float, ...]:
        half = _half(layers)
        return (1.0,) * half + tuple(x * STAYING**later for later in range(layers - half))

    def live(self, layers: int, share: float) -> tuple[float, ...]:
        return (*(1.0,) * _half(layers), share)

    def rank(self, reading: Reading) -> Tensor:
        if reading.first_layer == 0:
            return rollout(reading)
        return reading.attention(reading.layer - 1)[0]


def rollout(reading: Reading) -> Tensor:
    """[m]: how much of the last token comes of each token, through all layers read so far."""
    flow = torch.zeros(len(reading.at), device=reading.hidden.device)
    flow[-1] = 1.0
    for layer in reversed(range(reading.first_layer, reading.layer)):
        attended = torch.zeros_like(flow)
        for queries in torch.arange(len(flow), device=flow.device).split(_BLOCK):
            attended += flow[queries] @ reading.attention(layer, queries)
        flow = ALPHA * attended + (1 - ALPHA) * flow
    return flow


def _half(layers: int) -> int:
    return max(1, layers // 2)
