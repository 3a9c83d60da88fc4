"""Top-k within each modality: an ablation of EchoingPixels (arXiv 2512.10324).

The scores of the joint refiner, but a fixed share for each modality instead of one pool. Ours:
the shares are those of the pool, so both modalities are kept at the retention asked for.
"""

from __future__ import annotations

from dataclasses import replace

from sieve.baselines.share import by_modality, top_of_each
from sieve.pool import Pool
from sieve.select import Selection, Selector, Text


class PerModality:
    """The best of each modality by the scores of ``scorer``, in its states."""

    def __init__(self, scorer: Selector) -> None:
        self._scorer = scorer

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        whole = self._scorer.select(pool, len(pool), before, after)
        keep = top_of_each(whole.scores, pool, by_modality(count, pool))
        return replace(whole, keep=keep, states=whole.states[keep])
