"""Exchanges at the threshold: who may leave, who may enter, and what is learned from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve.cs2 import top_k
from sieve.select import Selection
from sieve.train.backbone.exchange import (
    Exchange,
    divergence,
    draw_exchanges,
    exchange_loss,
    exchanged,
    rewards,
)
from sieve.train.backbone.tuning import ExchangePlan


def whole(scores: list[float]) -> Selection:
    n = len(scores)
    return Selection(torch.arange(n), torch.arange(n).float()[:, None], torch.tensor(scores))


def chosen(all_tokens: Selection, count: int) -> Selection:
    keep = top_k(all_tokens.scores, count)
    return Selection(keep, all_tokens.states[keep], all_tokens.scores)


SCORES = [5.0, 4.0, 1.0, 0.9, 0.8, 0.7, -3.0, -4.0]  # 4 are kept
MODALITY = torch.tensor([1, 2, 1, 2, 1, 2, 1, 2], dtype=torch.uint8)


@given(
    scores=st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=30, unique=True),
    retained=st.integers(1, 29),
    margin=st.integers(1, 8),
    size=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_exchanges_are_of_equal_size_between_low_retained_and_high_dropped(
    scores: list[float], retained: int, margin: int, size: int, seed: int
) -> None:
    selection = chosen(whole(scores), min(retained, len(scores)))
    modality = torch.arange(len(scores)).remainder(2).to(torch.uint8)
    plan = ExchangePlan(exchanges=6, margin=margin, size=size)
    by_score = sorted(range(len(scores)), key=lambda i: scores[i])
    kept = set(selection.keep.tolist())
    low = [i for i in by_score if i in kept][:margin]
    high = [i for i in reversed(by_score) if i not in kept][:margin]
    for exchange in draw_exchanges([selection], [modality], plan, np.random.default_rng(seed)):
        assert 1 <= len(exchange.leaving) == len(exchange.entering) <= size
        assert len(set(exchange.entering)) == len(exchange.entering)
        assert set(exchange.leaving) <= set(low)
        assert set(exchange.entering) <= set(high)
        pairs = zip(exchange.leaving, exchange.entering, strict=True)
        assert len({bool(modality[a] == modality[b]) for a, b in pairs}) == 1


def test_half_of_them_go_across_modalities() -> None:
    plan = ExchangePlan(exchanges=10, margin=4, size=1)
    drawn = draw_exchanges([chosen(whole(SCORES), 4)], [MODALITY], plan, np.random.default_rng(0))
    across = [MODALITY[e.leaving[0]] != MODALITY[e.entering[0]] for e in drawn]
    assert len(drawn) == 10
    assert sum(map(bool, across)) == 5


def test_where_all_is_kept_nothing_is_exchanged() -> None:
    plan = ExchangePlan()
    rng = np.random.default_rng(0)
    assert draw_exchanges([chosen(whole(SCORES), 8)], [MODALITY], plan, rng) == []


def test_an_exchange_changes_its_window_only() -> None:
    wholes = [whole(SCORES), whole(SCORES)]
    kept = [chosen(w, 4) for w in wholes]
    other = exchanged(kept, wholes, Exchange(1, (3,), (5,)))
    assert other[0] is kept[0]
    assert other[1].keep.tolist() == [0, 1, 2, 5]
    assert other[1].states[:, 0].tolist() == [0, 1, 2, 5]


def test_rewards_are_differences_to_what_is_kept_now() -> None:
    wholes = [whole(SCORES)]
    kept = [chosen(wholes[0], 4)]
    found = rewards(
        lambda selections: float(selections[0].keep.sum()), kept, wholes, [Exchange(0, (3,), (7,))]
    )
    assert found == [4.0]


def test_a_good_exchange_raises_who_enters_and_lowers_who_leaves() -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    exchange_loss([scores], [Exchange(0, (3,), (5,))], [2.0]).backward()
    assert scores.grad is not None
    slope = scores.grad
    entering, leaving = (torch.sigmoid(-torch.tensor(SCORES[i])) for i in (5, 3))
    assert float(slope[5]) == pytest.approx(-2.0 * float(entering))
    assert float(slope[3]) == pytest.approx(2.0 * float(leaving))
    assert not slope[[0, 1, 2, 4, 6, 7]].any()


def test_a_bad_one_does_the_opposite() -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    exchange_loss([scores], [Exchange(0, (3,), (5,))], [-1.0]).backward()
    assert scores.grad is not None
    assert scores.grad[5] > 0 > scores.grad[3]


def test_without_an_exchange_there_is_nothing_to_learn() -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    exchange_loss([scores], [], []).backward()
    assert scores.grad is not None
    assert not scores.grad.any()


def test_the_divergence_is_that_of_bernoulli_choices() -> None:
    warm, now = torch.tensor([0.3, -2.0]), torch.tensor([1.0, -1.0])
    p, q = torch.sigmoid(warm), torch.sigmoid(now)
    wanted = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    assert float(divergence(warm, now)) == pytest.approx(float(wanted), rel=1e-5)
    assert float(divergence(warm, warm)) == pytest.approx(0.0, abs=1e-7)
