"""Differential token drop: keep what changed.

Source: TimeChat-Online (arXiv 2504.17343). A patch whose cosine to the co-located patch of the
previous frame exceeds a threshold (0.5) is dropped; kept ones keep their positions. Ours: the
threshold is the one that meets the budget, so the largest changes are kept; frames are the vision
tower's pairs; and as the method is one for pictures, sound is treated alike (each token against the
one before it) with a share of its own, since changes of picture and of sound are no one scale.
"""

from __future__ import annotations

from sieve.baselines.novelty import novelty
from sieve.baselines.share import by_modality, top_of_each
from sieve.pool import Pool
from sieve.select import Selection, Text


class DTD:
    """Raw embeddings; scores in [0, 2], within a modality comparable across windows."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        scores = novelty(pool)
        keep = top_of_each(scores, pool, by_modality(count, pool))
        return Selection(keep, pool.embeds[keep], scores)
