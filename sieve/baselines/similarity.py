"""Similarity: keep the tokens least like the rest of the pool.

An ablation of EchoingPixels (arXiv 2512.10324) scores by similarity instead of by a trained head;
its formula could not be read. Ours: one minus the mean cosine to all tokens of the same modality,
which drops what is redundant. Cosines across modalities say little, so they are left out; the
competition is over the joint pool all the same.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.cs2 import top_k
from sieve.pool import Pool
from sieve.select import Selection, Text


class Similarity:
    """Raw embeddings; scores in [0, 2], comparable across windows."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        parts = pool.embeds[: pool.video], pool.embeds[pool.video :]
        scores = torch.cat([_unlikeness(part) for part in parts])
        keep = top_k(scores, count)
        return Selection(keep, pool.embeds[keep], scores)


def _unlikeness(tokens: Tensor) -> Tensor:
    """[m, d] -> [m]: one minus the mean cosine to all of them."""
    unit = F.normalize(tokens.float(), dim=-1)
    return 1.0 - unit @ unit.mean(dim=0) if len(unit) else unit.new_zeros(0)
