"""Writes a trained model as a directory in the layout of the published Qwen2.5-Omni."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    WhisperFeatureExtractor,
)

from sieve.backbone import Backbone
from sieve.checkpoint import save_model
from sieve.rope import AbsoluteRotary
from sieve.tokens import IDS_PER_S
from sieve.train.demo.replay import HORIZON_IDS
from sieve.train.demo.tiny import TinyModel

RETENTION = 0.2
LAYOUT = {
    "anchor_period_ids": 50,
    "horizon_s": HORIZON_IDS / IDS_PER_S,
    "rotary": "sync",
    "max_pixels": 84 * 84,
    "min_pixels": 28 * 28,
    "text_states": "raw",
}


def export(model: TinyModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Thinker, sieve, tokenizer, preprocessor and generation settings; float32."""
    directory.mkdir(parents=True, exist_ok=True)
    rotary = model.lm.rotary_emb
    assert isinstance(rotary, AbsoluteRotary)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    pad = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.thinker.generation_config = GenerationConfig(eos_token_id=[end, pad], pad_token_id=pad)
    save_model(directory, Backbone(model.thinker, tokenizer, rotary), model.cs2, {})
    _put_thinker_inside(directory)
    _write_preprocessor(directory)


def _put_thinker_inside(directory: Path) -> None:
    """The published checkpoints hold the thinker as a part of the whole model."""
    path = directory / "config.json"
    thinker: dict[str, Any] = json.loads(path.read_text())
    thinker["text_config"] |= {"av_refiner_layers": 1, "compression_ratio": RETENTION}
    whole = {
        "architectures": ["Qwen2_5OmniForConditionalGeneration"],
        "model_type": "qwen2_5_omni",
        "enable_audio_output": False,
        "echosieve": LAYOUT,
        "thinker_config": thinker,
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")
    weights = directory / "model.safetensors"
    tensors = {f"thinker.{name}": tensor for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors writes it for its owner alone


def _write_preprocessor(directory: Path) -> None:
    """Picture and sound settings in one file, as the processor of Qwen2.5-Omni reads them."""
    picture = Qwen2VLImageProcessorPil(
        min_pixels=LAYOUT["min_pixels"], max_pixels=LAYOUT["max_pixels"]
    ).to_dict()
    sound = WhisperFeatureExtractor(
        feature_size=128, n_fft=400, hop_length=160, chunk_length=300, return_attention_mask=True
    )
    merged = sound.to_dict() | picture
    merged |= {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5OmniProcessor",
        "min_pixels": LAYOUT["min_pixels"],
        "max_pixels": LAYOUT["max_pixels"],
    }
    path = directory / "preprocessor_config.json"
    path.write_text(json.dumps(merged, indent=2, default=list, sort_keys=True) + "\n")
