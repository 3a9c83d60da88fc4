"""Towers in pieces, attention, and what text needs."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import (
    eager_attention_forward,
)

from sieve import Model, load_model
from sieve.backbone import grouped_attention
from sieve.clip import GrowingCache
from sieve.errors import NoTokenizer
from tests import tiny


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_vision_tower_sees_grid_by_grid_what_it_sees_in_the_whole_clip(
    stock_directory: Path, dtype: torch.dtype
) -> None:
    backbone = load_model(stock_directory, dtype=dtype).backbone
    torch.manual_seed(0)
    grids, rows, cols = 3, 6, 4
    pixels = torch.randn(grids, rows * cols, 1176)
    whole = backbone.see(pixels.reshape(-1, 1176), torch.tensor([[grids, rows, cols]]))
    pieces = [backbone.see(grid, torch.tensor([[1, rows, cols]])) for grid in pixels]
    assert whole.shape == (grids * rows * cols // 4, 64)
    assert whole.dtype == dtype
    torch.testing.assert_close(
        torch.cat(pieces), whole, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-2
    )


@torch.inference_mode()
def test_the_audio_tower_hears_two_seconds_at_a_time_what_it_hears_in_the_whole_clip(
    stock_model: Model,
) -> None:
    torch.manual_seed(0)
    mel = torch.randn(128, 600)
    whole = stock_model.backbone.hear(mel)
    pieces = [stock_model.backbone.hear(piece) for piece in mel.split(200, dim=1)]
    assert whole.shape == (150, 64)
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_one_second_windows_would_be_heard_differently(stock_model: Model) -> None:
    torch.manual_seed(0)
    mel = torch.randn(128, 200)
    halves = torch.cat([stock_model.backbone.hear(half) for half in mel.split(100, dim=1)])
    assert float((halves - stock_model.backbone.hear(mel)).abs().max()) > 1e-3


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    module = SimpleNamespace(is_causal=causal)
    out, _ = grouped_attention(module, query, key, value, mask, scaling=0.3)  # type: ignore[arg-type]
    return out


def eager(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    module: Any = nn.Module()
    module.num_key_value_groups = query.shape[1] // key.shape[1]
    added = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    out, _ = eager_attention_forward(module.eval(), query, key, value, added, scaling=0.3)
    return out


@given(
    seed=st.integers(0, 999),
    groups=st.integers(1, 4),
    kv_heads=st.integers(1, 3),
    new=st.integers(1, 6),
    past=st.integers(0, 6),
)
def test_attention_under_a_mask_equals_the_librarys_eager_one(
    seed: int, groups: int, kv_heads: int, new: int, past: int
) -> None:
    torch.manual_seed(seed)
    query = torch.randn(2, groups * kv_heads, new, 8)
    key, value = torch.randn(2, 2, kv_heads, new + past, 8)
    mask = torch.rand(1, 1, new, new + past) > 0.4
    mask[..., past:] |= torch.eye(new, dtype=torch.bool)  # a row without a key has no answer
    torch.testing.assert_close(
        attend(query, key, value, mask, causal=True), eager(query, key, value, mask)
    )


@pytest.mark.parametrize(
    ("new", "past", "causal", "seen"),
    [
        (5, 0, True, torch.ones(5, 5).tril()),  # a prefill
        (1, 4, True, torch.ones(1, 5)),  # a decoding step
        (5, 0, False, torch.ones(5, 5)),  # a refiner layer
        (3, 2, True, torch.ones(3, 5)),  # new tokens over a past need a mask to be causal
    ],
)
def test_attention_without_a_mask_means_what_the_module_is(
    new: int, past: int, causal: bool, seen: Tensor
) -> None:
    torch.manual_seed(0)
    query = torch.randn(1, 4, new, 8)
    key, value = torch.randn(2, 1, 2, new + past, 8)
    torch.testing.assert_close(
        attend(query, key, value, None, causal), eager(query, key, value, seen.bool()[None, None])
    )


@torch.inference_mode()
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(stock_model: Model) -> None:
    backbone, count = stock_model.backbone, 12
    torch.manual_seed(0)
    embeds, at = torch.randn(count, 64), torch.arange(count).expand(3, count)
    whole, cache = backbone.read(embeds, at, None, None), GrowingCache()
    first = backbone.read(embeds[:7], at[:, :7], cache, None)
    rest = [backbone.read(embeds[i : i + 1], at[:, i : i + 1], cache, None) for i in range(7, 12)]
    torch.testing.assert_close(torch.cat([first, *rest]), whole, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_logits_are_float32_whatever_the_model_is(stock_directory: Path) -> None:
    backbone = load_model(stock_directory, dtype=torch.bfloat16).backbone
    assert backbone.logits(torch.zeros(1, 64, dtype=torch.bfloat16)).dtype == torch.float32


def test_without_a_tokenizer_text_is_refused_and_says_which_files_are_missing(
    tmp_path: Path,
) -> None:
    backbone = load_model(tiny.write_stock(tmp_path, tiny.TinyShape(), text=False)).backbone
    assert not backbone.has_tokenizer
    with pytest.raises(NoTokenizer, match=r"tokenizer\.json"):
        backbone.token_ids("hello")


def test_special_tokens_of_the_template_are_single_ids(stock_model: Model) -> None:
    ids = stock_model.backbone.token_ids("<|im_start|>a<|im_end|>")
    assert ids[0] == tiny.SPECIAL.index("<|im_start|>")
    assert ids[-1] == tiny.SPECIAL.index("<|im_end|>")
    assert len(ids) == 3


# -- attention received in the towers -----------------------------------------------------------


def caught_input(module: nn.Module, run: Callable[[], object]) -> dict[str, Any]:
    """What ``module`` is given in ``run``, its first argument as ``hidden_states``."""
    found: dict[str, Any] = {}

    def note(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        found.update({"hidden_states": args[0]} if args else {}, **kwargs)

    hook = module.register_forward_pre_hook(note, with_kwargs=True)
    run()
    hook.remove()
    return found


def plainly_received(queries: Tensor, keys: Tensor) -> list[float]:
    """For each place of one stretch: the sum of what all others give it, mean over heads."""
    places, heads, size = queries.shape
    received = [0.0] * places
    for head in range(heads):
        for query in range(places):
            logits = [float(queries[query, head] @ keys[k, head]) for k in range(places)]
            weights = torch.tensor(logits, dtype=torch.float64).div(size**0.5).softmax(0)
            for key in range(places):
                received[key] += float(weights[key]) / heads
    return received


@torch.inference_mode()
def test_attention_received_in_the_audio_tower_is_that_of_its_last_layer(
    stock_model: Model,
) -> None:
    torch.manual_seed(0)
    mel = torch.randn(128, 280)  # a whole stretch of 100 places and one of 40
    tower = deepcopy(stock_model.backbone.thinker.model.audio_tower).double()
    layer = tower.layers[-1]
    lengths = torch.tensor([280])
    given = caught_input(layer, lambda: tower(mel.double(), feature_lens=lengths))
    hidden = layer.self_attn_layer_norm(given["hidden_states"])
    heads = (hidden.shape[0], layer.self_attn.num_heads, -1)
    queries = layer.self_attn.q_proj(hidden).view(heads)
    keys = layer.self_attn.k_proj(hidden).view(heads)
    received = plainly_received(queries[:100], keys[:100])
    received += plainly_received(queries[100:], keys[100:])
    expected = torch.tensor(received).view(-1, 2).mean(1)
    tokens, found = stock_model.backbone.hear_attended(mel)
    assert torch.equal(tokens, stock_model.backbone.hear(mel))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert float(found[:50].mean()) == pytest.approx(1.0, abs=1e-5)


def units_by_window(rows: int, cols: int, side: int) -> list[int]:
    """Cells of a grid, row-major, in the order of windows of side x side cells."""
    cells = [(r, c) for r in range(rows) for c in range(cols)]
    ordered = sorted(cells, key=lambda at: (at[0] // side, at[1] // side, at))
    return [r * cols + c for r, c in ordered]


@torch.inference_mode()
def test_attention_received_in_the_vision_tower_is_told_of_the_right_cells(
    stock_model: Model,
) -> None:
    torch.manual_seed(0)
    rows, cols = 5, 6  # cells of two by two patches; windows of four by four cells
    pixels, shape = torch.randn(4 * rows * cols, 1176), torch.tensor([[1, 2 * rows, 2 * cols]])
    tower = deepcopy(stock_model.backbone.thinker.model.visual).double()
    block = tower.blocks[-1]
    given = caught_input(block, lambda: tower(pixels.double(), grid_thw=shape))
    hidden = block.norm1(given["hidden_states"])
    heads = (hidden.shape[0], block.attn.num_heads, -1)
    turned = []
    for layer in (block.attn.q, block.attn.k):
        vector = layer(hidden).view(heads)
        left, right = vector.chunk(2, dim=-1)
        cos, sin = (part[:, None].double() for part in given["position_embeddings"])
        turned.append(vector * cos + torch.cat([-right, left], dim=-1) * sin)
    by_patch = torch.tensor(plainly_received(*turned))
    side = tower.window_size // (14 * 2)
    expected = torch.zeros(rows * cols)
    for place, cell in enumerate(units_by_window(rows, cols, side)):
        expected[cell] = by_patch[4 * place : 4 * place + 4].mean()
    tokens, found = stock_model.backbone.see_attended(pixels, shape)
    assert torch.equal(tokens, stock_model.backbone.see(pixels, shape))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert units_by_window(rows, cols, side) != list(range(rows * cols))
