"""Dividing a count, and taking the best of a part."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve.baselines.share import in_proportion, top_spread
from sieve.cs2 import top_k


@given(
    count=st.integers(0, 60),
    parts=st.lists(st.tuples(st.floats(0.1, 9.0), st.integers(0, 20)), min_size=1, max_size=6),
)
def test_a_count_is_divided_to_the_token_and_no_part_gets_more_than_it_has(
    count: int, parts: list[tuple[float, int]]
) -> None:
    weights, most = [weight for weight, _ in parts], [limit for _, limit in parts]
    shares = in_proportion(count, weights, most)
    assert sum(shares) == min(count, sum(most))
    assert all(0 <= share <= limit for share, limit in zip(shares, most, strict=True))


def test_where_nothing_binds_the_shares_are_proportional() -> None:
    assert in_proportion(20, [3.0, 1.0, 1.0], [99, 99, 99]) == [12, 4, 4]
    assert in_proportion(20, [3.0, 1.0, 1.0], [6, 99, 99]) == [6, 7, 7]


@given(scores=st.lists(st.integers(-50, 50), max_size=40, unique=True), share=st.floats(0, 1))
def test_among_unequal_scores_the_highest_are_taken(scores: list[int], share: float) -> None:
    values, count = torch.tensor(scores).float(), round(share * len(scores))
    assert torch.equal(top_spread(values, count), top_k(values, count))


@given(count=st.integers(1, 30), size=st.integers(30, 60))
def test_among_equal_scores_they_are_spread_over_the_whole(count: int, size: int) -> None:
    kept = top_spread(torch.zeros(size), count)
    gaps = torch.cat([torch.tensor([-1]), kept, torch.tensor([size])]).diff()
    assert int(gaps.max()) <= 3 * (size / count) + 1
