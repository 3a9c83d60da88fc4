"""Evenly spaced tokens of the pool: the control no method may fall behind."""

from __future__ import annotations

import torch

from sieve.pool import Pool
from sieve.select import Selection, Text


class Uniform:
    """Raw embeddings at evenly spaced places of the pool's order; scores are zero."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        places = (torch.arange(count).double() + 0.5) * len(pool) / max(count, 1)
        keep = places.long().to(pool.embeds.device)
        return Selection(keep, pool.embeds[keep], torch.zeros(len(pool), device=keep.device))
