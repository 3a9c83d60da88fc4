"""Model directories: Qwen2.5-Omni as published, the authors' CS2 layout, and ours.

All three are one layout. A directory holds ``config.json`` (of the full model, or of the thinker
alone), safetensors (one file, or shards with an index; ``thinker.`` prefix or none; old or new
names) and the tokenizer. A sieve adds ``model.bidir_encoder.layers.{i}.*`` and
``model.compressor.*`` to the tensors, and ``av_refiner_layers`` and ``compression_ratio`` to the
text config. Ours adds an ``echosieve`` block to ``config.json``: how streams are laid out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration
from transformers.utils import logging as transformers_logging

from sieve.backbone import Backbone
from sieve.baselines import Uniform
from sieve.cs2 import CS2
from sieve.errors import CheckpointError
from sieve.model import Model, StreamLayout
from sieve.pool import PixelLimits
from sieve.rope import AbsoluteRotary
from sieve.select import CS2Selector, Selector

DEMO = Path(__file__).parent / "demo"
AUTHORS_SECTIONS = (18, 18, 18, 10)
_REFINER, _COMPRESSOR = "model.bidir_encoder.", "model.compressor."
_DEFAULT_RETENTION = 0.2


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

    ``"demo"`` is the built-in model. ``sieve`` names another directory that holds the CS2 weights.
    ``retention`` defaults to the checkpoint's. ``sync_rope_sections`` are rotary pairs on
    (T, H, W, T); by default those of the config, or (18, 18, 18, 10) for a CS2 checkpoint whose
    config has only the stock three. A directory without tokenizer files loads; its text functions
    then raise NoTokenizer. Raises CheckpointError for anything missing, broken or misshapen.
    """
    directory = _resolve(directory_or_hub_id)
    config = _read_config(directory)
    thinker = _load_thinker(directory, dtype)
    cs2_directory = _resolve(sieve) if sieve is not None else directory
    tensors = _cs2_tensors(cs2_directory)
    rotary = _rotary(thinker, sync_rope_sections, has_sieve=bool(tensors))
    thinker = thinker.to(device).eval()
    backbone = Backbone(thinker, _tokenizer(directory), rotary)
    cs2_config = _text_config(_read_config(cs2_directory))
    cs2 = _build_cs2(tensors, backbone, cs2_config) if tensors else None
    if retention is None:
        retention = float(cs2_config.get("compression_ratio", _DEFAULT_RETENTION))
    selector: Selector = CS2Selector(cs2) if cs2 is not None else Uniform()
    layout = _layout(config, refined=cs2 is not None)
    return Model(str(directory_or_hub_id), backbone, selector, cs2, layout, _checked(retention))


def save_cs2(cs2: CS2) -> dict[str, Tensor]:
    """The sieve's tensors under the names of the checkpoint layout, without ``thinker.``."""
    named = {}
    for name, value in cs2.state_dict().items():
        head = _REFINER if name.startswith("layers.") else _COMPRESSOR
        named[head + name] = value.detach().cpu().contiguous()
    return named


def save_model(
    directory: Path,
    backbone: Backbone,
    cs2: CS2 | None,
    config_changes: Mapping[str, Any],
) -> None:
    """Write a loadable directory: thinker, sieve, config with ``config_changes`` merged in.

    The tokenizer is saved where the backbone has one.
    """
    backbone.thinker.save_pretrained(directory)
    weights = directory / "model.safetensors"
    if cs2 is not None:
        tensors = load_file(weights) | save_cs2(cs2)
        save_file(tensors, weights, metadata={"format": "pt"})
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(_merge(config, config_changes), indent=2))
    if backbone.has_tokenizer:
        backbone.tokenizer.save_pretrained(directory)


def _merge(old: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _resolve(directory_or_hub_id: str | Path) -> Path:
    if str(directory_or_hub_id) == "demo":
        return DEMO
    path = Path(directory_or_hub_id).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or len(path.parts) != 2:
        raise CheckpointError(
            f"no model directory at {path}: give a directory with config.json and safetensors, "
            "a hub id (owner/name), or 'demo' for the built-in model"
        )
    return _download(str(directory_or_hub_id))


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "merges.txt", "*.jinja"]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{hub_id} is neither a local directory nor could it be fetched: {error}"
        ) from error


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{directory} has no config.json: not a model directory") from None
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return config


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    return dict(config.get("thinker_config", config).get("text_config", {}))


