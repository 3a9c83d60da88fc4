"""What ``config.json`` says: of rotary, sieve, and how streams are laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, Field, ValidationError

from sieve.checkpoint.sizes import check_sizes
from sieve.clip import TextStates
from sieve.errors import CheckpointError
from sieve.faults import faults, shown
from sieve.model import StreamLayout
from sieve.pool import PixelLimits
from sieve.rope import AbsoluteRotary
from sieve.tokens import IDS_PER_S, WINDOW_S

STOCK_SECTIONS, AUTHORS_SECTIONS = (16, 24, 24), (18, 18, 18, 10)
DEFAULT_RETENTION = 0.2


def read_config(directory: Path) -> dict[str, Any]:
    """Raises CheckpointError for what is no config of a Qwen2.5-Omni, or of one that cannot be."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{directory} has no config.json: not a model directory") from None
    except ValueError as error:  # no UTF-8, or no JSON
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not text_config_of(config):
        raise CheckpointError(
            f"{path} is not of a Qwen2.5-Omni: it has no text_config, neither at its top nor in "
            "thinker_config"
        )
    check_sizes(config.get("thinker_config", config), path)
    return config


def text_config_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of the full model or of the thinker alone; empty where there is none."""
    thinker = config.get("thinker_config", config)
    found = thinker.get("text_config") if isinstance(thinker, dict) else None
    return found if isinstance(found, dict) else {}


def rotary_of(
    thinker: Any,
    sections: Sequence[int] | None,
    sieve_config: Mapping[str, Any],
    *,
    authors: bool,
) -> AbsoluteRotary:
    """``authors``: whether the sieve is in their layout: its config may lack the four sections.

    Raises CheckpointError for sections that are no counts.
    """
    config = thinker.config.text_config
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    theta = config.rope_parameters["rope_theta"]
    inv_freq = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
    if sections is None:
        sections = _sections_of(sieve_config) or config.rope_parameters.get("mrope_section")
        if authors and len(sections or ()) != 4:
            sections = AUTHORS_SECTIONS
    return AbsoluteRotary(inv_freq, _pairs(sections or STOCK_SECTIONS))


def _pairs(sections: Sequence[Any]) -> list[int]:
    """Sections as they should be; raises CheckpointError for others."""
    try:
        pairs = [int(n) for n in sections]
    except (TypeError, ValueError, OverflowError):  # no list, no number, no finite one
        pairs = [-1]
    if min(pairs, default=0) < 0 or pairs != list(sections):
        raise CheckpointError(
            f"sync_rope_sections are 3 or 4 whole numbers of rotary pairs, not {sections!r}"
        )
    return pairs


def _sections_of(text_config: Mapping[str, Any]) -> Sequence[int] | None:
    """``mrope_section`` under the new name of its block or the old one."""
    rope = text_config.get("rope_parameters") or text_config.get("rope_scaling") or {}
    found = rope.get("mrope_section") if isinstance(rope, dict) else None
    return found if isinstance(found, list) else None


class _OurBlock(BaseModel):
    """``echosieve`` in a config: how its model was taught to see streams."""

    horizon_s: float = Field(ge=WINDOW_S, allow_inf_nan=False)  # the prompt ends before it
    anchor_period_ids: int = Field(ge=1)
    min_pixels: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    text_states: TextStates


def layout_of(config: Mapping[str, Any], directory: Path, *, refined: bool) -> StreamLayout:
    """By our block, or the stock one, whose text a sieve of the authors refines. Raises
    CheckpointError for a block that is incomplete or none."""
    place = f"the echosieve block of {directory / 'config.json'}"
    if "echosieve" not in config:
        return StreamLayout(text_states="refined" if refined else "raw")
    try:
        ours = _OurBlock.model_validate(config["echosieve"])
    except ValidationError as error:
        raise CheckpointError(f"{place}: {faults(error, 'it')}") from None
    if ours.max_pixels < ours.min_pixels:
        least = f"at least min_pixels ({ours.min_pixels})"
        raise CheckpointError(f"{place}: max_pixels must be {least}, not {ours.max_pixels}")
    pixels = PixelLimits(ours.min_pixels, ours.max_pixels)
    horizon_ids = round(ours.horizon_s * IDS_PER_S)
    return StreamLayout(horizon_ids, ours.anchor_period_ids, ours.text_states, pixels)


def retention_of(wanted: Any, text_config: Mapping[str, Any], directory: Path) -> float:
    """What is wanted; else what the config says, or the default. Raises CheckpointError for what is
    no share."""
    name = "retention"
    if wanted is None:
        wanted = text_config.get("compression_ratio")
        name = f"compression_ratio in the text_config of {directory / 'config.json'}"
    if wanted is None:
        return DEFAULT_RETENTION
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0.0 < wanted <= 1.0:
        raise CheckpointError(f"{name} must be a share in (0, 1], not {shown(wanted)}")
    return float(wanted)
