"""Rotary angles from absolute time, against the stock class and against the equations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import (
    Qwen2_5OmniRotaryEmbedding,
    apply_rotary_pos_emb,
)

from sieve import load_model
from sieve.errors import CheckpointError
from sieve.rope import (
    AbsoluteRotary,
    audio_positions,
    grid_positions,
    prompt_positions,
    rotate_keys,
    suffix_positions,
    text_positions,
)
from tests import tiny

DAY, WEEK = 24 * 3600 * 25, 7 * 24 * 3600 * 25  # in ids
STOCK, SYNC = (16, 24, 24), (18, 18, 18, 10)


def frequencies(head_dim: int) -> Tensor:
    return 1.0 / 1e6 ** (torch.arange(0, head_dim, 2).float() / head_dim)


def rotary(sections: Sequence[int]) -> AbsoluteRotary:
    return AbsoluteRotary(frequencies(2 * sum(sections)), sections)


def stock_rotary(sections: Sequence[int]) -> Qwen2_5OmniRotaryEmbedding:
    shape = tiny.TinyShape(head_dim=2 * sum(sections), heads=1, kv_heads=1, sections=sections)
    return Qwen2_5OmniRotaryEmbedding(tiny.config(shape).text_config)


def some_positions(seed: int, first: int, span: int) -> Tensor:
    torch.manual_seed(seed)
    return torch.randint(first, first + span, (3, 2, 7))


@pytest.mark.parametrize("sections", [STOCK, (2, 3, 3), SYNC, (2, 2, 2, 2)])
def test_angles_equal_the_stock_class_whose_four_sections_mean_t_h_w_t(
    sections: Sequence[int],
) -> None:
    at, like = some_positions(0, 0, 2000), torch.zeros(1)
    for mine, stock in zip(
        rotary(sections)(like, at), stock_rotary(sections)(like, at), strict=True
    ):
        torch.testing.assert_close(mine, stock, rtol=0, atol=3e-4)  # the stock angles are float32


def test_each_pair_turns_by_its_own_axis() -> None:
    sections, at = SYNC, torch.tensor([3, 70, 500]).view(3, 1, 1)
    cos, sin = rotary(sections).angles(at)
    axis = [0] * 18 + [1] * 18 + [2] * 18 + [0] * 10
    for pair, theta in enumerate(frequencies(128).tolist()):
        angle = int(at[axis[pair]]) * theta
        for half in (pair, pair + 64):
            assert float(cos[0, 0, half]) == pytest.approx(math.cos(angle), abs=1e-9)
            assert float(sin[0, 0, half]) == pytest.approx(math.sin(angle), abs=1e-9)


def attention_scores(model: AbsoluteRotary, at: Tensor, seed: int) -> Tensor:
    """Query times key, both rotated: what positions can change in attention."""
    torch.manual_seed(seed)
    size = model.inv_freq.numel() * 2
    query, key = torch.randn(2, 1, 7, size), torch.randn(2, 1, 7, size)
    query, key = apply_rotary_pos_emb(query, key, *model(query, at))
    return query @ key.transpose(-1, -2)


@pytest.mark.parametrize("later", [60 * 25, DAY, WEEK])
@pytest.mark.parametrize("sections", [STOCK, SYNC])
def test_only_differences_of_positions_matter_even_after_a_week(
    later: int, sections: Sequence[int]
) -> None:
    at, model = some_positions(1, 0, 3000), rotary(sections)
    early, late = (attention_scores(model, at + shift, 1) for shift in (0, later))
    torch.testing.assert_close(early, late, rtol=0, atol=5e-5)


def test_the_stock_class_would_not_pass_that() -> None:
    at, model = some_positions(1, 0, 3000), stock_rotary(STOCK)
    query = torch.ones(2, 1, 7, 128)
    scores = []
    for shift in (0, WEEK):
        turned, _ = apply_rotary_pos_emb(query, query, *model(query, at + shift))
        scores.append(turned @ turned.transpose(-1, -2))
    assert float((scores[0] - scores[1]).abs().max()) > 0.05


@given(
    seed=st.integers(0, 99),
    home=st.integers(0, WEEK),
    shift=st.integers(-DAY, WEEK),
    sections=st.sampled_from([(2, 3, 3), SYNC]),
)
def test_turning_keys_equals_rotating_them_at_the_later_position(
    seed: int, home: int, shift: int, sections: Sequence[int]
) -> None:
    torch.manual_seed(seed)
    model = rotary(sections)
    raw = torch.randn(2, 5, 2 * sum(sections), dtype=torch.float64)
    at = torch.randint(0, 1000, (3, 1, 5)) + home

    def placed(where: Tensor) -> Tensor:
        cos, sin = model.angles(where)
        left, right = raw.chunk(2, dim=-1)
        return raw * cos[0] + torch.cat([-right, left], dim=-1) * sin[0]

    torch.testing.assert_close(
        rotate_keys(placed(at), shift, model), placed(at + shift), rtol=0, atol=1e-6
    )


def test_turning_keys_keeps_their_dtype() -> None:
    keys = torch.randn(2, 5, 16, dtype=torch.bfloat16)
    turned = rotate_keys(keys, 25, rotary((2, 2, 2, 2)))
    assert turned.dtype == torch.bfloat16
    assert torch.equal(rotate_keys(keys, 0, rotary((2, 2, 2, 2))), keys)


@pytest.mark.parametrize("sections", [(2, 2, 2, 1), (8,), (4, 4), (2, 2, 2, 1, 1)])
def test_sections_that_do_not_fit_the_head_are_refused(sections: Sequence[int]) -> None:
    with pytest.raises(CheckpointError, match=r"add up to head_dim/2 = 8") as raised:
        AbsoluteRotary(frequencies(16), sections)
    assert str(list(sections)) in str(raised.value)


def test_a_bfloat16_model_keeps_its_angles_in_float64(stock_directory: object) -> None:
    model = load_model(stock_directory, dtype=torch.bfloat16)  # type: ignore[arg-type]
    assert model.backbone.dtype == torch.bfloat16
    language_model = model.backbone.thinker.model.language_model
    language_model.to(torch.bfloat16)
    assert language_model.rotary_emb.inv_freq.dtype == torch.float64
    assert torch.equal(language_model.rotary_emb.inv_freq, frequencies(16).double())
    cos, _ = language_model.rotary_emb(torch.zeros(1, dtype=torch.bfloat16), torch.ones(3, 1, 1))
    assert cos.dtype == torch.bfloat16


def test_text_and_sound_advance_on_all_axes_together() -> None:
    assert text_positions(7, 3).tolist() == [[7, 8, 9]] * 3
    assert audio_positions(7, 3).tolist() == [[7, 8, 9]] * 3


def test_a_grid_has_one_time_and_counts_rows_and_columns_from_its_anchor() -> None:
    assert grid_positions(90, 50, 2, 3).tolist() == [
        [90] * 6,
        [50, 50, 50, 51, 51, 51],
        [50, 51, 52, 50, 51, 52],
    ]


@given(after=st.integers(-5, 10**9), count=st.integers(1, 40), markers=st.integers(0, 2))
def test_a_prompt_ends_right_before_the_stream_its_markers_sharing_one_id(
    after: int, count: int, markers: int
) -> None:
    count += markers
    ids = prompt_positions(after, count, markers)
    assert torch.equal(ids[0], ids[1])
    assert torch.equal(ids[0], ids[2])
    assert int(ids[0, -1]) == after - 1
    steps = ids[0].diff().tolist()
    shared = max(markers - 1, 0)
    assert steps == [1] * (count - 1 - shared) + [0] * shared


@given(first=st.integers(0, 10**9), count=st.integers(1, 40), markers=st.integers(0, 2))
def test_the_text_after_a_stream_begins_with_markers_that_share_one_id(
    first: int, count: int, markers: int
) -> None:
    count += markers
    ids = suffix_positions(first, count, markers)
    assert torch.equal(ids[0], ids[1])
    assert torch.equal(ids[0], ids[2])
    assert int(ids[0, 0]) == first
    shared = max(markers - 1, 0)
    assert ids[0].diff().tolist() == [0] * shared + [1] * (count - 1 - shared)
