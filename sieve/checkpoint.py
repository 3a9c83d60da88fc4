"""Model directories: Qwen2.5-Omni as published, the authors' CS2 layout, and ours.

All three are one layout. A directory holds ``config.json`` (of the full model, or of the thinker
alone), safetensors (one file, or shards with an index; ``thinker.`` prefix or none; old or new
names) and the tokenizer. A sieve adds ``model.bidir_encoder.layers.{i}.*`` and
``model.compressor.*`` to the tensors, and ``av_refiner_layers`` and ``compression_ratio`` to the
text config. Ours adds an ``echosieve`` block to ``config.json``: how streams are laid out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration
from transformers.utils import logging as transformers_logging

from sieve.backbone import Backbone
from sieve.baselines import KeepAll
from sieve.cs2 import CS2
from sieve.errors import CheckpointError, SettingInvalid
from sieve.model import Model, StreamLayout
from sieve.pool import PixelLimits
from sieve.rope import AbsoluteRotary
from sieve.selectors import default_name, method_of
from sieve.tokens import IDS_PER_S

DEMO = Path(__file__).parent / "demo"
STOCK_SECTIONS, AUTHORS_SECTIONS = (16, 24, 24), (18, 18, 18, 10)
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

    ``"demo"`` is the built-in model. ``sieve`` names another directory that holds the CS2 weights;
    its config then says how streams are laid out. ``retention`` defaults to the checkpoint's.
    ``sync_rope_sections`` are rotary pairs on (T, H, W, T); by default those of the config, or
    (18, 18, 18, 10) for a CS2 checkpoint whose config has only the stock three. A directory
    without tokenizer files loads; its text functions then raise NoTokenizer. Raises
    CheckpointError for anything missing, broken or misshapen, SettingInvalid for a device that
    cannot be used.
    """
    directory = _resolve(directory_or_hub_id)
    cs2_directory = _resolve(sieve) if sieve is not None else directory
    _read_config(directory)
    config = _read_config(cs2_directory)
    text_config = _text_config(config)
    chosen = _retention(text_config.get("compression_ratio") if retention is None else retention)
    tensors = _cs2_tensors(cs2_directory)
    if sieve is not None and not tensors:
        raise CheckpointError(f"{sieve} holds no sieve: no tensor is named {_REFINER}*")
    layout = _layout(config, refined=bool(tensors))
    thinker = _load_thinker(directory, dtype)
    authors = bool(tensors) and "echosieve" not in config
    rotary = _rotary(thinker, sync_rope_sections, text_config, authors=authors)
    backbone = Backbone(_on(device, thinker).eval(), _tokenizer(directory), rotary)
    cs2 = _build_cs2(tensors, backbone, text_config) if tensors else None
    model = Model(str(directory_or_hub_id), backbone, KeepAll(), cs2, layout, chosen, cs2_directory)
    return replace(model, selector=method_of(model, default_name(model)).selector)


def save_cs2(cs2: CS2) -> dict[str, Tensor]:
    """The sieve's tensors under the names of the checkpoint layout, without ``thinker.``."""
    return {
        _full_name(name): value.detach().cpu().contiguous()
        for name, value in cs2.state_dict().items()
    }


def _full_name(name: str) -> str:
    return (_REFINER if name.startswith("layers.") else _COMPRESSOR) + name


def save_model(
    directory: Path,
    backbone: Backbone,
    cs2: CS2 | None,
    config_changes: Mapping[str, Any],
) -> None:
    """Write a loadable directory: thinker, sieve, config with ``config_changes`` merged in.

    The tokenizer is saved where the backbone has one.
    """
    with _quiet():
        backbone.thinker.save_pretrained(directory)
    weights = directory / "model.safetensors"
    if cs2 is not None:
        tensors = load_file(weights) | save_cs2(cs2)
        save_file(tensors, weights, metadata={"format": "pt"})
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
    weights.chmod(0o644)  # safetensors writes it for its owner alone
    config = _merge(json.loads(backbone.config.to_json_string()), config_changes)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


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
            f"{hub_id} is neither a local directory nor could it be fetched: {_line(error)}"
        ) from error


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{directory} has no config.json: not a model directory") from None
    except ValueError as error:  # no UTF-8, or no JSON
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not _text_config(config):
        raise CheckpointError(
            f"{path} is not of a Qwen2.5-Omni: it has no text_config, neither at its top nor in "
            "thinker_config"
        )
    return config


