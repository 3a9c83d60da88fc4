"""Dropping tokens inside the LLM, held against a slow forward that never drops but masks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sieve import Model
from sieve.backbone import Backbone
from sieve.clip import GrowingCache
from sieve.errors import BudgetUnreachable
from sieve.prune import Pruner, Reading, counts_of, floor, read_pruned, shares
from sieve.rope import text_positions
from sieve.selectors import PRUNERS

TEXT, POOL, ASKED = 4, 12, 3  # tokens of prompt, pool and question
LENGTH = TEXT + POOL + ASKED
IS_POOL = torch.tensor([False] * TEXT + [True] * POOL + [False] * ASKED)


def a_sequence(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LENGTH, 64, generator=generator), text_positions(30, LENGTH)


def a_reading(backbone: Backbone, cache: GrowingCache | None = None) -> Reading:
    return Reading(backbone, *a_sequence(), IS_POOL, cache)


def plain_attention(backbone: Backbone, layer: int, hidden: Tensor, positions: Tensor) -> Tensor:
    """[n, n] of one layer in float64, token by token, head by head."""
    block = backbone.thinker.model.language_model.layers[layer]
    heads, normed = block.self_attn, block.input_layernorm(hidden)
    size, group = heads.head_dim, heads.num_key_value_groups
    cos, sin = (part[0].double() for part in backbone.rotary.angles(positions[:, None]))
    asking = heads.q_proj(normed).double().view(len(hidden), -1, size)
    asked = heads.k_proj(normed).double().view(len(hidden), -1, size)
    weights = torch.zeros(len(hidden), len(hidden), dtype=torch.float64)
    for head in range(asking.shape[1]):
        q, k = turned(asking[:, head], cos, sin), turned(asked[:, head // group], cos, sin)
        for at in range(len(hidden)):
            weights[at, : at + 1] += (k[: at + 1] @ q[at] * size**-0.5).softmax(0)
    return weights / asking.shape[1]


def turned(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = vectors.shape[1] // 2
    swapped = torch.cat([-vectors[:, half:], vectors[:, :half]], dim=1)
    return vectors * cos + swapped * sin


@torch.inference_mode()
def test_attention_of_a_layer_is_what_a_plain_calculation_gives(stock_model: Model) -> None:
    backbone = stock_model.backbone
    reading = a_reading(backbone)
    for layer in range(2):
        expected = plain_attention(backbone, layer, reading.hidden, a_sequence()[1])
        found = reading.attention(layer, torch.arange(LENGTH))
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(reading.attention(layer)[0], found[-1])
        reading.step()


@torch.inference_mode()
def test_layer_by_layer_nothing_dropped_is_the_ordinary_forward(stock_model: Model) -> None:
    backbone, cache, plain = stock_model.backbone, GrowingCache(), GrowingCache()
    embeds, positions = a_sequence()
    reading = a_reading(backbone, cache)
    for _ in range(backbone.depth):
        reading.step()
    torch.testing.assert_close(
        reading.finish(), backbone.read(embeds, positions, plain, None), rtol=0, atol=1e-6
    )
    for layer, (keys, values) in plain._layers.items():
        torch.testing.assert_close(cache._layers[layer][0], keys, rtol=0, atol=1e-6)
        torch.testing.assert_close(cache._layers[layer][1], values, rtol=0, atol=1e-6)


def masked_forward(backbone: Backbone, dropped_at: Sequence[int]) -> Tensor:
    """All tokens through all layers; one dropped at a layer is hidden from that layer on."""
    hidden, positions = a_sequence()
    hidden = hidden[None]
    rope = backbone.rotary(hidden, positions[:, None])
    for layer, block in enumerate(backbone.thinker.model.language_model.layers):
        alive = torch.tensor([at > layer for at in dropped_at])
        mask = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril() & alive[None]
        mask |= torch.eye(LENGTH, dtype=torch.bool)  # what is hidden sees itself: no empty row
        hidden = block(hidden, attention_mask=mask[None, None], position_embeddings=rope)
    return backbone.finish(hidden[0])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["fastv", "pyramiddrop", "fastav", "seats"])
def test_a_dropped_token_is_as_if_hidden_from_the_later_layers(
    stock_model: Model, name: str
) -> None:
    backbone, pruner, cache = stock_model.backbone, PRUNERS[name], GrowingCache()
    reading = a_reading(backbone, cache)
    dropped_at = [backbone.depth] * LENGTH
    schedule = {"fastv": (1, 1, 0.4), "seats": (1, 0.5, 0)}.get(name, (1, 0.6, 0.3))
    for layer, count in enumerate(counts_of(schedule, POOL)):
        before = set(reading.at.tolist())
        read_pruned(reading, pruner, [count])
        assert int(reading.pool.sum()) == count
        for token in before - set(reading.at.tolist()):
            dropped_at[token] = layer
    expected = masked_forward(backbone, dropped_at)[reading.at]
    torch.testing.assert_close(reading.finish(), expected, rtol=0, atol=1e-5)
    assert [cache._layers[layer][0].shape[2] for layer in range(3)] == [
        sum(at > layer for at in dropped_at) for layer in range(3)
    ]
    assert set(range(TEXT)) | set(range(TEXT + POOL, LENGTH)) <= set(reading.at.tolist())


@torch.inference_mode()
def test_scores_tell_when_a_token_was_dropped_and_how_it_ranked(stock_model: Model) -> None:
    reading = a_reading(stock_model.backbone)
    left = [set(reading.at[reading.pool].tolist())]
    for count in (12, 8, 3):
        read_pruned(reading, PRUNERS["pyramiddrop"], [count])
        left.append(set(reading.at[reading.pool].tolist()))
    scores = reading.scores
    first, second, kept = left[1] - left[2], left[2] - left[3], left[3]
    assert max(scores[list(first)]) < min(scores[list(second)])
    assert max(scores[list(second)]) < min(scores[list(kept)])
    assert bool(torch.isfinite(scores).all())


# -- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PRUNERS))
@settings(max_examples=40)
@given(layers=st.sampled_from([4, 12, 28, 36]), retention=st.floats(0.02, 1.0))
def test_a_schedule_spends_the_budget_or_says_that_it_cannot(
    name: str, layers: int, retention: float
) -> None:
    pruner = PRUNERS[name]
    least = floor(pruner, layers, retention)
    if retention <= least:
        with pytest.raises(BudgetUnreachable, match=f"{least:.1%}.*below its floor"):
            shares(pruner, layers, retention)
        return
    schedule = shares(pruner, layers, retention)
    assert len(schedule) == layers
    assert all(early >= late for early, late in itertools.pairwise(schedule))
    spent = sum(schedule) / layers
    most = sum(pruner.family(layers, retention, 1.0)) / layers
    assert spent == pytest.approx(min(retention, most), abs=1e-6)


def test_floors_are_those_of_the_published_schedules() -> None:
    assert floor(PRUNERS["fastv"], 36, 0.2) == pytest.approx(2 / 36)
    assert floor(PRUNERS["pyramiddrop"], 28, 0.2) == pytest.approx(0.25)
    assert floor(PRUNERS["fastav"], 28, 0.2) == pytest.approx(0.5)
    assert floor(PRUNERS["seats"], 28, 0.2) == pytest.approx(0.8 * 0.2)


def test_fastv_keeps_the_share_its_formula_gives() -> None:
    schedule = shares(PRUNERS["fastv"], 28, 0.2)
    assert schedule[:2] == (1.0, 1.0)
    assert schedule[2:] == pytest.approx((((0.2 * 28 - 2) / (28 - 2)),) * 26)
    with pytest.raises(BudgetUnreachable, match="FastV"):
        shares(PRUNERS["fastv"], 36, 0.05)


def test_half_at_every_quarter_is_pyramid_drop_as_published() -> None:
    schedule = shares(PRUNERS["pyramiddrop"], 32, 0.46875)
    assert schedule == pytest.approx((1.0,) * 8 + (0.5,) * 8 + (0.25,) * 8 + (0.125,) * 8)


def test_fast_av_drops_a_fifth_at_each_later_layer() -> None:
    schedule = PRUNERS["fastav"].family(28, 0.6, 0.5)
    assert schedule[:14] == (1.0,) * 14
    assert schedule[14:17] == pytest.approx((0.5, 0.4, 0.32))


def test_seats_reads_no_picture_in_the_last_layers() -> None:
    schedule = shares(PRUNERS["seats"], 28, 0.1)
    assert schedule[:16] == pytest.approx((0.14,) * 16)
    assert schedule[24:] == (0.0,) * 4
    assert 0.0 < schedule[23] < 0.14


@pytest.mark.parametrize("name", sorted(PRUNERS))
@given(layers=st.sampled_from([3, 4, 28, 36]), share=st.floats(0.01, 1.0))
def test_live_a_schedule_ends_at_the_share_asked_for(name: str, layers: int, share: float) -> None:
    pruner: Pruner = PRUNERS[name]
    schedule = pruner.live(layers, share)
    assert schedule[-1] == share
    assert 1 < len(schedule) <= layers + 1
    assert all(early >= late - 1e-9 for early, late in itertools.pairwise(schedule))
