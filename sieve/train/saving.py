"""What a run leaves in its folder: whose it is, and files that are whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
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


def claim(path: Path, facts: Mapping[str, Any]) -> None:
    """Make a folder the run's by writing ``facts`` to ``path`` in it, or see that it is. Raises
    TrainingError where it holds a run with others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(facts, indent=2) + "\n")
        return
    theirs = json.loads(path.read_text())
    other = [name for name in facts if theirs.get(name) != facts[name]]
    if other:
        raise TrainingError(
            f"{path.parent} holds a run that differs in {', '.join(other)}: give this one another "
            "folder (--run), or the settings and data that one was begun with"
        )