def _text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    thinker = config.get("thinker_config", config)
    found = thinker.get("text_config") if isinstance(thinker, dict) else None
    return found if isinstance(found, dict) else {}


@contextmanager
def _quiet() -> Any:
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _load_thinker(directory: Path, dtype: torch.dtype) -> Any:
    _check_weight_files(directory)
    try:
        with _quiet():
            thinker, report = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
                directory, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # whatever a config of the wrong kind makes the library stumble on
        raise CheckpointError(f"{directory} cannot be loaded: {_line(error)}") from error
    if report["mismatched_keys"]:
        raise CheckpointError(f"{directory}: wrong shape: {_shapes(report['mismatched_keys'])}")
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:5])
        raise CheckpointError(
            f"{directory} lacks {len(report['missing_keys'])} tensors of the thinker, "
            f"among them {missing}"
        )
    _check_finite(thinker.named_parameters())
    return thinker


def _on(device: str | torch.device, thinker: Any) -> Any:
    try:
        return thinker.to(device)
    except (RuntimeError, AssertionError) as error:  # an unknown name; a build without CUDA
        raise SettingInvalid(f"the device {device!r} cannot be used: {_line(error)}") from error


def _shapes(mismatched: Any) -> str:
    return "; ".join(
        f"{name} is {list(found)} in the file, the config asks for {list(wanted)}"
        for name, found, wanted in sorted(mismatched)[:5]
    )


def _weight_files(directory: Path) -> list[Path]:
    whole, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if whole.exists() or not index.exists():  # as the library looks for them
        return [whole]
    try:
        names = set(json.loads(index.read_text())["weight_map"].values())
        if not names or any(Path(name).name != name for name in names):
            raise ValueError("files lie beside their index")
        return [directory / name for name in sorted(names)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index} is no index: it needs a weight_map from tensor names to files"
        ) from error


def _check_weight_files(directory: Path) -> None:
    """Every file is there and whole; safetensors checks the length against its header."""
    for path in _weight_files(directory):
        if not path.is_file():
            raise CheckpointError(f"{directory} lacks {path.name}: an incomplete download?")
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is broken or was cut short, it should be fetched again: {error}"
            ) from error


def _cs2_tensors(directory: Path) -> dict[str, Tensor]:
    """The sieve's tensors of a directory under the module's own names; empty if there are none."""
    _check_weight_files(directory)
    found: dict[str, Tensor] = {}
    for path in _weight_files(directory):
        with safe_open(path, framework="pt") as file:
            for full_name in file.keys():  # noqa: SIM118 - not a dict
                name = full_name.removeprefix("thinker.")
                for head in (_REFINER, _COMPRESSOR):
                    if name.startswith(head) and "rotary_emb" not in name:
                        found[name.removeprefix(head)] = file.get_tensor(full_name)
    return found


def _build_cs2(
    tensors: dict[str, Tensor], backbone: Backbone, text_config: Mapping[str, Any]
) -> CS2:
    present = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("layers.")})
    wanted = text_config.get("av_refiner_layers", len(present))
    if present != list(range(len(present))) or wanted != len(present):
        raise CheckpointError(
            f"the sieve has refiner layers {present} where the config's av_refiner_layers = "
            f"{wanted!r} asks for as many, from 0 on"
        )
    cs2 = CS2(backbone.text_config, len(present), backbone.rotary)
    _check_cs2(tensors, cs2.state_dict())
    _check_finite((_full_name(name), tensor) for name, tensor in tensors.items())
    cs2.load_state_dict(tensors)
    return cs2.to(backbone.device, backbone.dtype).eval()


