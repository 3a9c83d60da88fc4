"""The least like the others."""

from __future__ import annotations

import torch

from sieve.baselines import Similarity
from tests.sieve.baselines.pools import PoolShape, pool_of, prompt_of, stacked


def test_the_odd_ones_of_each_modality_are_kept() -> None:
    embeds = stacked([1, 1, 2, 1, 1, 1, 7, 7, 7, 8])
    pool = pool_of(embeds, PoolShape(grids=1, rows=2, cols=3, audio=4))
    chosen = Similarity().select(pool, 2, prompt_of(pool))
    assert chosen.keep.tolist() == [2, 9]
    torch.testing.assert_close(chosen.scores[2], torch.tensor(1 - 1 / 6))


def test_the_other_modality_does_not_change_a_score() -> None:
    embeds = stacked([1, 1, 2, 1, 3, 3])
    alone = pool_of(embeds[:4], PoolShape(grids=1, rows=2, cols=2, audio=0))
    both = pool_of(embeds, PoolShape(grids=1, rows=2, cols=2, audio=2))
    scores = [Similarity().select(p, 1, prompt_of(p)).scores[:4] for p in (alone, both)]
    assert torch.equal(*scores)
