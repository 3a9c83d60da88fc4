"""Everything broken in a model directory says what and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sieve import load_model
from sieve.errors import CheckpointError, SettingInvalid
from tests import tiny
from tests.sieve.checkpoint.directories import (
    rewrite_config,
    rewrite_tensors,
    shard,
    text_config,
)


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


@pytest.mark.parametrize("name", ["../model", "models/my model"])
def test_a_directory_that_is_not_there_and_is_no_hub_id_either(name: str) -> None:
    assert refused(name).startswith(f"{name} is neither a local directory nor could it be fetched")


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
    for change, said in (
        ({"hidden_size": "wide"}, "hidden_size must be a whole number, not 'wide'"),
        ({"hidden_size": 64.5}, "hidden_size must be a whole number, not 64.5"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps must be a number, not 'small'"),
        ({"tie_word_embeddings": 2}, "tie_word_embeddings must be true or false, not 2"),
        ({"rope_parameters": 5}, "rope_parameters must be an object, not 5"),
        ({"layer_types": {}}, "layer_types must be a list, not {}"),
    ):
        before = (copy / "config.json").read_text()
        rewrite_config(copy, lambda config, change=change: text_config(config).update(change))
        assert refused(copy) == f"{copy} cannot be loaded: config.json: {said}"
        (copy / "config.json").write_text(before)


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("text", {"num_attention_heads": 0}, "num_attention_heads must be at least 1, not 0"),
        ("text", {"num_hidden_layers": -2}, "num_hidden_layers must be at least 1, not -2"),
        ("text", {"hidden_size": 0}, "hidden_size must be at least 1, not 0"),
        ("text", {"head_dim": 15}, "head_dim must be even, as angles are of pairs, not 15"),
        (
            "text",
            {"num_attention_heads": 4, "num_key_value_heads": 3},
            "num_attention_heads must be a multiple of num_key_value_heads (3), not 4",
        ),
        (
            "text",
            {"head_dim": None, "hidden_size": 60, "num_attention_heads": 4},
            "hidden_size must be a multiple of 2 num_attention_heads (8), not 60",
        ),
        ("text", {"rms_norm_eps": -1e-6}, "rms_norm_eps must be a finite number above 0, not -1e-"),
        (
            "text",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 0}},
            "rope_parameters.rope_theta must be a finite number above 0, not 0",
        ),
        ("text", {"rope_theta": 0}, "rope_theta must be a finite number above 0, not 0"),
        ("audio", {"encoder_layers": -1}, "encoder_layers must be at least 1, not -1"),
        (
            "audio",
            {"d_model": 64, "encoder_attention_heads": 5},
            "d_model must be a multiple of encoder_attention_heads (5), not 64",
        ),
        ("vision", {"patch_size": 0}, "patch_size must be at least 1, not 0"),
        (
            "vision",
            {"hidden_size": 24, "num_heads": 4},
            "hidden_size must be a multiple of 4 num_heads (16), not 24",
        ),
    ],
)
def test_a_size_that_no_model_can_have_is_named_with_what_would_be_right(
    copy: Path, section: str, change: dict[str, Any], said: str
) -> None:
    def broken(config: dict[str, Any]) -> None:
        config["thinker_config"][f"{section}_config"].update(change)

    rewrite_config(copy, broken)
    assert refused(copy).startswith(f"{copy / 'config.json'}: {section}_config.{said}")


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


def test_a_refiner_whose_number_is_none_is_named(copy: Path) -> None:
    name = "model.bidir_encoder.layers.last.weight"
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
    assert refused(copy, retention=retention).startswith("retention must be a share in (0, 1], not")
    rewrite_config(copy, lambda config: text_config(config).update(compression_ratio=retention))
    place = f"compression_ratio in the text_config of {copy / 'config.json'}"
    assert refused(copy).startswith(f"{place} must be a share in (0, 1], not ")


@pytest.mark.parametrize("sections", [(2, 2, 2, 1), (8,), (18, 18, 18, 10)])
def test_sections_that_do_not_add_up(copy: Path, sections: tuple[int, ...]) -> None:
    text = refused(copy, sync_rope_sections=sections)
    assert str(list(sections)) in text
    assert "head_dim/2 = 8" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_states": "cooked"}, "text_states must be 'raw' or 'refined', not 'cooked'"),
        ({"horizon_s": -1}, "horizon_s must be at least 2, not -1"),
        ({"horizon_s": 1.96}, "horizon_s must be at least 2, not 1.96"),
        ({"horizon_s": "long"}, "horizon_s must be a number, not 'long'"),
        ({"horizon_s": float("inf")}, "horizon_s must be a finite number, not inf"),
        ({"anchor_period_ids": 0}, "anchor_period_ids must be at least 1, not 0"),
        ({"min_pixels": 8000}, "max_pixels must be at least min_pixels (8000), not 7056"),
        ({"min_pixels": None}, "min_pixels must be a whole number, not null"),
    ],
)
def test_a_block_of_ours_with_bad_values(copy: Path, change: dict[str, Any], said: str) -> None:
    rewrite_config(copy, lambda config: config["echosieve"].update(change))
    assert refused(copy) == f"the echosieve block of {copy / 'config.json'}: {said}"


def test_a_block_of_ours_that_is_incomplete_or_none(copy: Path) -> None:
    rewrite_config(copy, lambda config: config["echosieve"].pop("horizon_s"))
    assert refused(copy).endswith("config.json: horizon_s must be there")
    rewrite_config(copy, lambda config: config.update(echosieve=[]))
    assert refused(copy).endswith("config.json: it must be an object, not a list")


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
    assert "that could be a sieve's" in refused(stock, sieve=copy / "nothing")


def test_a_sieve_of_another_width(tmp_path: Path, ours: Path) -> None:
    wide = tiny.write_stock(tmp_path, tiny.TinyShape(heads=6))
    text = refused(wide, sieve=ours)
    assert "[64]" in text
    assert "[96]" in text


@pytest.mark.parametrize(
    "sections",
    [
        "2,2,2,2",
        [2.5, 2, 2, 2],
        [10, -2, -2, 2],
        [None, 2, 2, 2],
        ["T", 2, 2, 2],
        [float("inf"), 2, 2, 2],
        8,
    ],
)
def test_sections_that_are_no_counts_are_refused(tmp_path: Path, sections: Any) -> None:
    directory = tiny.write_sieve(tmp_path, tiny.TinyShape(sections=(2, 2, 2, 2)))
    with pytest.raises(CheckpointError, match="sync_rope_sections"):
        load_model(directory, sync_rope_sections=sections)


def test_a_device_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    directory = tiny.write_sieve(tmp_path, tiny.TinyShape(sections=(2, 2, 2, 2)))
    with pytest.raises(SettingInvalid, match="the device 'gpuu'"):
        load_model(directory, device="gpuu", sync_rope_sections=(2, 2, 2, 2))