def _check_cs2(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for what, names in (("lacks", wanted.keys() - found), ("does not know", found.keys() - wanted)):
        if names:
            among = ", ".join(_full_name(name) for name in sorted(names)[:5])
            raise CheckpointError(f"the sieve {what} {len(names)} tensors, among them {among}")
    shapes = [
        (_full_name(name), found[name].shape, wanted[name].shape)
        for name in wanted
        if found[name].shape != wanted[name].shape
    ]
    if shapes:
        raise CheckpointError(f"the sieve has tensors of wrong shape: {_shapes(shapes)}")


def _rotary(
    thinker: Any,
    sections: Sequence[int] | None,
    sieve_config: Mapping[str, Any],
    *,
    authors: bool,
) -> AbsoluteRotary:
    """``authors``: whether the sieve is in their layout: its config may lack the four sections."""
    config = thinker.config.text_config
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    theta = config.rope_parameters["rope_theta"]
    inv_freq = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
    if sections is None:
        sections = _sections_of(sieve_config) or config.rope_parameters.get("mrope_section")
        if authors and len(sections or ()) != 4:
            sections = AUTHORS_SECTIONS
    return AbsoluteRotary(inv_freq, _pairs(sections or STOCK_SECTIONS))


def _pairs(sections: Sequence[Any]) -> list[int]:
    """Sections as they should be; raises CheckpointError for others."""
    if isinstance(sections, str) or any(n != int(n) or n < 0 for n in sections):
        raise CheckpointError(
            f"sync_rope_sections are 3 or 4 whole numbers of rotary pairs, not {sections!r}"
        )
    return [int(n) for n in sections]


def _sections_of(text_config: Mapping[str, Any]) -> Sequence[int] | None:
    """``mrope_section`` under the new name of its block or the old one."""
    rope = text_config.get("rope_parameters") or text_config.get("rope_scaling") or {}
    found = rope.get("mrope_section") if isinstance(rope, dict) else None
    return found if isinstance(found, list) else None


def _tokenizer(directory: Path) -> Any | None:
    if not (directory / "tokenizer_config.json").exists():
        return None
    try:
        with _quiet():
            return AutoTokenizer.from_pretrained(directory)
    except Exception as error:  # the tokenizers library raises nothing more special
        raise CheckpointError(
            f"the tokenizer of {directory} cannot be read: {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    """The first line of a library's error; its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _check_finite(named: Iterable[tuple[str, Tensor]]) -> None:
    """A checkpoint of a run that diverged answers nothing, or nonsense: refuse it."""
    for name, tensor in named:
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{name} holds values that are no numbers (NaN or infinite)")


def _layout(config: Mapping[str, Any], *, refined: bool) -> StreamLayout:
    if "echosieve" not in config:
        return StreamLayout(text_states="refined" if refined else "raw")
    try:
        return _our_layout(config["echosieve"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            "the config's echosieve block needs horizon_s, anchor_period_ids, min_pixels, "
            f"max_pixels (numbers above 0) and text_states (raw or refined): {error!r}"
        ) from error


def _our_layout(ours: Mapping[str, Any]) -> StreamLayout:
    horizon_ids = round(float(ours["horizon_s"]) * IDS_PER_S)
    period, states = int(ours["anchor_period_ids"]), ours["text_states"]
    pixels = PixelLimits(int(ours["min_pixels"]), int(ours["max_pixels"]))
    if states not in ("raw", "refined") or min(horizon_ids, period, pixels.min_pixels) < 1:
        raise ValueError(f"got {dict(ours)}")
    if pixels.max_pixels < pixels.min_pixels:
        raise ValueError("max_pixels is below min_pixels")
    return StreamLayout(horizon_ids, period, states, pixels)


def _retention(wanted: Any) -> float:
    """What is wanted, the default for None; raises CheckpointError for what is no share."""
    if wanted is None:
        return _DEFAULT_RETENTION
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0.0 < wanted <= 1.0:
        raise CheckpointError(f"retention is a share in (0, 1], got {wanted!r}")
    return float(wanted)
