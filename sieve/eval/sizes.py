"""Backbones of true size with random weights: for timing, where no weights are at hand."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

from sieve.backbone import Backbone
from sieve.baselines import KeepAll
from sieve.checkpoint import AUTHORS_SECTIONS
from sieve.cs2 import CS2
from sieve.model import Model, StreamLayout
from sieve.rope import AbsoluteRotary
from sieve.select import CS2Selector

_VISION: dict[str, Any] = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
_AUDIO: dict[str, Any] = {
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "d_model": 1280,
    "num_mel_bins": 128,
    "n_window": 100,
}
_TEXT: dict[str, dict[str, Any]] = {
    "3b": {
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
    },
    "7b": {
        "vocab_size": 152_064,
        "hidden_size": 3584,
        "intermediate_size": 18_944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
}
REFINER_LAYERS = 4


def random_model(size: str, device: str, dtype: torch.dtype) -> Model:
    """Qwen2.5-Omni-3B or -7B (``"3b"``, ``"7b"``) with a CS2 of four layers, weights random."""
    text = _TEXT[size]
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    width = text["hidden_size"]
    config = Qwen2_5OmniThinkerConfig(
        vision_config=_VISION | {"out_hidden_size": width},
        audio_config=_AUDIO | {"output_dim": width},
        text_config=text | {"rope_parameters": rope},
    )
    with torch.device(device):
        thinker = Qwen2_5OmniThinkerForConditionalGeneration._from_config(
            config, dtype=dtype, attn_implementation="sdpa"
        ).eval()
    inv_freq = 1.0 / 1e6 ** (torch.arange(0, 128, 2).float() / 128)
    backbone = Backbone(thinker, None, AbsoluteRotary(inv_freq, AUTHORS_SECTIONS))
    decoder_config = thinker.model.language_model.config
    with torch.device(device):
        cs2 = CS2(decoder_config, REFINER_LAYERS, backbone.rotary).to(dtype).eval()
    layout = StreamLayout(text_states="refined")
    return Model(f"random-{size}", backbone, CS2Selector(cs2), cs2, layout, 0.2)


def without_sieve(model: Model) -> Model:
    """The same backbone with every token kept."""
    return Model(model.name, model.backbone, KeepAll(), None, model.layout, 1.0)
