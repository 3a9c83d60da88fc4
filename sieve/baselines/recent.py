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
    in time, counted back from the window's newest: of a window larger than the memory the newest
    part stays, and what was kept does not outlast all that another method keeps after it."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        every = torch.arange(len(pool), device=pool.embeds.device)
        ids = pool.positions[0]
        newest = int(ids.max()) if len(ids) else 0
        return Selection(every, pool.embeds, (ids - newest).float().to(every.device))
