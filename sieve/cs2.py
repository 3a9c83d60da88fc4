"""CS2, the Cross-Modal Semantic Sieve (EchoingPixels, arXiv 2512.10324, section 3.2).

A few bidirectional decoder layers read text, video and audio together; a small head scores every
audio-visual token on the refined states. What is kept enters the LLM in its refined state.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sieve.backbone import DecoderLayer, RMSNorm
from sieve.rope import AbsoluteRotary


class CS2(nn.Module):
    """Refiner (N decoder layers without a causal mask) and scorer (RMSNorm, two linear layers).

    ``rotary`` is the decoder's own: it is not registered, so it is not saved with the weights.
    """

    rotary: AbsoluteRotary

    def __init__(self, text_config: Any, layers: int, rotary: AbsoluteRotary) -> None:
        super().__init__()
        width = text_config.hidden_size
        # A number is a place in a cache, which refiners do not have; the decoder may have fewer.
        depth = text_config.num_hidden_layers
        refiners = [DecoderLayer(text_config, i % depth) for i in range(layers)]
        for refiner in refiners:
            refiner.self_attn.is_causal = False
        self.layers = nn.ModuleList(refiners)
        self.ln = RMSNorm(width, eps=1e-6)
        self.score_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        object.__setattr__(self, "rotary", rotary)

    def forward(
        self, embeds: Tensor, positions: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """embeds [B, L, d], positions [3, B, L] -> refined states [B, L, d], fp32 scores [B, L].

        ``mask`` bool [B, 1, L, L], where a batch holds sequences of unequal length.
        """
        rope = self.rotary(embeds, positions)
        states = embeds
        for layer in self.layers:
            states = layer(states, attention_mask=mask, position_embeddings=rope)
        return states, self._scores(states)

    def _scores(self, states: Tensor) -> Tensor:
        """float32 [B, L] also where weights and states have fewer digits: there a thousand tokens
        share a few hundred scores, and ties would choose."""
        first, _, last = self.score_head
        with torch.autocast(states.device.type, enabled=False):
            hidden = F.silu(_precise(first, self.ln(states.float())))
            return _precise(last, hidden).squeeze(-1)


def _precise(linear: Any, states: Tensor) -> Tensor:
    """A linear layer in float32."""
    return F.linear(states.float(), linear.weight.float(), linear.bias.float())


def kept_count(retention: float, pool: int) -> int:
    """k = max(1, ceil(r n)), never more than there are; 0 of an empty pool."""
    return min(pool, max(1, math.ceil(retention * pool))) if pool else 0


def top_k(scores: Tensor, count: int) -> Tensor:
    """Indices [count] of the highest scores [n], ascending; of equal scores the earlier wins."""
    best = torch.sort(scores.float(), descending=True, stable=True).indices[:count]
    return best.sort().values
