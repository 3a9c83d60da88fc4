"""The folder of a run before it begins, and the directory of weights when it has ended."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sieve.checkpoint import save_model, save_sieve
from sieve.folder import claim
from sieve.model import Model
from sieve.tokens import IDS_PER_S
from sieve.train.backbone.library import Data
from sieve.train.backbone.tuning import Tuning


def claim_run(folder: Path, tuning: Tuning, model: str, data: Data) -> None:
    """Make ``folder`` the run's, or see that it is. Raises SettingInvalid where it holds a run with
    other settings or other data."""
    facts = {"model": model, "data": data.digest, **asdict(tuning)}
    claim(folder / "run.json", json.loads(json.dumps(facts)))


def write(model: Model, tuning: Tuning, source: str, directory: Path) -> str:
    """The sieve, or the whole model where it has changed; beside it ``training.json``. Returns how
    it is used."""
    assert model.cs2 is not None
    directory.mkdir(parents=True, exist_ok=True)
    changes = _config_changes(model, tuning)
    if tuning.changes_backbone:
        save_model(directory, model.backbone, model.cs2, changes)
        use = f"--model {directory}"
    else:
        save_sieve(directory, model.backbone, model.cs2, changes)
        use = f"--model {source} --sieve {directory}"
    settings = {"model": source, **asdict(tuning)}
    (directory / "training.json").write_text(json.dumps(settings, indent=2) + "\n")
    return use


def _config_changes(model: Model, tuning: Tuning) -> dict[str, Any]:
    assert model.cs2 is not None
    layout = model.layout
    return {
        "text_config": {
            "av_refiner_layers": len(model.cs2.layers),
            "compression_ratio": tuning.sieve.retention,
            "rope_parameters": {"mrope_section": list(model.backbone.rotary.sections)},
        },
        "echosieve": {
            "horizon_s": layout.horizon_ids / IDS_PER_S,
            "anchor_period_ids": layout.anchor_period_ids,
            "text_states": layout.text_states,
            "min_pixels": layout.pixels.min_pixels,
            "max_pixels": layout.pixels.max_pixels,
        },
    }
