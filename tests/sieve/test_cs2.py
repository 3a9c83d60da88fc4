"""The refiner and scorer, and how many are kept."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve import Model
from sieve.cs2 import CS2, kept_count, top_k

SHARES = st.floats(0.0001, 1.0)


def sieve_of(model: Model) -> CS2:
    assert model.cs2 is not None
    return model.cs2


@given(retention=SHARES, pool=st.integers(1, 5000))
def test_the_count_is_the_papers_ceiling_within_one_and_the_pool(
    retention: float, pool: int
) -> None:
    count = kept_count(retention, pool)
    assert count == max(1, math.ceil(retention * pool))
    assert 1 <= count <= pool


@given(percent=st.integers(1, 100), pool=st.integers(1, 3000))
def test_the_count_is_never_below_the_exact_share_and_less_than_two_above(
    percent: int, pool: int
) -> None:
    exact = Fraction(percent, 100) * pool
    assert exact <= kept_count(percent / 100, pool) < exact + 2


def test_an_empty_pool_keeps_nothing() -> None:
    assert kept_count(1.0, 0) == kept_count(0.1, 0) == 0


@given(scores=st.lists(st.integers(-3, 3), min_size=1, max_size=40), data=st.data())
def test_the_best_are_kept_in_their_order_and_the_earlier_of_equals(
    scores: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(scores)))
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert top_k(torch.tensor(scores).float(), count).tolist() == sorted(best)


def test_scores_in_half_precision_are_ranked_as_they_are() -> None:
    scores = torch.tensor([1.0, 1.0078125, 0.5], dtype=torch.bfloat16)
    assert top_k(scores, 1).tolist() == [1]


@torch.inference_mode()
def test_every_token_sees_every_other(stream_model: Model) -> None:
    """Bidirectional: the last token changes the first one's state and score."""
    torch.manual_seed(0)
    embeds, at = torch.randn(1, 6, 64), torch.arange(6).expand(3, 1, 6)
    states, scores = sieve_of(stream_model)(embeds, at)
    embeds[0, 5] += 1
    other_states, other_scores = sieve_of(stream_model)(embeds, at)
    assert states.shape == (1, 6, 64)
    assert scores.shape == (1, 6)
    assert float((states - other_states)[0, 0].abs().max()) > 1e-4
    assert float((scores - other_scores)[0, 0].abs()) > 1e-6


@torch.inference_mode()
def test_a_mask_makes_sequences_of_a_batch_equal_to_those_alone(stream_model: Model) -> None:
    torch.manual_seed(1)
    embeds = torch.randn(2, 7, 64)
    at = torch.randint(0, 90, (3, 2, 7))
    lengths = (7, 4)
    mask = torch.zeros(2, 1, 7, 7, dtype=torch.bool)
    for index, length in enumerate(lengths):
        mask[index, :, :, :length] = True
    states, scores = sieve_of(stream_model)(embeds, at, mask)
    for index, length in enumerate(lengths):
        alone, alone_scores = sieve_of(stream_model)(
            embeds[index : index + 1, :length], at[:, index : index + 1, :length]
        )
        torch.testing.assert_close(states[index, :length], alone[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(scores[index, :length], alone_scores[0], rtol=0, atol=1e-5)


def test_the_rotary_is_shared_with_the_decoder_and_not_saved(stream_model: Model) -> None:
    cs2 = sieve_of(stream_model)
    assert cs2.rotary is stream_model.backbone.rotary
    assert not [name for name in cs2.state_dict() if "rotary" in name or "inv_freq" in name]


@torch.inference_mode()
def test_scores_are_float32_in_a_bfloat16_model(stream_model: Model) -> None:
    config = stream_model.backbone.text_config
    cs2 = CS2(config, 1, stream_model.backbone.rotary).to(torch.bfloat16)
    states, scores = cs2(torch.zeros(1, 3, 64, dtype=torch.bfloat16), torch.zeros(3, 1, 3).long())
    assert states.dtype == torch.bfloat16
    assert scores.dtype == torch.float32


@torch.inference_mode()
def test_scores_of_a_bfloat16_model_are_as_fine_as_float32(stream_model: Model) -> None:
    """Rounded to bfloat16 a thousand tokens would share a few hundred scores."""
    torch.manual_seed(2)
    config = stream_model.backbone.text_config
    cs2 = CS2(config, 1, stream_model.backbone.rotary).to(torch.bfloat16)
    embeds, at = torch.randn(1, 1000, 64, dtype=torch.bfloat16), torch.arange(1000)
    states, scores = cs2(embeds, at.expand(3, 1, 1000))
    assert len(scores[0].unique()) > 990
    precise = CS2(config, 1, stream_model.backbone.rotary)
    precise.load_state_dict(cs2.state_dict())
    expected = precise.score_head(precise.ln(states.float())).squeeze(-1)
    torch.testing.assert_close(scores, expected)
