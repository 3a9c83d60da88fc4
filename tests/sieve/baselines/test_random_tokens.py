"""Random tokens."""

from __future__ import annotations

from sieve.baselines import RandomTokens
from tests.sieve.baselines.pools import a_pool, prompt_of


def kept(seed: int, start_s: float) -> tuple[int, ...]:
    pool = a_pool(start_s=start_s)
    return tuple(RandomTokens(seed).select(pool, 9, prompt_of(pool)).keep.tolist())


def test_windows_and_seeds_draw_differently() -> None:
    assert len({kept(seed, 2.0 * index) for seed in range(3) for index in range(5)}) == 15


def test_over_many_windows_every_token_has_its_chance() -> None:
    drawn = [kept(0, 2.0 * index) for index in range(400)]
    counts = [sum(token in window for window in drawn) for token in range(34)]
    assert min(counts) > 0.6 * 400 * 9 / 34
    assert max(counts) < 1.5 * 400 * 9 / 34
