"""What changed stays."""

from __future__ import annotations

from dataclasses import replace

import torch

from sieve.baselines import DTD
from sieve.baselines.novelty import NEW, novelty
from tests.sieve.baselines.pools import PoolShape, pool_of, prompt_of, stacked

SHAPE = PoolShape(grids=2, rows=2, cols=3, audio=4)
STILL = [1, 2, 3, 4, 5, 6]
SOUND = [20, 20, 21, 21]


def test_a_token_is_new_by_its_unlikeness_to_the_one_before_at_its_place() -> None:
    pool = pool_of(stacked([*STILL, 1, 2, 9, 4, 5, 8, *SOUND]), SHAPE)
    assert novelty(pool).tolist() == [NEW] * 6 + [0, 0, 1, 0, 0, 1] + [NEW, 0, 1, 0]


def test_the_last_grid_of_the_window_before_counts_as_before() -> None:
    pool = pool_of(stacked([*STILL, *STILL, *SOUND]), SHAPE)
    known = replace(pool, prior=stacked([1, 2, 3, 4, 5, 30]))
    assert novelty(known)[:6].tolist() == [0, 0, 0, 0, 0, 1]


def test_what_changed_is_kept_with_a_share_for_sound() -> None:
    pool = pool_of(stacked([*STILL, 1, 2, 9, 4, 5, 8, *SOUND]), SHAPE)
    known = replace(pool, prior=stacked(STILL))
    chosen = DTD().select(known, 4, prompt_of(known))
    assert {8, 11, 12} <= set(chosen.keep.tolist())
    assert len(chosen.keep) == 4
    assert chosen.keep[-1] == 12


def test_a_length_of_a_token_does_not_matter() -> None:
    embeds = torch.cat([stacked(STILL), 5 * stacked(STILL), stacked(SOUND)])
    assert novelty(pool_of(embeds, SHAPE))[6:12].abs().max() < 1e-6


def test_of_a_frozen_picture_tokens_from_everywhere_are_kept() -> None:
    shape = PoolShape(grids=1, rows=6, cols=6, audio=0)
    pool = replace(pool_of(stacked([1] * 36), shape), prior=stacked([1] * 36))
    kept = DTD().select(pool, 6, prompt_of(pool)).keep
    assert int((kept < 12).sum()) >= 1
    assert int((kept >= 24).sum()) >= 1
