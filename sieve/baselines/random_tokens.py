"""Random tokens of the pool: what no method that reads the pool may fall behind."""

from __future__ import annotations

import numpy as np
import torch

from sieve.cs2 import top_k
from sieve.pool import Pool
from sieve.select import Selection, Text


class RandomTokens:
    """Raw embeddings of tokens drawn without replacement. Scores are the draw, uniform in [0, 1),
    so tokens of all windows compete for the memory by chance. The draw hangs on ``seed`` and on
    the window's start alone: asked twice, it is the same."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        entropy = [self._seed, int(np.array(pool.start_s).view(np.uint64))]
        drawn = np.random.default_rng(entropy).random(len(pool), dtype=np.float32)
        scores = torch.from_numpy(drawn).to(pool.embeds.device)
        keep = top_k(scores, count)
        return Selection(keep, pool.embeds[keep], scores)
