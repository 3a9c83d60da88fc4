"""Methods that drop tokens inside the LLM, as selectors of a live window."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sieve import Model
from sieve.baselines import FastV, InLLM
from sieve.baselines.fast_av import ALPHA, rollout
from sieve.baselines.in_llm import echo
from sieve.baselines.seats import diverse
from sieve.prune import Reading
from sieve.rope import prompt_positions, text_positions
from sieve.select import Text
from sieve.selectors import method_of
from tests.sieve.baselines.pools import (
    WIDTH,
    PoolShape,
    a_pool,
    prompt_of,
    question_of,
    stacked,
    unit,
)


@torch.inference_mode()
def test_fastv_keeps_what_the_last_token_of_the_probe_attends_to_in_layer_two(
    stock_model: Model,
) -> None:
    pool, backbone = a_pool(), stock_model.backbone
    before, after = prompt_of(pool), question_of(pool)
    chosen = InLLM(FastV(), backbone).select(pool, 9, before, after)
    embeds = torch.cat([before.embeds, pool.embeds, after.embeds])
    positions = torch.cat([before.positions, pool.positions, after.positions], dim=1)
    hidden = backbone.read_layer(0, embeds, positions, None)
    last = torch.tensor([len(embeds) - 1])
    weights = backbone.attention(1, hidden, positions, last)[0][6:40]
    assert torch.equal(chosen.keep, weights.topk(9).indices.sort().values)
    expected = (weights * len(pool) / weights.sum()).log()
    torch.testing.assert_close(chosen.scores, expected)
    assert torch.equal(chosen.states, pool.embeds[chosen.keep])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["fastv", "pyramiddrop", "fastav", "seats"])
def test_what_is_asked_decides_what_is_kept(stock_model: Model, name: str) -> None:
    pool = a_pool()
    selector = method_of(stock_model, name).selector
    scores = [
        selector.select(pool, 9, prompt_of(pool), question_of(pool, seed)).scores for seed in (3, 4)
    ]
    assert not torch.allclose(*scores)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["fastv", "pyramiddrop", "fastav", "seats"])
def test_kept_tokens_score_above_dropped_ones(stock_model: Model, name: str) -> None:
    pool = a_pool()
    chosen = method_of(stock_model, name).selector.select(pool, 9, prompt_of(pool))
    dropped = torch.ones(len(pool), dtype=torch.bool)
    dropped[chosen.keep] = False
    assert float(chosen.scores[dropped].max()) <= float(chosen.scores[chosen.keep].min())


def test_without_a_question_the_prompt_is_read_again_without_its_markers() -> None:
    pool = a_pool()
    first = int(pool.positions.min())
    before = Text(stacked([1, 2, 3, 4, 5]), prompt_positions(first, 5, 2), markers=2)
    probe = echo(before, pool)
    assert torch.equal(probe.embeds, before.embeds[:3])
    after_pool = int(pool.positions.max()) + 1
    assert torch.equal(probe.positions, text_positions(after_pool, 3))


# -- SEATS --------------------------------------------------------------------------------------


def test_diversity_takes_one_of_each_before_a_second_of_any() -> None:
    tokens = stacked([1, 1, 1, 2, 2, 3])
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0, 2.0, 0.5])
    assert diverse(tokens, weights, 3).tolist() == [1, 4, 5]


def test_of_the_unlike_the_more_attended_goes_first() -> None:
    tokens = torch.stack([unit(1), unit(2), 0.8 * unit(1) + 0.6 * unit(2)])
    assert diverse(tokens, torch.tensor([9.0, 1.0, 1.1]), 2).tolist() == [0, 1]
    assert diverse(tokens, torch.tensor([9.0, 1.0, 6.0]), 2).tolist() == [0, 2]
    assert sorted(diverse(tokens, torch.ones(3), 3).tolist()) == [0, 1, 2]


@torch.inference_mode()
def test_what_is_alike_to_the_chosen_never_enters_the_llm(stock_model: Model) -> None:
    pool = a_pool(PoolShape(2, 2, 2, 4))
    twins = torch.cat([pool.embeds[:6], pool.embeds[:6]])
    told = replace(pool, embeds=twins, received=torch.ones(12))
    keep = method_of(stock_model, "seats").selector.select(told, 4, prompt_of(told)).keep
    assert len({int(place) % 6 for place in keep}) == 4


# -- FastAV -------------------------------------------------------------------------------------


@torch.inference_mode()
def test_rollout_is_the_product_of_the_layers_seen_from_the_last_token(
    stock_model: Model,
) -> None:
    torch.manual_seed(0)
    length = 9
    reading = Reading(
        stock_model.backbone,
        torch.randn(length, WIDTH),
        text_positions(5, length),
        torch.arange(length) < 6,
    )
    maps: list[Tensor] = []
    for layer in range(2):
        maps.append(reading.attention(layer, torch.arange(length)))
        reading.step()
    first, second = (ALPHA * a + (1 - ALPHA) * torch.eye(length) for a in maps)
    torch.testing.assert_close(rollout(reading), (second @ first)[-1])
