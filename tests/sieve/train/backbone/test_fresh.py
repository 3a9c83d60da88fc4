"""A new sieve for a backbone without one."""

from __future__ import annotations

import pytest
import torch

from sieve import Model
from sieve.errors import TrainingError
from sieve.train.backbone.fresh import with_fresh_sieve
from sieve.train.backbone.tuning import SievePlan


def test_it_begins_by_passing_everything_on_unchanged(stock_model: Model) -> None:
    model = with_fresh_sieve(stock_model, SievePlan(layers=2), 0)
    assert model.cs2 is not None
    states = torch.randn(1, 5, model.backbone.text_config.hidden_size)
    with torch.no_grad():
        refined, scores = model.cs2(states, torch.arange(5).expand(3, 1, 5))
    assert torch.equal(refined, states)
    assert len(set(scores[0].tolist())) == 5


def test_a_copy_is_the_decoders_first_layers_read_in_both_directions(stock_model: Model) -> None:
    model = with_fresh_sieve(stock_model, SievePlan(layers=2, start="copy"), 0)
    assert model.cs2 is not None
    decoder = stock_model.backbone.thinker.model.language_model
    for new, old in zip(model.cs2.layers, decoder.layers, strict=False):
        assert new.self_attn.is_causal is False
        assert all(
            torch.equal(a, b) for a, b in zip(new.parameters(), old.parameters(), strict=True)
        )


def test_the_same_seed_gives_the_same_scorer(stock_model: Model) -> None:
    first, same, other = (
        with_fresh_sieve(stock_model, SievePlan(layers=1), seed).cs2 for seed in (3, 3, 4)
    )
    assert first is not None
    assert same is not None
    assert other is not None
    assert torch.equal(first.score_head[2].weight, same.score_head[2].weight)
    assert not torch.equal(first.score_head[2].weight, other.score_head[2].weight)


def test_a_decoder_that_is_too_shallow_is_an_error(stock_model: Model) -> None:
    with pytest.raises(TrainingError, match="has 3 layers to begin from, not 4"):
        with_fresh_sieve(stock_model, SievePlan(layers=4), 0)
