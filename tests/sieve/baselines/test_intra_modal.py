"""Each modality by its own encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sieve.baselines import IntraModal
from sieve.errors import SettingInvalid
from tests.sieve.baselines.pools import PoolShape, pool_of, prompt_of, stacked

SHAPE = PoolShape(grids=2, rows=1, cols=4, audio=4)
PLACES = [1, 2, 3, 4]


def kept(second_grid: list[int], attention: list[float], count: int) -> list[int]:
    pool = pool_of(stacked([*PLACES, *second_grid, 20, 21, 22, 23]), SHAPE)
    told = replace(pool, prior=stacked(PLACES), received=torch.tensor(attention))
    return IntraModal().select(told, count, prompt_of(told)).keep.tolist()


def test_sound_is_kept_by_the_attention_it_receives() -> None:
    even = [1.0] * 8
    assert kept([9, 9, 3, 4], [*even, 0.1, 3.0, 0.1, 0.2], 3) == [4, 5, 9]


def test_a_picture_counts_by_attention_times_change() -> None:
    sound = [1.0, 0.5, 0.5, 0.5]
    attention = [5.0, 1.0, 1.0, 1.0, 1.0, 0.2, 9.0, 1.0]
    assert kept([9, 9, 3, 9], [*attention, *sound], 3) == [4, 7, 8]


def test_without_the_towers_attention_it_says_what_is_missing() -> None:
    pool = pool_of(stacked([*PLACES, *PLACES, 20, 21, 22, 23]), SHAPE)
    with pytest.raises(SettingInvalid, match="reads the towers' attention"):
        IntraModal().select(pool, 3, prompt_of(pool))
