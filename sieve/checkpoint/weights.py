"""Weight files of a directory, and the tensors of the sieve among them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sieve.backbone import Backbone
from sieve.cs2 import CS2
from sieve.errors import CheckpointError

REFINER, COMPRESSOR = "model.bidir_encoder.", "model.compressor."


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


def digest(directory: Path) -> str:
    """Which weights these are: the beginning of the SHA-256 of their files. Raises
    CheckpointError."""
    check_weight_files(directory)
    found = hashlib.sha256()
    for path in _weight_files(directory):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:12]


def check_weight_files(directory: Path) -> None:
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


def cs2_tensors(directory: Path) -> dict[str, Tensor]:
    """The sieve's tensors of a directory under the module's own names; empty if there are none."""
    check_weight_files(directory)
    found: dict[str, Tensor] = {}
    for path in _weight_files(directory):
        with safe_open(path, framework="pt") as file:
            for stored in file.keys():  # noqa: SIM118 - not a dict
                name = stored.removeprefix("thinker.")
                for head in (REFINER, COMPRESSOR):
                    if name.startswith(head) and "rotary_emb" not in name:
                        found[name.removeprefix(head)] = file.get_tensor(stored)
    return found


def build_cs2(
    tensors: dict[str, Tensor], backbone: Backbone, text_config: Mapping[str, Any]
) -> CS2:
    """The sieve of these tensors, beside its backbone. Raises CheckpointError where they are not
    those that the config asks for."""
    numbers = {name.split(".")[1] for name in tensors if name.startswith("layers.")}
    present = sorted(int(number) for number in numbers if number.isdecimal())
    wanted = text_config.get("av_refiner_layers", len(present))
    if present != list(range(len(present))) or wanted != len(present):
        raise CheckpointError(
            f"the sieve has refiner layers {present} where the config's av_refiner_layers = "
            f"{wanted!r} asks for as many, from 0 on"
        )
    cs2 = CS2(backbone.text_config, len(present), backbone.rotary)
    _check_cs2(tensors, cs2.state_dict())
    check_finite((full_name(name), tensor) for name, tensor in tensors.items())
    cs2.load_state_dict(tensors)
    return cs2.to(backbone.device, backbone.dtype).eval()


def _check_cs2(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for what, names in (("lacks", wanted.keys() - found), ("does not know", found.keys() - wanted)):
        if names:
            among = ", ".join(full_name(name) for name in sorted(names)[:5])
            raise CheckpointError(f"the sieve {what} {len(names)} tensors, among them {among}")
    shapes = [
        (full_name(name), found[name].shape, wanted[name].shape)
        for name in wanted
        if found[name].shape != wanted[name].shape
    ]
    if shapes:
        raise CheckpointError(f"the sieve has tensors of wrong shape: {misshapen(shapes)}")


def full_name(name: str) -> str:
    """Of a tensor of the sieve, as checkpoints have it."""
    return (REFINER if name.startswith("layers.") else COMPRESSOR) + name


def misshapen(mismatched: Any) -> str:
    """The first of (name, shape in the file, shape by the config), in words."""
    return "; ".join(
        f"{name} is {list(found)} in the file, the config asks for {list(wanted)}"
        for name, found, wanted in sorted(mismatched)[:5]
    )


def check_finite(named: Iterable[tuple[str, Tensor]]) -> None:
    """A checkpoint of a run that diverged answers nothing, or nonsense: refuse it."""
    for name, tensor in named:
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{name} holds values that are no numbers (NaN or infinite)")