@contextmanager
def _quiet() -> Any:
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar()


def _load_thinker(directory: Path, dtype: torch.dtype) -> Any:
    _check_shards(directory)
    try:
        with _quiet():
            thinker, report = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
                directory, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{directory} cannot be loaded: {error}") from error
    if report["mismatched_keys"]:
        raise CheckpointError(f"{directory}: wrong shape: {_shapes(report['mismatched_keys'])}")
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:5])
        raise CheckpointError(
            f"{directory} lacks {len(report['missing_keys'])} tensors of the thinker, "
            f"among them {missing}"
        )
    return thinker


def _shapes(mismatched: Any) -> str:
    return "; ".join(
        f"{name} is {list(found)} in the file, the config asks for {list(wanted)}"
        for name, found, wanted in sorted(mismatched)[:5]
    )


def _weight_files(directory: Path) -> list[Path]:
    index = directory / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        return [directory / name for name in names]
    return [directory / "model.safetensors"]


def _check_shards(directory: Path) -> None:
    for path in _weight_files(directory):
        if not path.exists():
            raise CheckpointError(f"{directory} lacks {path.name}: an incomplete download?")


def _cs2_tensors(directory: Path) -> dict[str, Tensor]:
    """The sieve's tensors of a directory under the module's own names; empty if there are none."""
    _check_shards(directory)
    found: dict[str, Tensor] = {}
    for path in _weight_files(directory):
        with safe_open(path, framework="pt") as file:
            for full_name in file.keys():  # noqa: SIM118 - not a dict
                name = full_name.removeprefix("thinker.")
                for head in (_REFINER, _COMPRESSOR):
                    if name.startswith(head):
                        found[name.removeprefix(head)] = file.get_tensor(full_name)
    return found


def _build_cs2(
    tensors: dict[str, Tensor], backbone: Backbone, text_config: Mapping[str, Any]
) -> CS2:
    present = {int(name.split(".")[1]) for name in tensors if name.startswith("layers.")}
    layers = int(text_config.get("av_refiner_layers", len(present)))
    if present != set(range(layers)):
        raise CheckpointError(
            f"the sieve's refiner layers {sorted(present)} do not fit av_refiner_layers = {layers}"
        )
    decoder_config = backbone.thinker.model.language_model.config
    cs2 = CS2(decoder_config, layers, backbone.rotary)
    try:
        cs2.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"the sieve's tensors do not fit: {error}") from error
    return cs2.to(backbone.device, backbone.dtype).eval()


def _rotary(thinker: Any, sections: Sequence[int] | None, *, has_sieve: bool) -> AbsoluteRotary:
    config = thinker.config.text_config
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    theta = config.rope_parameters["rope_theta"]
    inv_freq = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
    chosen = sections or config.rope_parameters.get("mrope_section", [16, 24, 24])
    if sections is None and has_sieve and len(chosen) == 3:
        chosen = AUTHORS_SECTIONS
    return AbsoluteRotary(inv_freq, [int(n) for n in chosen])


def _tokenizer(directory: Path) -> Any | None:
    if not (directory / "tokenizer_config.json").exists():
        return None
    try:
        with _quiet():
            return AutoTokenizer.from_pretrained(directory)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"the tokenizer of {directory} cannot be read: {error}") from error


def _layout(config: Mapping[str, Any], *, refined: bool) -> StreamLayout:
    ours = config.get("echosieve")
    if ours is None:
        return StreamLayout(text_states="refined" if refined else "raw")
    return StreamLayout(
        horizon_ids=round(float(ours["horizon_s"]) * 25),
        anchor_period_ids=int(ours["anchor_period_ids"]),
        text_states=ours["text_states"],
        pixels=PixelLimits(int(ours["min_pixels"]), int(ours["max_pixels"])),
    )


def _checked(retention: float) -> float:
    if not 0.0 < retention <= 1.0:
        raise CheckpointError(f"retention is a share in (0, 1], got {retention}")
    return retention
