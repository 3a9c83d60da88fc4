"""Files that are whole or not there: a run may be killed while it writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def save_whole(state: Any, path: Path) -> None:
    """``state`` by torch.save, written beside ``path`` first and then put in its place."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
