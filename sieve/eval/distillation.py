"""A sieve from ten minutes without labels: made, trained and measured by one command.

``python -m sieve.eval.distillation --folder runs/distilled`` (``make distil``): minutes of the
synthetic world are rendered into media files; the model's own sieve is taken off, and ``echosieve
train --recordings`` teaches it a new one; then the model is measured on streams of other seeds,
without a sieve (all tokens, and those of the default method) and with the new one. What the folder
holds is not made again, so a command that was stopped goes on. ``echosieve report
FOLDER/distilled.json`` takes the figures in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sieve.baselines import KeepAll
from sieve.checkpoint import load_model, weights_of
from sieve.errors import SieveError
from sieve.eval.accuracy import WORLDS, horizon_s, measure
from sieve.eval.accuracy import Plan as Measuring
from sieve.folder import claim, held
from sieve.model import Model
from sieve.selectors import TRAINING_FREE, default_name, method_of
from sieve.train import main as train
from stream.render import render_file
from stream.source import SceneSource
from stream.world.plot import Plot
from stream.world.scene import Scene

SHOWN = {"first": "first", "varied": "varied", "held-out": "varied"}  # measured in: recorded in
RECORDING_S = 60.0
FPS = 4.0
SIZE = 168  # pixels
FIRST_RECORDING, FIRST_ASKER, FIRST_STREAM = 960_000_000, 970_000_000, 950_000_000  # scenes
TEXTS_A_KIND = 8
_DRAWS = 40  # of questions


@dataclass(frozen=True, slots=True)
class Plan:
    """``minutes`` of recordings teach ``model`` in ``steps``; then it is asked in ``world``:
    ``streams`` of ``stream_s`` seconds from ``seed`` on, ``moments`` of asking in each."""

    model: str = "demo"
    world: str = "held-out"
    minutes: float = 10.0
    steps: int = 700
    seed: int = FIRST_STREAM
    streams: int = 16
    stream_s: float = 60.0
    moments: int = 8
    threads: int = 2

    @property
    def shown(self) -> Plot:
        """The world of the recordings."""
        return WORLDS[SHOWN[self.world]]

    @property
    def settings(self) -> dict[str, Any]:
        """Of the training, as ``echosieve train --config`` reads them."""
        return {
            "data": {"cut_s": [4, 24], "held_out": 0.06, "cache_mib": 2048},
            "teacher": {
                "questions": 24,
                "generated": 0,  # a model this small cannot ask
                "answer_tokens": 40,
                "saliency_floor": 0.3,
            },
            "sieve": {"layers": 1, "whole": 0.15},
            "cs2": {
                "steps": self.steps,
                "accumulate": 4,
                "learning_rate": 0.002,
                "questions": 6,
            },
            "save_every": 50,
            "examine_every": 175,
        }


def distil(plan: Plan, folder: Path) -> dict[str, Any]:
    """All that is left to do; returns the figures, which also stand in ``distilled.json``. Raises
    SettingInvalid where the folder holds another plan's, FolderBusy."""
    with held(folder):
        return _distil(plan, folder)


def _distil(plan: Plan, folder: Path) -> dict[str, Any]:
    decided = {name: value for name, value in asdict(plan).items() if name != "threads"}
    claim(folder / "plan.json", decided)
    record(plan, folder / "recordings")
    (folder / "questions.txt").write_text("\n".join(questions(plan.shown)) + "\n")
    (folder / "settings.json").write_text(json.dumps(plan.settings, indent=2) + "\n")
    _teach(plan, folder)
    model = load_model(plan.model)
    taught = load_model(plan.model, sieve=folder / "sieve")
    measuring = _measuring(plan, model)
    found = {
        "setting": {
            **decided,
            "weights": weights_of(plan.model),
            "selector": TRAINING_FREE,  # of the model without a sieve, below all tokens
        },
        "without": measure(without_sieve(model), replace(measuring, retentions=(1.0, 0.2, 0.1))),
        "with": measure(taught, measuring),
    }
    (folder / "distilled.json").write_text(json.dumps(found, indent=2) + "\n")
    return found


def record(plan: Plan, folder: Path) -> None:
    """The world in files of a minute at most; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    left_s = 60.0 * plan.minutes
    for number in range(int(np.ceil(left_s / RECORDING_S))):
        path = folder / f"{number:03}.webm"
        if not path.exists():
            scene = Scene(FIRST_RECORDING + number, plan.shown)
            seconds = min(RECORDING_S, left_s - number * RECORDING_S)
            partial = folder.parent / "partial.webm"
            render_file(SceneSource(scene, seconds, fps=FPS, size=SIZE).items(), partial, fps=FPS)
            partial.replace(path)


def questions(plot: Plot) -> list[str]:
    """Up to eight texts of every kind that the world can be asked, drawn from scenes that are in no
    recording."""
    texts: dict[str, list[str]] = {kind: [] for kind in plot.kinds}
    for seed in range(FIRST_ASKER, FIRST_ASKER + _DRAWS):
        rng = np.random.default_rng(seed)
        for question in Scene(seed, plot).questions(float(rng.uniform(10.0, 40.0)), 0.0, rng):
            known = texts[question.kind]
            if len(known) < TEXTS_A_KIND and question.text not in known:
                known.append(question.text)
    return [text for known in texts.values() for text in known]


def without_sieve(model: Model) -> Model:
    """The model as if it had never had one: all tokens, or those of the method that needs none."""
    bare = replace(model, cs2=None, selector=KeepAll())
    return replace(bare, selector=method_of(bare, default_name(bare)).selector)


def _teach(plan: Plan, folder: Path) -> None:
    """``echosieve train``, as a user would call it."""
    options = {
        "--model": plan.model,
        "--recordings": folder / "recordings",
        "--questions": folder / "questions.txt",
        "--config": folder / "settings.json",
        "--run": folder / "run",
        "--out": folder / "sieve",
        "--threads": plan.threads,
    }
    train(["--fresh", *(str(part) for option in options.items() for part in option)])


def _measuring(plan: Plan, model: Model) -> Measuring:
    return Measuring(
        plan.seed,
        plan.streams,
        plan.stream_s,
        plan.moments,
        random_retentions=(),
        world=plan.world,
        horizon_s=horizon_s(model),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sieve.eval.distillation", description=__doc__)
    usual = Plan()
    parser.add_argument("--folder", type=Path, required=True, help="of all that is made")
    parser.add_argument("--model", default=usual.model, help="directory, or demo (%(default)s)")
    parser.add_argument("--world", choices=tuple(SHOWN), default=usual.world)
    parser.add_argument("--minutes", type=float, default=usual.minutes, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=usual.steps, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="first stream (%(default)s)")
    parser.add_argument("--streams", type=int, default=usual.streams, help="(%(default)s)")
    parser.add_argument(
        "--duration", dest="stream_s", type=float, default=usual.stream_s, help="seconds a stream"
    )
    parser.add_argument("--moments", type=int, default=usual.moments, help="a stream (%(default)s)")
    parser.add_argument("--threads", type=int, default=usual.threads, help="(%(default)s)")
    args = vars(parser.parse_args(argv))
    folder = args.pop("folder")
    plan = Plan(**args)
    if plan.minutes <= 0 or min(plan.steps, plan.streams, plan.moments, plan.threads) < 1:
        parser.error("minutes are above 0; steps, streams, moments and threads 1 or more")
    try:
        found = distil(plan, folder)
    except SieveError as error:
        parser.exit(1, f"{error}\n")
    for name in ("without", "with"):
        shown = {arm: of["mean"] for arm, of in found[name]["accuracy"].items()}
        print(f"{name} a sieve of its own: {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
