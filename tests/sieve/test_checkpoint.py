"""Every layout of a model directory loads, and everything broken says what and where."""

from __future__ import annotations

import json
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
from sieve.baselines import Similarity
from sieve.checkpoint import save_model
from sieve.errors import CheckpointError, NoTokenizer, SettingInvalid
from sieve.model import StreamLayout
from sieve.pool import PixelLimits
from sieve.select import CS2Selector
from tests import tiny

SECTIONS = (2, 2, 2, 2)
SHAPE = tiny.TinyShape(sections=SECTIONS)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_sieve(tmp_path_factory.mktemp("ours"), SHAPE, ours=tiny.STREAM)


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_sieve(tmp_path_factory.mktemp("authors"), SHAPE)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_stock(tmp_path_factory.mktemp("stock"), tiny.TinyShape())


@pytest.fixture
def copy(ours: Path, tmp_path: Path) -> Path:
    """A directory to break."""
    return Path(shutil.copytree(ours, tmp_path / "model"))


def rewrite_tensors(directory: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def rewrite_config(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config.get("thinker_config", config)["text_config"]
    return found


def logits(model: Model) -> Tensor:
    clip = tiny.clip_inputs(model.backbone.config, 1, np.random.default_rng(0))
    return model.forward_clip(clip, logits="kept").logits


def shard(directory: Path) -> None:
    """Two files and an index instead of one."""
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    where = {name: f"model-{i % 2 + 1:05}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for file in set(where.values()):
        part = {name: tensors[name] for name in tensors if where[name] == file}
        save_file(part, directory / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": where}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


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


# -- layouts ------------------------------------------------------------------------------------


def test_a_thinker_alone_loads_as_the_stock_model(stock: Path) -> None:
    model = load_model(stock)
    assert model.cs2 is None
    assert isinstance(model.selector, Similarity)
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


# -- silence ------------------------------------------------------------------------------------


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


# -- failures -----------------------------------------------------------------------------------


def refused(directory: Path | str, **options: Any) -> str:
    with pytest.raises(CheckpointError) as raised:
        load_model(directory, **options)
    return str(raised.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "nowhere", "a/b/c"])
def test_a_directory_that_is_not_there_is_named_and_what_would_be_right(name: str) -> None:
    text = refused(name)
    assert name in text
    assert "config.json" in text
    assert "'demo'" in text


def test_a_hub_id_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    text = refused("owner/some-model")
    assert "owner/some-model" in text
    assert "no network here" in text


def test_a_directory_without_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert f"{copy} has no config.json" in refused(copy)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[1, 2"])
def test_a_config_that_is_not_json(copy: Path, content: bytes) -> None:
    (copy / "config.json").write_bytes(content)
    assert f"{copy / 'config.json'} is not JSON" in refused(copy)


@pytest.mark.parametrize(
    "content", ["{}", "[]", "3", '{"model_type": "bert"}', '{"thinker_config": 1}']
)
def test_a_config_of_another_kind_of_model(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    text = refused(copy)
    assert "config.json is not of a Qwen2.5-Omni" in text
    assert "text_config" in text


def test_a_config_whose_values_have_the_wrong_type(copy: Path) -> None:
    rewrite_config(copy, lambda config: text_config(config).update(hidden_size="wide"))
    text = refused(copy)
    assert str(copy) in text
    assert "hidden_size" in text


def test_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert f"{copy} lacks model.safetensors" in refused(copy)


def test_a_missing_shard_is_named(copy: Path) -> None:
    shard(copy)
    (copy / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in refused(copy)


@pytest.mark.parametrize("content", [
    "{", "{}", "[]", '{"weight_map": 3}', '{"weight_map": {}}', '{"weight_map": {"a": "../b"}}',
])  # fmt: skip
def test_an_index_that_is_none(copy: Path, content: str) -> None:
    shard(copy)
    (copy / "model.safetensors.index.json").write_text(content)
    text = refused(copy)
    assert "model.safetensors.index.json" in text
    assert "weight_map" in text


@pytest.mark.parametrize("left", [0, 7, 5000, -1])
@pytest.mark.parametrize("sharded", [True, False])
def test_a_file_cut_short_is_named(copy: Path, left: int, sharded: bool) -> None:
    if sharded:
        shard(copy)
    path = sorted(copy.glob("*.safetensors"))[0]
    path.write_bytes(path.read_bytes()[:left])
    text = refused(copy)
    assert str(path) in text
    assert "cut short" in text


UP = "thinker.model.layers.0.mlp.up_proj.weight"


def halve(tensors: dict[str, Tensor], name: str) -> None:
    tensors[name] = tensors[name][: len(tensors[name]) // 2].clone()


def test_a_missing_tensor_of_the_thinker_is_named(copy: Path) -> None:
    rewrite_tensors(copy, lambda tensors: tensors.pop(UP))
    text = refused(copy)
    assert "lacks 1 tensors" in text
    assert "layers.0.mlp.up_proj.weight" in text


@pytest.mark.parametrize("name", [UP, "thinker.model.compressor.ln.weight"])
def test_weights_that_are_no_numbers_are_refused(copy: Path, name: str) -> None:
    rewrite_tensors(copy, lambda tensors: tensors[name].view(-1)[:1].fill_(float("nan")))
    text = refused(copy)
    assert "no numbers" in text
    assert name.rpartition(".layers.")[2].removeprefix("thinker.") in text


def test_a_misshapen_tensor_of_the_thinker_is_named_with_both_shapes(copy: Path) -> None:
    rewrite_tensors(copy, lambda tensors: halve(tensors, UP))
    text = refused(copy)
    assert "layers.0.mlp.up_proj.weight is [64, 64] in the file" in text
    assert "asks for [128, 64]" in text


@pytest.mark.parametrize(
    "name", ["model.compressor.ln.weight", "model.bidir_encoder.layers.1.mlp.up_proj.weight"]
)
def test_a_missing_tensor_of_the_sieve_is_named(copy: Path, name: str) -> None:
    rewrite_tensors(copy, lambda tensors: tensors.pop(f"thinker.{name}"))
    assert f"sieve lacks 1 tensors, among them {name}" in refused(copy)


def test_a_misshapen_tensor_of_the_sieve_is_named_with_both_shapes(copy: Path) -> None:
    name = "model.compressor.score_head.0.weight"
    rewrite_tensors(copy, lambda tensors: halve(tensors, f"thinker.{name}"))
    assert f"{name} is [32, 64] in the file, the config asks for [64, 64]" in refused(copy)


def test_an_unknown_tensor_of_the_sieve_is_named(copy: Path) -> None:
    name = "model.compressor.score_head.4.weight"
    rewrite_tensors(copy, lambda tensors: tensors.update({f"thinker.{name}": torch.ones(1)}))
    assert f"does not know 1 tensors, among them {name}" in refused(copy)


@pytest.mark.parametrize("layers", [1, 3, "two"])
def test_refiner_layers_that_do_not_match_the_config(copy: Path, layers: Any) -> None:
    rewrite_config(copy, lambda config: text_config(config).update(av_refiner_layers=layers))
    text = refused(copy)
    assert "refiner layers [0, 1]" in text
    assert f"av_refiner_layers = {layers!r}" in text


def test_a_refiner_with_a_hole(copy: Path) -> None:
    rewrite_tensors(copy, lambda tensors: [
        tensors.pop(name) for name in list(tensors) if "bidir_encoder.layers.0." in name
    ])  # fmt: skip
    assert "refiner layers [1]" in refused(copy)


@pytest.mark.parametrize("retention", [0, -0.1, 1.01, float("nan"), "many", True])
def test_a_retention_that_is_no_share(copy: Path, retention: Any) -> None:
    assert "share in (0, 1]" in refused(copy, retention=retention)
    rewrite_config(copy, lambda config: text_config(config).update(compression_ratio=retention))
    assert "share in (0, 1]" in refused(copy)


@pytest.mark.parametrize("sections", [(2, 2, 2, 1), (8,), (18, 18, 18, 10)])
def test_sections_that_do_not_add_up(copy: Path, sections: tuple[int, ...]) -> None:
    text = refused(copy, sync_rope_sections=sections)
    assert str(list(sections)) in text
    assert "head_dim/2 = 8" in text


@pytest.mark.parametrize(
    "change",
    [
        {"text_states": "cooked"},
        {"horizon_s": -1},
        {"horizon_s": "long"},
        {"horizon_s": float("inf")},
        {"anchor_period_ids": 0},
        {"min_pixels": 8000},
        {"min_pixels": None},
    ],
)
def test_a_block_of_ours_with_bad_values(copy: Path, change: dict[str, Any]) -> None:
    rewrite_config(copy, lambda config: config["echosieve"].update(change))
    text = refused(copy)
    assert "echosieve block" in text
    assert next(iter(change)) in text


def test_a_block_of_ours_that_is_incomplete_or_none(copy: Path) -> None:
    rewrite_config(copy, lambda config: config["echosieve"].pop("horizon_s"))
    assert "'horizon_s'" in refused(copy)
    rewrite_config(copy, lambda config: config.update(echosieve=[]))
    assert "echosieve block" in refused(copy)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", '{"model": 1}'),
        ("tokenizer_config.json", "{"),
    ],
)
def test_a_broken_tokenizer(copy: Path, file: str, content: str) -> None:
    (copy / file).write_text(content)
    assert f"the tokenizer of {copy}" in refused(copy)


def test_a_sieves_directory_without_a_sieve(stock: Path, ours: Path) -> None:
    text = refused(ours, sieve=stock)
    assert str(stock) in text
    assert "holds no sieve" in text


def test_a_sieves_directory_that_is_broken(stock: Path, copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    assert str(path) in refused(stock, sieve=copy)
    assert "no model directory" in refused(stock, sieve=copy / "nothing")


def test_a_sieve_of_another_width(tmp_path: Path, ours: Path) -> None:
    wide = tiny.write_stock(tmp_path, tiny.TinyShape(heads=6))
    text = refused(wide, sieve=ours)
    assert "[64]" in text
    assert "[96]" in text


@pytest.mark.parametrize("sections", ["2,2,2,2", [2.5, 2, 2, 2], [10, -2, -2, 2]])
def test_sections_that_are_no_counts_are_refused(tmp_path: Path, sections: Any) -> None:
    directory = tiny.write_sieve(tmp_path, tiny.TinyShape(sections=(2, 2, 2, 2)))
    with pytest.raises(CheckpointError, match="sync_rope_sections"):
        load_model(directory, sync_rope_sections=sections)


def test_a_device_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    directory = tiny.write_sieve(tmp_path, tiny.TinyShape(sections=(2, 2, 2, 2)))
    with pytest.raises(SettingInvalid, match="the device 'gpuu'"):
        load_model(directory, device="gpuu", sync_rope_sections=(2, 2, 2, 2))
