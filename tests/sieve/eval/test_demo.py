"""The built-in checkpoint is the trained one: loadable, small, and right far above guessing."""

from __future__ import annotations

import json

import pytest

from sieve import load_model
from sieve.checkpoint import DEMO
from sieve.eval.accuracy import Plan, measure
from sieve.prompt import DEFAULT_INSTRUCTION


@pytest.fixture(scope="module")
def model() -> object:
    return load_model("demo")


def test_it_answers_what_it_was_trained_for_through_the_engine(model: object) -> None:
    plan = Plan(4_711, 1, 40.0, moments=6, retentions=(0.2,), random_retentions=())
    result = measure(model, plan)
    accuracy = result["accuracy"]["20% kept"]["mean"]
    assert accuracy > 80.0
    assert accuracy > result["blind_majority"]["mean"] + 20


def test_it_is_laid_out_as_the_published_model_and_small(model: object) -> None:
    config = json.loads((DEMO / "config.json").read_text())
    assert config["model_type"] == "qwen2_5_omni"
    assert config["thinker_config"]["text_config"]["av_refiner_layers"] == 1
    assert config["echosieve"]["horizon_s"] == 12.0
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 16e6


def test_its_tokenizer_has_the_markers_of_the_template(model: object) -> None:
    tokenizer = model.backbone.tokenizer  # type: ignore[attr-defined]
    for marker in ("<|im_start|>", "<|im_end|>", "<|vision_bos|>", "<|audio_eos|>"):
        assert len(tokenizer.encode(marker, add_special_tokens=False)) == 1
    assert tokenizer.decode(tokenizer.encode(DEFAULT_INSTRUCTION)) == DEFAULT_INSTRUCTION
