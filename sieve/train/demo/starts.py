"""Where the arms of a study begin: the model after a stage, small enough to lie beside the code.

``python -m sieve.train.demo.starts --run RUN --out FOLDER`` takes them from a training's folder:
half-precision weights, so that everybody begins a study at the same ones without hours of training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sieve.errors import TrainingError
from sieve.train.demo.bank import tower_state
from sieve.train.demo.pipeline import Run
from sieve.train.demo.tiny import deepen
from sieve.train.saving import load_whole, save_whole

_PARTS = ("model", "words")  # of a stage's checkpoint; what the optimiser knows is left out


def keep(run_folder: Path, stages: Sequence[str], out: Path) -> None:
    """Write ``out/STAGE.safetensors`` for ``stages`` of a training. Raises TrainingError where one
    has no checkpoint."""
    paths = {stage: run_folder / f"stage-{stage}.pt" for stage in stages}
    for stage, path in paths.items():
        if not path.exists():
            raise TrainingError(f"{run_folder} has no checkpoint of the stage {stage}: train it")
    out.mkdir(parents=True, exist_ok=True)  # `make` takes a folder that is there for made
    for stage, path in paths.items():
        state = load_whole(path)
        target = out / f"{stage}.safetensors"
        save_file(_flat(state), target, metadata={"format": "pt"})
        target.chmod(0o644)  # safetensors writes it for its owner alone


def load(run: Run, starts: Path, stage: str) -> None:
    """Make the run's model the one after ``stage``. Raises TrainingError where ``starts`` does not
    hold it."""
    state = _read(starts, stage)
    deepen(run.model.lm, next(c.layers for c in run.recipe.stages if c.name == stage))
    run.model.load_state_dict(state["model"])
    run.words.load_state_dict(state["words"])


def give_towers(run: Run, starts: Path, stage: str) -> None:
    """The towers of the start, to a run that has none: its banks are filmed through them."""
    if run.team.leads and not (run.folder / "towers.pt").exists():
        load(run, starts, stage)
        save_whole(tower_state(run.model), run.folder / "towers.pt")
    run.team.wait()


def _flat(state: dict[str, Any]) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": (tensor.half() if tensor.is_floating_point() else tensor).clone()
        for part in _PARTS
        for name, tensor in state[part].items()
    }


def _read(starts: Path, stage: str) -> dict[str, dict[str, Tensor]]:
    path = starts / f"{stage}.safetensors"
    try:
        flat = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} is not the model after the stage {stage} ({error}): "
            "python -m sieve.train.demo.starts makes it of a training's folder"
        ) from error
    named = {part: f"{part}." for part in _PARTS}
    return {
        part: {name.removeprefix(p): t for name, t in flat.items() if name.startswith(p)}
        for part, p in named.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sieve.train.demo.starts", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--stages", nargs="+", default=["read", "refine"], metavar="NAME")
    args = parser.parse_args(argv)
    try:
        keep(args.run, args.stages, args.out)
    except TrainingError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
