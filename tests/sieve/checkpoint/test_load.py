"""Every layout of a model directory loads."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.utils import logging as transformers_logging

from sieve import Engine, EngineConfig, Model, RowConfig, load_model
from sieve.checkpoint import DEMO, save_model, weights_of
from sieve.errors import NoTokenizer
from sieve.model import StreamLayout
from sieve.pool import PixelLimits
from sieve.select import CS2Selector
from sieve.selectors import TRAINING_FREE, method_of
from tests import tiny
from tests.sieve.checkpoint.directories import (
    SECTIONS,
    SHAPE,
    rewrite_config,
    rewrite_tensors,
    shard,
    text_config,
)


def logits(model: Model) -> Tensor:
    clip = tiny.clip_inputs(model.backbone.config, 1, np.random.default_rng(0))
    return model.forward_clip(clip, logits="kept").logits


def without_prefix(tensors: dict[str, Tensor]) -> None:
    for name in list(tensors):
        tensors[name.removeprefix("thinker.")] = tensors.pop(name)


def with_new_names(tensors: dict[str, Tensor]) -> None:
    """The names of the modules in memory, instead of those the published files use."""
    for name in list(tensors):
        head, rest = "thinker.", name.removeprefix("thinker.")
        if rest.startswith(("model.layers.", "model.embed_tokens.", "model.norm.")):
            rest = rest.replace("model.", "model.language_model.", 1)
        elif rest.startswith(("visual.", "audio_tower.")):
            rest = f"model.{rest}"
        tensors[head + rest] = tensors.pop(name)


def test_a_thinker_alone_loads_as_the_stock_model(stock: Path) -> None:
    model = load_model(stock)
    assert model.cs2 is None
    assert type(model.selector) is type(method_of(model, TRAINING_FREE).selector)
    assert model.layout == StreamLayout(text_states="raw")
    assert model.retention == 0.2
    assert model.backbone.rotary.sections == (2, 3, 3)
    assert model.name == str(stock)


def test_a_full_checkpoint_in_the_authors_layout_loads_with_its_sieve(authors: Path) -> None:
    model = load_model(authors)
    assert model.cs2 is not None
    assert isinstance(model.selector, CS2Selector)
    assert model.layout == StreamLayout(text_states="refined")
    stored = load_file(authors / "model.safetensors")
    for name, value in model.cs2.state_dict().items():
        head = "bidir_encoder" if name.startswith("layers.") else "compressor"
        assert torch.equal(value, stored[f"thinker.model.{head}.{name}"])
    assert len(model.cs2.layers) == 2


def test_our_block_says_how_streams_are_laid_out(ours: Path) -> None:
    model = load_model(ours)
    assert model.layout == StreamLayout(300, 50, "raw", PixelLimits(784, 7056))
    assert model.backbone.rotary.sections == SECTIONS
    assert model.retention == SHAPE.retention


@pytest.mark.parametrize("change", [without_prefix, with_new_names])
def test_other_names_of_the_same_tensors_load_to_the_same_model(
    ours: Path, copy: Path, change: Callable[[dict[str, Tensor]], None]
) -> None:
    rewrite_tensors(copy, change)
    assert torch.equal(logits(load_model(copy)), logits(load_model(ours)))


def as_published(config: dict[str, Any]) -> None:
    """The rotary in the fields the published configs have it in; no head_dim."""
    text = text_config(config)
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope["rope_theta"]
    text["rope_scaling"] = {
        "mrope_section": rope["mrope_section"],
        "rope_type": "default",
        "type": "default",
    }
    del text["head_dim"]


def test_a_config_with_the_rotary_in_its_old_fields_loads_to_the_same_model(
    ours: Path, copy: Path
) -> None:
    rewrite_config(copy, as_published)
    model = load_model(copy)
    assert model.backbone.rotary.sections == SECTIONS
    assert torch.equal(logits(model), logits(load_model(ours)))


def test_shards_with_an_index_load_to_the_same_model(ours: Path, copy: Path) -> None:
    shard(copy)
    assert torch.equal(logits(load_model(copy)), logits(load_model(ours)))


def test_a_sieve_in_a_directory_of_its_own_joins_another_thinker(ours: Path, stock: Path) -> None:
    model = load_model(stock, sieve=ours)
    assert model.cs2 is not None
    assert model.layout == StreamLayout(300, 50, "raw", PixelLimits(784, 7056))
    assert model.backbone.rotary.sections == SECTIONS  # as the sieve was trained
    thinker = load_model(stock).backbone.thinker.state_dict()
    loaded = model.backbone.thinker.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in thinker.items())


def test_a_sieves_directory_needs_no_thinker(ours: Path, stock: Path, copy: Path) -> None:
    rewrite_tensors(copy, lambda tensors: [
        tensors.pop(name) for name in list(tensors) if "bidir" not in name and "compr" not in name
    ])  # fmt: skip
    alone, whole = (load_model(stock, sieve=directory).cs2 for directory in (copy, ours))
    assert alone is not None
    assert whole is not None
    assert all(map(torch.equal, alone.state_dict().values(), whole.state_dict().values()))


def test_the_authors_sections_stand_in_where_the_config_has_the_stock_three(
    tmp_path: Path,
) -> None:
    shape = tiny.TinyShape(head_dim=128, heads=1, kv_heads=1, sections=(16, 24, 24), layers=2)
    model = load_model(tiny.write_sieve(tmp_path, shape))
    assert model.backbone.rotary.sections == (18, 18, 18, 10)
    given = load_model(tmp_path, sync_rope_sections=[16, 16, 16, 16])
    assert given.backbone.rotary.sections == (16, 16, 16, 16)


def test_retention_may_be_chosen_when_loading(ours: Path) -> None:
    assert load_model(ours, retention=0.05).retention == 0.05
    assert load_model(ours, retention=1).retention == 1.0


def test_a_directory_without_tokenizer_loads_and_refuses_text_only(ours: Path, copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    (copy / "tokenizer_config.json").unlink()
    model = load_model(copy)
    assert torch.equal(logits(model), logits(load_model(ours)))
    engine = Engine(model, EngineConfig(rows=1))
    with pytest.raises(NoTokenizer):
        engine.open(RowConfig())
    assert engine.check_integrity()  # the row was given back


def test_a_tokenizer_without_its_config_is_one(ours: Path, copy: Path) -> None:
    (copy / "tokenizer_config.json").unlink()
    said = "<|im_start|>häh?<|im_end|>"
    assert load_model(copy).backbone.token_ids(said) == load_model(ours).backbone.token_ids(said)


def test_parts_of_the_full_model_that_are_not_the_thinker_are_passed_over(copy: Path) -> None:
    rewrite_tensors(copy, lambda t: t.update({"talker.model.norm.weight": torch.ones(4)}))
    assert load_model(copy).cs2 is not None


def test_what_is_saved_loads_to_the_same_model(ours: Path, tmp_path: Path) -> None:
    first = load_model(ours)
    changes = {
        "text_config": {
            "av_refiner_layers": 2,
            "compression_ratio": 0.3,
            "rope_parameters": {"mrope_section": list(SECTIONS)},
        },
        "echosieve": tiny.STREAM | {"horizon_s": 20.0},
    }
    save_model(tmp_path / "saved", first.backbone, first.cs2, changes)
    again = load_model(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").stat().st_mode & 0o044 == 0o044  # to others
    assert again.retention == 0.3
    assert again.layout == replace(first.layout, horizon_ids=500)
    assert again.backbone.rotary.sections == SECTIONS
    assert torch.equal(logits(replace(again, retention=0.2)), logits(first))
    assert again.backbone.token_ids("häh?") == first.backbone.token_ids("häh?")


def test_stop_ids_are_the_end_of_a_turn_and_the_configs_own(copy: Path) -> None:
    (copy / "generation_config.json").write_text('{"eos_token_id": [0, 2]}')
    assert load_model(copy).stop_ids == {0, 2}
    (copy / "generation_config.json").write_text("{}")
    assert load_model(copy).stop_ids == {tiny.SPECIAL.index("<|im_end|>")}


def test_loading_prints_nothing_and_leaves_the_librarys_logging_as_it_was(
    authors: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    transformers_logging.disable_progress_bar()
    before = transformers_logging.get_verbosity()
    caplog.set_level(logging.WARNING)
    load_model(authors, sync_rope_sections=SECTIONS)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert transformers_logging.get_verbosity() == before
    assert not transformers_logging.is_progress_bar_enabled()


def test_weights_are_told_apart_whatever_else_lies_in_the_directory(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(DEMO / "model.safetensors", tmp_path / name)
    (tmp_path / "two" / "note.txt").write_text("a note")
    assert weights_of(tmp_path / "one") == weights_of(tmp_path / "two") == weights_of("demo")
    other = {"weight": torch.zeros(1)}
    save_file(other, tmp_path / "two" / "model.safetensors")
    assert weights_of(tmp_path / "two") != weights_of("demo")
