"""Random tiny models in the real directory layouts, and clips for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniConfig,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
)

from sieve.backbone import Backbone
from sieve.checkpoint import save_cs2
from sieve.cs2 import CS2
from sieve.rope import AbsoluteRotary
from sieve.tokens import RawWindow

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|AUDIO|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
]


@dataclass(frozen=True)
class TinyShape:
    """What varies between the tiny models of the tests."""

    head_dim: int = 16
    heads: int = 4
    kv_heads: int = 2
    layers: int = 3
    sections: Sequence[int] = (2, 3, 3)
    refiner_layers: int = 2
    retention: float = 0.2


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, without merges: any text is encodable."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *alphabet])}
    raw = Tokenizer(models.BPE(vocabulary, [], byte_fallback=False))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, extra_special_tokens=SPECIAL, eos_token="<|im_end|>"
    )


AUDIO = {
    "num_mel_bins": 128,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "d_model": 32,
    "n_window": 100,
}
VISION = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "fullatt_block_indexes": [1],
}


def config(shape: TinyShape) -> Qwen2_5OmniThinkerConfig:
    width = shape.head_dim * shape.heads
    return Qwen2_5OmniThinkerConfig(
        audio_config=AUDIO | {"output_dim": width},
        vision_config=VISION | {"out_hidden_size": width},
        text_config={
            "vocab_size": len(SPECIAL) + 256,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": list(shape.sections),
            },
            "initializer_range": 0.2,
            "tie_word_embeddings": False,
        },
        audio_token_index=SPECIAL.index("<|AUDIO|>"),
        image_token_index=SPECIAL.index("<|IMAGE|>"),
        video_token_index=SPECIAL.index("<|VIDEO|>"),
        vision_start_token_id=SPECIAL.index("<|vision_bos|>"),
        vision_end_token_id=SPECIAL.index("<|vision_eos|>"),
        audio_start_token_id=SPECIAL.index("<|audio_bos|>"),
        audio_end_token_id=SPECIAL.index("<|audio_eos|>"),
        user_token_id=SPECIAL.index("<|im_start|>"),
        tie_word_embeddings=False,
    )


def thinker(shape: TinyShape, seed: int) -> Qwen2_5OmniThinkerForConditionalGeneration:
    torch.manual_seed(seed)
    made = Qwen2_5OmniThinkerForConditionalGeneration._from_config(
        config(shape), attn_implementation="sdpa"
    )
    with torch.no_grad():  # default initialisation leaves biases zero and towers almost mute
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return made.eval()


def write_stock(directory: Path, shape: TinyShape, seed: int = 0, *, text: bool = True) -> Path:
    """A thinker-only directory; ``text`` adds the tokenizer files."""
    thinker(shape, seed).save_pretrained(directory)
    if text:
        tokenizer().save_pretrained(directory)
    return directory


def write_sieve(
    directory: Path,
    shape: TinyShape,
    seed: int = 0,
    *,
    ours: dict[str, Any] | None = None,
    text: bool = True,
) -> Path:
    """A full-model directory in the authors' layout (``thinker.`` prefix); ``ours`` adds the
    ``echosieve`` block."""
    write_stock(directory, shape, seed, text=text)
    model = thinker(shape, seed)
    rotary = AbsoluteRotary(torch.ones(shape.head_dim // 2), _default_sections(shape))
    torch.manual_seed(seed + 1)
    backbone = Backbone(model, None, rotary)
    cs2 = CS2(backbone.thinker.model.language_model.config, shape.refiner_layers, rotary)
    with torch.no_grad():
        for parameter in cs2.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    weights = load_file(directory / "model.safetensors") | save_cs2(cs2)
    named = {f"thinker.{name}": value for name, value in weights.items()}
    save_file(named, directory / "model.safetensors", metadata={"format": "pt"})
    _write_full_config(directory, shape, ours)
    return directory


def _default_sections(shape: TinyShape) -> Sequence[int]:
    return (shape.head_dim // 2 - 2, 1, 1)


def _write_full_config(directory: Path, shape: TinyShape, ours: dict[str, Any] | None) -> None:
    full = Qwen2_5OmniConfig(thinker_config=config(shape).to_dict(), enable_audio_output=False)
    full.save_pretrained(directory)
    written = json.loads((directory / "config.json").read_text())
    text_config = written["thinker_config"]["text_config"]
    text_config["av_refiner_layers"] = shape.refiner_layers
    text_config["compression_ratio"] = shape.retention
    if ours is not None:
        written["echosieve"] = ours
    (directory / "config.json").write_text(json.dumps(written))


STREAM = {
    "horizon_s": 12.0,
    "anchor_period_ids": 50,
    "text_states": "raw",
    "min_pixels": 784,
    "max_pixels": 7056,
}


def window(
    index: int,
    rng: np.random.Generator,
    *,
    start_s: float = 0.0,
    video: bool = True,
    audio: bool = True,
    size: tuple[int, int] = (84, 84),
    samples: int = 32_000,
) -> RawWindow:
    """A window of noise at ``start_s`` + 2 * index."""
    at = start_s + 2.0 * index
    grids = tuple(rng.integers(0, 256, (2, *size, 3), dtype=np.uint8) for _ in range(2 * video))
    sound = (rng.standard_normal(samples) * 0.1).astype(np.float32) if audio else None
    times = tuple(at + i for i in range(len(grids)))
    return RawWindow(at, grids, times, 1.0, sound, None)


def clip_inputs(
    model_config: Any, windows: int, rng: np.random.Generator, *, audio: bool = True
) -> dict[str, torch.Tensor]:
    """A clip of ``windows`` x 2 s as transformers' processor lays it out, with random media."""
    rows, cols, grids = 6, 4, 2 * windows  # patches
    per_grid = rows * cols // 4
    video_id, audio_id = model_config.video_token_id, model_config.audio_token_id
    begin = [model_config.vision_start_token_id] + [model_config.audio_start_token_id] * audio
    end = [model_config.audio_end_token_id] * audio + [model_config.vision_end_token_id]
    body = ([video_id] * (2 * per_grid) + [audio_id] * (50 * audio)) * windows
    text = rng.integers(len(SPECIAL), len(SPECIAL) + 200, 12).tolist()
    ids = [*text[:5], *begin, *body, *end, *text[5:]]
    pixels = rng.standard_normal((grids * rows * cols, 1176)).astype(np.float32)
    inputs = {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        "pixel_values_videos": torch.from_numpy(pixels),
        "video_grid_thw": torch.tensor([[grids, rows, cols]]),
        "video_second_per_grid": torch.tensor([1.0]),
    }
    if audio:
        mel = rng.standard_normal((1, 128, 200 * windows)).astype(np.float32)
        inputs["input_features"] = torch.from_numpy(mel)
        inputs["feature_attention_mask"] = torch.ones(1, 200 * windows, dtype=torch.long)
    return inputs
