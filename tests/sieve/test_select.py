"""Selectors over a pool."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sieve import Model
from sieve.baselines import KeepAll, Uniform
from sieve.cs2 import kept_count, top_k
from sieve.pool import Pool
from sieve.rope import text_positions
from sieve.select import CS2Selector, Selector, Text

WIDTH = 64


def a_pool(count: int, seed: int = 0) -> Pool:
    torch.manual_seed(seed)
    at = torch.randint(30, 80, (3, count))
    return Pool(0.0, torch.randn(count, WIDTH), at, (), min(count, 5))


def text(count: int, first: int, seed: int) -> Text:
    torch.manual_seed(seed)
    return Text(torch.randn(count, WIDTH), text_positions(first, count))


def cs2_selector(model: Model) -> CS2Selector:
    assert model.cs2 is not None
    return CS2Selector(model.cs2)


@torch.inference_mode()
@pytest.mark.parametrize("after", [None, text(4, 90, 2)])
def test_the_sieve_keeps_the_highest_scores_in_their_refined_states(
    stream_model: Model, after: Text | None
) -> None:
    pool, before = a_pool(20), text(6, 20, 1)
    chosen = cs2_selector(stream_model).select(pool, 7, before, after)
    parts: list[Text | Pool] = [before, pool, *([after] if after else [])]
    embeds = torch.cat([part.embeds for part in parts])[None]
    where = torch.cat([part.positions for part in parts], dim=1)[:, None]
    assert stream_model.cs2 is not None
    states, scores = stream_model.cs2(embeds, where)
    assert torch.equal(chosen.scores, scores[0, 6:26])
    assert torch.equal(chosen.keep, top_k(scores[0, 6:26], 7))
    assert torch.equal(chosen.states, states[0, 6:26][chosen.keep])
    if after is None:
        assert chosen.after is None
    else:
        assert chosen.after is not None
        assert torch.equal(chosen.after, states[0, 26:])


@torch.inference_mode()
def test_a_question_after_the_pool_changes_the_scores(stream_model: Model) -> None:
    pool, before = a_pool(20), text(6, 20, 1)
    selector = cs2_selector(stream_model)
    answers = [selector.select(pool, 7, before, q).scores for q in (None, text(4, 90, 2))]
    assert float((answers[0] - answers[1]).abs().max()) > 1e-4


@given(count=st.integers(1, 80), share=st.floats(0.01, 1.0))
def test_uniform_takes_exactly_the_count_evenly(count: int, share: float) -> None:
    pool, wanted = a_pool(count), kept_count(share, count)
    chosen = Uniform().select(pool, wanted, text(1, 0, 0))
    keep: Tensor = chosen.keep
    assert len(keep) == wanted
    assert len(keep.unique()) == wanted
    gaps = keep.diff()
    assert not len(gaps) or int(gaps.max()) - int(gaps.min()) <= 1
    assert torch.equal(chosen.states, pool.embeds[keep])
    assert chosen.scores.shape == (count,)


def test_uniform_at_full_share_and_keep_all_keep_everything_raw() -> None:
    pool = a_pool(13)
    selectors: list[Selector] = [Uniform(), KeepAll()]
    for selector in selectors:
        chosen = selector.select(pool, 13, text(1, 0, 0))
        assert chosen.keep.tolist() == list(range(13))
        assert torch.equal(chosen.states, pool.embeds)


def test_an_empty_pool_gives_an_empty_selection(stream_model: Model) -> None:
    for selector in (Uniform(), KeepAll(), cs2_selector(stream_model)):
        chosen = selector.select(a_pool(0), 0, text(3, 0, 0))
        assert len(chosen.keep) == len(chosen.states) == 0
