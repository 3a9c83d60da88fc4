"""Every token is kept, whatever the retention says: the stock model."""

from __future__ import annotations

import torch

from sieve.pool import Pool
from sieve.select import Selection, Text


class KeepAll:
    """Raw embeddings of the whole pool; scores are zero, so the memory forgets by age."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        every = torch.arange(len(pool), device=pool.embeds.device)
        return Selection(every, pool.embeds, torch.zeros(len(pool), device=pool.embeds.device))
