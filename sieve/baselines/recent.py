"""Recent-N at equal bytes: every token of a window enters, the oldest leave.

Source: SimpleStream (arXiv 2604.02317), where a few newest frames beat most published memories on
questions about the present. Ours: as many tokens as the memory has slots, picture and sound alike,
where the paper counts frames. Needs ``RecentFirst`` as the policy of the memory.
"""

from __future__ import annotations

import torch

from sieve.pool import Pool
from sieve.select import Selection, Text


class Recent:
    """Raw embeddings of the whole pool, whatever the retention; scores are the tokens' position ids
    in time, so of a window larger than the memory the newest part stays."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        every = torch.arange(len(pool), device=pool.embeds.device)
        return Selection(every, pool.embeds, pool.positions[0].float().to(every.device))
