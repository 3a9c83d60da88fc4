"""Loading a model directory: the thinker, its tokenizer, and the sieve where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

from sieve.backbone import Backbone
from sieve.baselines import KeepAll
from sieve.checkpoint.config import layout_of, read_config, retention_of, rotary_of, text_config_of
from sieve.checkpoint.library import first_line, misfit, quiet
from sieve.checkpoint.weights import (
    REFINER,
    build_cs2,
    check_finite,
    check_weight_files,
    cs2_tensors,
    digest,
    misshapen,
)
from sieve.errors import CheckpointError, SettingInvalid
from sieve.model import Model
from sieve.selectors import default_name, method_of

DEMO = Path(__file__).parent.parent / "demo"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")  # either is enough


def load_model(
    directory_or_hub_id: str | Path,
    *,
    sieve: str | Path | None = None,
    retention: float | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    sync_rope_sections: Sequence[int] | None = None,
) -> Model:
    """Load a thinker and, where there is one, its sieve.

    ``"demo"`` is the built-in model. ``sieve`` names another directory that holds the CS2 weights;
    its config then says how streams are laid out. ``retention`` defaults to the checkpoint's.
    ``sync_rope_sections`` are rotary pairs on (T, H, W, T); by default those of the config, or
    (18, 18, 18, 10) for a CS2 checkpoint whose config has only the stock three. A directory
    without tokenizer files loads; its text functions then raise NoTokenizer. Raises
    CheckpointError for anything missing, broken or misshapen, SettingInvalid for a device that
    cannot be used.
    """
    directory = _resolve(directory_or_hub_id)
    cs2_directory = _resolve(sieve, "a sieve's") if sieve is not None else directory
    read_config(directory)
    config = read_config(cs2_directory)
    text_config = text_config_of(config)
    chosen = retention_of(retention, text_config, cs2_directory)
    tensors = cs2_tensors(cs2_directory)
    if sieve is not None and not tensors:
        raise CheckpointError(f"{sieve} holds no sieve: no tensor is named {REFINER}*")
    layout = layout_of(config, cs2_directory, refined=bool(tensors))
    thinker = _load_thinker(directory, dtype)
    authors = bool(tensors) and "echosieve" not in config
    rotary = rotary_of(thinker, sync_rope_sections, text_config, authors=authors)
    backbone = Backbone(_on(device, thinker).eval(), _tokenizer(directory), rotary)
    cs2 = build_cs2(tensors, backbone, text_config) if tensors else None
    model = Model(str(directory_or_hub_id), backbone, KeepAll(), cs2, layout, chosen, cs2_directory)
    return replace(model, selector=method_of(model, default_name(model)).selector)


def weights_of(directory_or_hub_id: str | Path) -> str:
    """Which weights a model has, to be told beside what was measured with it. Raises
    CheckpointError."""
    return digest(_resolve(directory_or_hub_id))


def _resolve(directory_or_hub_id: str | Path, whose: str = "a model's") -> Path:
    if str(directory_or_hub_id) == "demo":
        return DEMO
    path = Path(directory_or_hub_id).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or len(path.parts) != 2:
        raise CheckpointError(
            f"no directory at {path} that could be {whose}: give one with config.json and "
            "safetensors, a hub id (owner/name), or 'demo' for the built-in model"
        )
    return _download(str(directory_or_hub_id))


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    wanted = ["*.json", "*.safetensors", "merges.txt", "*.jinja"]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{hub_id} is neither a local directory nor could it be fetched: {first_line(error)}"
        ) from error


def _load_thinker(directory: Path, dtype: torch.dtype) -> Any:
    check_weight_files(directory)
    try:
        with quiet():
            thinker, report = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
                directory, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # whatever a config of the wrong kind makes the library stumble on
        raise CheckpointError(f"{directory} cannot be loaded: {misfit(error)}") from error
    if report["mismatched_keys"]:
        raise CheckpointError(f"{directory}: wrong shape: {misshapen(report['mismatched_keys'])}")
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:5])
        raise CheckpointError(
            f"{directory} lacks {len(report['missing_keys'])} tensors of the thinker, "
            f"among them {missing}"
        )
    check_finite(thinker.named_parameters())
    return thinker


def _on(device: str | torch.device, thinker: Any) -> Any:
    try:
        return thinker.to(device)
    except (RuntimeError, AssertionError) as error:  # an unknown name; a build without CUDA
        raise SettingInvalid(
            f"the device {device!r} cannot be used: {first_line(error)}"
        ) from error


def _tokenizer(directory: Path) -> Any | None:
    if not any((directory / name).exists() for name in TOKENIZER_FILES):
        return None
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(directory)
    except Exception as error:  # the tokenizers library raises nothing more special
        raise CheckpointError(
            f"the tokenizer of {directory} cannot be read: {first_line(error)}"
        ) from error
