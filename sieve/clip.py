"""The paper's whole-clip procedure, slow and readable: the reference for everything live.

EchoingPixels (arXiv 2512.10324): CS2 reads text, video and audio of the whole clip together, keeps
k = max(1, ceil(r n)) of the n audio-visual tokens and all text, and hands their refined states to
the LLM in original order at original positions. New text continues after the largest original
position. A checkpoint trained with raw text (ours) is handed the text as it was embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from sieve.audio import MELS
from sieve.backbone import Backbone
from sieve.cs2 import CS2, kept_count, top_k
from sieve.errors import ClipError
from sieve.vision import PATCH_VALUES

Logits = Literal["last", "kept"]
TextStates = Literal["raw", "refined"]

_NAMES = (
    "input_ids",
    "attention_mask",
    "pixel_values_videos",
    "video_grid_thw",
    "video_second_per_grid",
    "input_features",
    "feature_attention_mask",
)
_NEEDS = {
    "pixel_values_videos": ("video_grid_thw", "video_second_per_grid"),
    "input_features": ("feature_attention_mask",),
}


@dataclass(frozen=True, slots=True)
class ClipResult:
    """``position_ids`` [3, 1, L]; ``pool`` [n] indices of the audio-visual tokens in the sequence;
    ``scores`` [n] float32 over the pool; ``keep`` [m] ascending indices into the sequence, text
    included; ``logits`` [1, vocabulary] after the last token, or [m, vocabulary] for all kept."""

    position_ids: Tensor
    pool: Tensor
    scores: Tensor
    keep: Tensor
    logits: Tensor


class GrowingCache:
    """K/V of all layers, appended to; the plainest cache there is."""

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        if layer in self._layers:
            old_keys, old_values = self._layers[layer]
            keys, values = torch.cat([old_keys, keys], 2), torch.cat([old_values, values], 2)
        self._layers[layer] = keys, values
        return keys, values


def forward_clip(
    backbone: Backbone,
    cs2: CS2 | None,
    retention: float,
    inputs: Mapping[str, Any],
    logits: Logits = "last",
    text_states: TextStates = "refined",
) -> ClipResult:
    """Sieve a clip given by the tensors of transformers' processor, batch 1.

    ``inputs``: ``input_ids`` and ``attention_mask`` [1, L], ``pixel_values_videos`` [p, 1176] with
    ``video_grid_thw`` [1, 3] and ``video_second_per_grid`` [1], ``input_features`` [1, 128, F] with
    ``feature_attention_mask`` [1, F]. Audio whose begin marker follows the video's at once is
    interleaved in it. Without ``cs2`` every token is kept (the stock model). Raises ClipError where
    the tensors do not fit.
    """
    if logits not in get_args(Logits):
        raise ClipError(f"logits are those of the last token or of all kept, not {logits!r}")
    reader = ClipReader(backbone, cs2, retention, text_states)
    result, _ = reader.prefill(inputs, logits, None)
    return result


def generate_clip(
    backbone: Backbone,
    cs2: CS2 | None,
    retention: float,
    inputs: Mapping[str, Any],
    max_new_tokens: int,
    stop_ids: frozenset[int],
    text_states: TextStates = "refined",
) -> Tensor:
    """Greedy continuation: new token ids [m], 1 <= m <= max_new_tokens, the stop token included.
    Raises ClipError."""
    if max_new_tokens < 1:
        raise ClipError(f"max_new_tokens is 1 or more, not {max_new_tokens}")
    cache = GrowingCache()
    reader = ClipReader(backbone, cs2, retention, text_states)
    result, next_id = reader.prefill(inputs, "last", cache)
    tokens = [int(result.logits[-1].argmax())]
    while len(tokens) < max_new_tokens and tokens[-1] not in stop_ids:
        at = torch.full((3, 1), next_id + len(tokens) - 1)
        hidden = backbone.read(backbone.embed([tokens[-1]]), at, cache, None)
        tokens.append(int(backbone.logits(hidden)[-1].argmax()))
    return torch.tensor(tokens)


@dataclass(frozen=True, slots=True)
class ClipReader:
    """A model as a clip is laid before it."""

    backbone: Backbone
    cs2: CS2 | None
    retention: float
    text_states: TextStates

    def prefill(
        self, inputs: Mapping[str, Any], logits: Logits, cache: GrowingCache | None
    ) -> tuple[ClipResult, int]:
        """The result, and the id at which new text goes on."""
        backbone = self.backbone
        clip = _checked(inputs, backbone)
        embeds = backbone.clip_embeds(clip)
        positions = backbone.clip_positions(clip)  # [3, 1, L]
        ids = clip["input_ids"][0]
        is_pool = (ids == backbone.config.video_token_id) | (ids == backbone.config.audio_token_id)
        pool = is_pool.nonzero()[:, 0]
        states, scores, keep = self.sieve(embeds, positions, pool)
        hidden = backbone.read(states[keep], positions[:, 0, keep], cache, None)
        read_out = hidden if logits == "kept" else hidden[-1:]
        result = ClipResult(positions, pool, scores, keep, backbone.logits(read_out))
        return result, int(positions.max()) + 1

    def sieve(
        self, embeds: Tensor, positions: Tensor, pool: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """States [L, d], scores [n] over the pool, kept indices [m] of the sequence, ascending."""
        everything = torch.arange(len(embeds), device=embeds.device)
        if self.cs2 is None:
            return embeds, torch.zeros(len(pool), device=embeds.device), everything
        refined, scores = self.cs2(embeds[None], positions)
        pool_scores = scores[0, pool]
        kept = torch.ones(len(embeds), dtype=torch.bool, device=embeds.device)
        kept[pool] = False
        kept[pool[top_k(pool_scores, kept_count(self.retention, len(pool)))]] = True
        states = refined[0]
        if self.text_states == "raw":
            states = embeds.index_copy(0, pool, states[pool])
        return states, pool_scores, everything[kept]


def _checked(inputs: Mapping[str, Any], backbone: Backbone) -> dict[str, Tensor]:
    """The known tensors that are there, on the device; raises ClipError for what is missing."""
    if inputs.get("pixel_values") is not None:
        raise ClipError("still images (pixel_values) are not read: give pixel_values_videos")
    clip = {
        name: torch.as_tensor(inputs[name]).to(backbone.device)
        for name in _NAMES
        if inputs.get(name) is not None
    }
    _check_text(clip, backbone)
    for tensor, companions in _NEEDS.items():
        for companion in companions:
            if tensor in clip and companion not in clip:
                raise ClipError(f"a clip with {tensor} needs {companion} too")
        if tensor in clip and not bool(clip[tensor].isfinite().all()):
            raise ClipError(f"{tensor} holds values that are no numbers (NaN or infinite)")
    read = clip.get("attention_mask", torch.ones_like(clip["input_ids"]))
    if read.shape != clip["input_ids"].shape or not bool(read.all()):
        raise ClipError(
            "attention_mask must be all ones, as many as input_ids: a single clip needs no padding"
        )
    _check_shapes(clip, backbone.config.vision_config.spatial_merge_size)
    _check_placeholders(backbone, clip)
    return clip


def _check_text(clip: dict[str, Tensor], backbone: Backbone) -> None:
    """Make the ids whole numbers of the usual size; raise ClipError for what is no text."""
    ids = clip.get("input_ids")
    if ids is None or ids.ndim != 2 or len(ids) != 1 or not ids.numel():
        raise ClipError("a clip needs input_ids of shape [1, L]: one clip at a time")
    most = backbone.text_config.vocab_size
    if ids.is_floating_point() or not 0 <= int(ids.min()) <= int(ids.max()) < most:
        raise ClipError(f"input_ids are whole numbers from 0 to {most - 1}, the model's vocabulary")
    clip["input_ids"] = ids.long()


def _check_shapes(clip: dict[str, Tensor], merged: int) -> None:
    """Raise ClipError where pictures and their grid, or sound and its mask, do not fit. ``merged``
    x ``merged`` patches become a token."""
    if "pixel_values_videos" in clip:
        _check_seconds(clip)
        pixels, grid = clip["pixel_values_videos"], clip["video_grid_thw"]
        if grid.shape != (1, 3) or pixels.shape != (int(grid.prod()), PATCH_VALUES):
            raise ClipError(
                f"pixel_values_videos of shape {list(pixels.shape)} do not fit video_grid_thw "
                f"{grid.tolist()}: one video [[T, H, W]] has T*H*W patches of {PATCH_VALUES} values"
            )
        if int(grid[0, 1]) % merged or int(grid[0, 2]) % merged:
            raise ClipError(
                f"video_grid_thw {grid.tolist()}: H and W are multiples of {merged}, since "
                f"{merged} x {merged} patches become one token"
            )
    if "input_features" in clip:
        features, heard = clip["input_features"], clip["feature_attention_mask"]
        if features.shape[:2] != (1, MELS) or heard.shape != (1, *features.shape[2:]):
            raise ClipError(
                f"input_features of shape {list(features.shape)} do not fit feature_attention_mask "
                f"of shape {list(heard.shape)}: they are [1, {MELS}, F] and [1, F]"
            )
        if not bool(heard.any()):
            raise ClipError(
                "feature_attention_mask is all zeros: leave out sound that is not there"
            )


def _check_seconds(clip: dict[str, Tensor]) -> None:
    seconds = clip["video_second_per_grid"].reshape(-1)
    if len(seconds) != 1 or not 0 < float(seconds[0]) < float("inf"):
        raise ClipError(
            f"video_second_per_grid is one number above 0, not {seconds.tolist()}: the seconds "
            "between two temporal grids"
        )
    clip["video_second_per_grid"] = seconds


def _check_placeholders(backbone: Backbone, clip: Mapping[str, Tensor]) -> None:
    """Raise ClipError for a text with places for media that are not there."""
    places = {
        "pixel_values_videos": backbone.config.video_token_id,
        "input_features": backbone.config.audio_token_id,
    }
    for tensor, token in places.items():
        count = int((clip["input_ids"] == token).sum())
        if count and tensor not in clip:
            raise ClipError(f"the clip's text has {count} placeholders for absent {tensor}")
