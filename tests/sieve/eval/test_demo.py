"""The built-in checkpoint is the trained one: loadable, small, and right far above guessing."""

from __future__ import annotations

import json

import pytest

from sieve import load_model
from sieve.checkpoint import DEMO
from sieve.eval.accuracy import WORLDS, Plan, horizon_s, measure
from sieve.model import Model
from sieve.prompt import DEFAULT_INSTRUCTION

TOLD = json.loads((DEMO / "accuracy.json").read_text())
MARGIN = 15.0  # points: two streams have some hundred questions


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("demo")


def test_it_is_as_good_as_its_card_says_through_the_engine(model: Model) -> None:
    plan = Plan(
        4_711,
        2,
        40.0,
        moments=6,
        retentions=(0.2,),
        random_retentions=(),
        world=TOLD["world"],
        horizon_s=horizon_s(model),
    )
    result = measure(model, plan)
    accuracy = result["accuracy"]["20% kept"]["mean"]
    assert accuracy > TOLD["accuracy"]["20% kept"]["mean"] - MARGIN
    assert accuracy > result["in_clip_chance"]["mean"] + 20


def test_its_card_tells_of_what_it_can_be_asked(model: Model) -> None:
    kinds, asked = set(WORLDS[TOLD["world"]].kinds), set(TOLD["questions"])
    assert asked <= kinds
    assert len(kinds - asked) <= 2  # some can seldom be asked
    assert TOLD["horizon_s"] == horizon_s(model)


def test_it_is_laid_out_as_the_published_model_and_small(model: Model) -> None:
    config = json.loads((DEMO / "config.json").read_text())
    assert config["model_type"] == "qwen2_5_omni"
    assert config["thinker_config"]["text_config"]["av_refiner_layers"] == 1
    assert config["echosieve"]["horizon_s"] == TOLD["horizon_s"]
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 16e6


def test_its_tokenizer_has_the_markers_of_the_template(model: Model) -> None:
    tokenizer = model.backbone.tokenizer
    for marker in ("<|im_start|>", "<|im_end|>", "<|vision_bos|>", "<|audio_eos|>"):
        assert len(tokenizer.encode(marker, add_special_tokens=False)) == 1
    assert tokenizer.decode(tokenizer.encode(DEFAULT_INSTRUCTION)) == DEFAULT_INSTRUCTION
