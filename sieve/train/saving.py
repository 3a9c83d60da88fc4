"""What a training leaves for itself: files of tensors that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from sieve.errors import TrainingError


def save_whole(state: Any, path: Path) -> None:
    """``state`` by torch.save, written beside ``path`` first and then put in its place."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_whole(path: Path, device: torch.device | str = "cpu", *, mmap: bool = False) -> Any:
    """What was saved there. Raises TrainingError for a file that is damaged."""
    try:
        return torch.load(path, weights_only=True, map_location=device, mmap=mmap)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"{path} is damaged ({reason}): remove it, and what it held is made again"
        ) from error
