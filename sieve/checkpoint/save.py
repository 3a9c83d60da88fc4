"""Writing directories that can be loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from sieve.backbone import Backbone
from sieve.checkpoint.library import quiet
from sieve.checkpoint.weights import full_name
from sieve.cs2 import CS2

READABLE = 0o644  # by all; safetensors writes a file for its owner alone


def save_cs2(cs2: CS2) -> dict[str, Tensor]:
    """The sieve's tensors under the names of the checkpoint layout, without ``thinker.``."""
    return {
        full_name(name): value.detach().cpu().contiguous()
        for name, value in cs2.state_dict().items()
    }


def save_model(
    directory: Path,
    backbone: Backbone,
    cs2: CS2 | None,
    config_changes: Mapping[str, Any],
) -> None:
    """Write a loadable directory: thinker, sieve, config with ``config_changes`` merged in.

    The tokenizer is saved where the backbone has one.
    """
    with quiet():
        backbone.thinker.save_pretrained(directory)
    weights = directory / "model.safetensors"
    if cs2 is not None:
        tensors = load_file(weights) | save_cs2(cs2)
        save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(READABLE)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(_merge(config, config_changes), indent=2))
    if backbone.has_tokenizer:
        backbone.tokenizer.save_pretrained(directory)


def save_sieve(
    directory: Path, backbone: Backbone, cs2: CS2, config_changes: Mapping[str, Any]
) -> None:
    """Write a directory for ``load_model(model, sieve=directory)``: the sieve's weights alone, and
    the model's config with ``config_changes`` merged in."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = directory / "model.safetensors"
    save_file(save_cs2(cs2), weights, metadata={"format": "pt"})
    weights.chmod(READABLE)
    config = _merge(json.loads(backbone.config.to_json_string()), config_changes)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _merge(old: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
