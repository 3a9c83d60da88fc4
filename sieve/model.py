"""A model: backbone, selector, and how a stream is laid before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sieve.backbone import Backbone
from sieve.clip import ClipResult, Logits, TextStates, forward_clip, generate_clip
from sieve.cs2 import CS2
from sieve.pool import PixelLimits
from sieve.select import Selector
from sieve.tokens import IDS_PER_S


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """How a stream is laid out for a checkpoint; what it was trained with.

    ``horizon_ids``: oldest to newest token, at most. ``anchor_period_ids``: see Timeline.
    ``text_states``: whether text enters the LLM as CS2 refined it (the authors' checkpoints) or
    as raw embeddings (ours, and the stock model).
    """

    horizon_ids: int = 32_000
    anchor_period_ids: int = 16_000
    text_states: TextStates = "raw"
    pixels: PixelLimits = field(default_factory=PixelLimits)

    @property
    def horizon_s(self) -> float:
        """How far back closed windows are remembered, at most."""
        return self.horizon_ids / IDS_PER_S


@dataclass(frozen=True)
class Model:
    """What ``load_model`` returns. ``cs2`` is None for a model without a trained sieve.
    ``directory``: where the weights of other trained methods lie, if there are any."""

    name: str
    backbone: Backbone
    selector: Selector
    cs2: CS2 | None
    layout: StreamLayout
    retention: float
    directory: Path | None = None

    @property
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end an answer."""
        config: Any = self.backbone.thinker.generation_config
        eos = config.eos_token_id if config is not None else None
        ids = set(eos) if isinstance(eos, list) else ({eos} if eos is not None else set())
        if self.backbone.has_tokenizer:
            end = self.backbone.tokenizer.convert_tokens_to_ids("<|im_end|>")
            ids |= {end} if isinstance(end, int) else set()
        return frozenset(ids)

    def forward_clip(self, inputs: Mapping[str, Any], *, logits: Logits = "last") -> ClipResult:
        """The paper's whole-clip procedure; see ``sieve.clip.forward_clip``."""
        with torch.inference_mode():
            return forward_clip(
                self.backbone,
                self.cs2,
                self.retention,
                inputs,
                logits,
                self.layout.text_states,
            )

    def generate_clip(self, inputs: Mapping[str, Any], *, max_new_tokens: int = 128) -> Tensor:
        """Greedy continuation of a clip: new token ids [m]; see ``sieve.clip.generate_clip``."""
        with torch.inference_mode():
            return generate_clip(
                self.backbone,
                self.cs2,
                self.retention,
                inputs,
                max_new_tokens,
                self.stop_ids,
                self.layout.text_states,
            )
