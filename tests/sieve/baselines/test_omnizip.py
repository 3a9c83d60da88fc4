"""OmniZip, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sieve.baselines import OmniZip
from sieve.baselines.omnizip import _drop, density_peaks
from sieve.pool import GridShape, Pool
from sieve.rope import audio_positions, grid_positions
from tests.sieve.baselines.pools import PoolShape, a_pool, pool_of, prompt_of, stacked, unit


def attended(pool: Pool, received: list[float]) -> Pool:
    return replace(pool, received=torch.tensor(received))


def test_the_most_attended_sound_is_kept_and_an_anchor_of_the_rest() -> None:
    pool = a_pool(PoolShape(grids=0, audio=20))
    heard = [float(i in (3, 7, 11, 12)) + 0.01 for i in range(20)]
    chosen = OmniZip().select(attended(pool, heard), 5, prompt_of(pool))
    assert {3, 7, 11, 12} <= set(chosen.keep.tolist())
    assert len(chosen.keep) == 5


def test_an_anchor_takes_in_what_is_likest_to_the_pictures_of_what_it_stands_for() -> None:
    # pictures along axis 0; sound: two salient, and five like the anchor to some degree
    near, far = 0.8 * unit(1) + 0.6 * unit(0), 0.8 * unit(1) - 0.6 * unit(0)
    sound = torch.stack([unit(5), unit(6), far, far, near, unit(1), near, near])
    pool = pool_of(torch.cat([stacked([0] * 4), sound]), PoolShape(1, 2, 2, audio=8))
    told = attended(pool, [*[1.0] * 4, 9.0, 9.0, *[0.1] * 6])
    chosen = OmniZip().select(told, 4, prompt_of(pool))
    assert chosen.keep[1:].tolist() == [4, 5, 9]
    torch.testing.assert_close(chosen.states[3], (unit(1) + near) / 2)
    assert torch.equal(chosen.states[:3], pool.embeds[chosen.keep[:3]])


@pytest.mark.parametrize(("heard", "drop"), [(0, 0.75), (5, 0.55), (10, 0.35), (2, 0.67)])
def test_the_more_sound_is_kept_the_fewer_pictures_are_dropped(heard: int, drop: float) -> None:
    kept = torch.arange(10) < heard
    assert _drop(kept) == pytest.approx(drop)


def test_the_chunk_whose_sound_is_kept_keeps_more_pictures() -> None:
    cells, torch_seed = 12, torch.Generator().manual_seed(0)
    grids = tuple(GridShape(float(t), 3, 4, t * cells) for t in range(4))
    where = [grid_positions(40 + 25 * t, 40, 3, 4) for t in range(4)]
    pool = Pool(
        0.0,
        torch.randn(4 * cells + 100, 64, generator=torch_seed),
        torch.cat([*where, audio_positions(40, 100)], dim=1),
        grids,
        audio=100,
    )
    heard = [1.0] * 48 + [0.1] * 50 + [2.0] * 50  # all sound that is kept is of the second chunk
    kept = OmniZip().select(attended(pool, heard), 50, prompt_of(pool)).keep
    first, second = int((kept < 24).sum()), int(((kept >= 24) & (kept < 48)).sum())
    assert second > 1.5 * first


def test_an_even_grid_keeps_the_centres_of_its_clusters() -> None:
    around = [unit(1), unit(1) + 0.1 * unit(8), unit(1) + 0.1 * unit(9), unit(1) - 0.1 * unit(8)]
    other = [unit(2), unit(2) + 0.1 * unit(8), unit(2) + 0.1 * unit(9), unit(2) - 0.1 * unit(8)]
    scores = density_peaks(torch.stack([*around, *other]))
    best = set(scores.argsort(descending=True)[:2].tolist())
    assert len(best & {0, 1, 2, 3}) == 1
    assert len(best & {4, 5, 6, 7}) == 1


def test_an_odd_grid_keeps_what_is_unlike_its_place_in_the_grid_before() -> None:
    first, second = [1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 8]
    pool = pool_of(stacked([*first, *second]), PoolShape(2, 2, 3, audio=0))
    chosen = OmniZip().select(attended(pool, [1.0] * 12), 4, prompt_of(pool))
    assert [place for place in chosen.keep.tolist() if place >= 6] == [8, 11]
