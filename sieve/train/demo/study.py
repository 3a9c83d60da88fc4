"""Ablations and estimators: every arm is trained alike, but for one thing (docs/TRAINING.md).

``python -m sieve.train.demo.study --starts STARTS --run RUN --out study.json``: STARTS holds the
models that the arms begin from (``sieve.train.demo.starts``), RUN the films, which are made where
they are missing. Each arm takes as many steps with as many seeds and is examined on streams held
out. A study that was stopped goes on; what is in the file is not repeated. ``--models FOLDER``
keeps the model of each arm's first seed, and ``trained.json`` beside them, which
``echosieve eval --trained`` reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from sieve.errors import SieveError, TrainingError
from sieve.folder import held, put
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import RECIPES, Recipe
from sieve.train.demo.stages import LABEL_LOSSES, StageConfig
from sieve.train.demo.starts import give_towers, load
from sieve.train.optimise import Schedule
from sieve.train.team import Team, together

STAGE = "sieve"  # what the arms are variations of
_T, _H, _W = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Arm:
    """What is different: fields of the stage's sieving, fields of the stage, the axes of the rotary
    pairs. ``begin``: the stage whose result it starts from: ``refine``, or ``read`` where the
    scores may not have seen labels, or the decoder reads tokens as the towers made them.
    ``used_as``: the suite's arm (``sieve.eval.arms``) that switches the same off in use; None: a
    model's files cannot say it."""

    name: str
    sieving: Mapping[str, Any] = field(default_factory=dict)
    stage: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[int, ...] | None = None
    begin: str = "refine"
    used_as: str | None = "sieve"

    @property
    def has_labels(self) -> bool:
        """Whether anything is learned from labels of the tokens."""
        return any(self.stage.get(name) != 0.0 for name in LABEL_LOSSES)


def _estimated(estimator: str | None) -> dict[str, Any]:
    """The choice by the scores as they are, or as the estimator itself strays from them."""
    return {"estimator": estimator, "noise": 0.0}


def _without_labels(name: str, sieving: Mapping[str, Any]) -> Arm:
    """Nothing is learned but the answers. A memory always has room, as nobody could say what a
    crowded one still can answer."""
    nothing = dict.fromkeys((*LABEL_LOSSES, "crowded"), 0.0)
    return Arm(f"{name}, no labels", sieving, nothing, begin="read")


def _ablation(name: str, begin: str = "refine", **sieving: Any) -> Arm:
    """What is switched off in training is in use, too."""
    return Arm(name, sieving, begin=begin, used_as=name)


def _turned(name: str, axes: tuple[int, ...]) -> Arm:
    return Arm(name, axes=axes, used_as=None)


ARMS = (  # what is most worth knowing comes first: a study may be stopped before its end
    Arm("full method"),
    _without_labels("softmax", _estimated("softmax")),
    Arm("Gumbel", _estimated("gumbel")),
    _turned("without Sync-RoPE", (_T,) * 4 + (_H,) * 6 + (_W,) * 6),
    _ablation("causal refiner", attention="causal"),
    _ablation("intra-modal attention", attention="apart"),
    _ablation("per-modality top-k", choice="per-modality"),
    Arm(
        "refined-similarity",
        {"choice": "similarity", **_estimated(None)},
        {"score_loss": 0.0},
        used_as="refined-similarity",
    ),
    Arm("OmniSIFT", {"method": "omnisift"}, begin="read", used_as="omnisift"),
    Arm("full method, from read", begin="read"),
    _without_labels("full method", {}),
    Arm("softmax", _estimated("softmax")),
    Arm("identity", _estimated("identity")),
    Arm("sigmoid", _estimated("sigmoid")),
    Arm("exchange", _estimated("exchange")),
    Arm("labels alone", {"estimator": None}),
    _ablation("without text", text="none"),
    _ablation("selection without text", text="states"),
    _ablation("absorption without text", text="scores"),
    Arm("question-blind", stage={"aware_share": 0.0}, used_as="question-blind"),
    _ablation("raw-embedding output", begin="read", output="raw"),
    _turned("mid-band rotary", (_H,) * 4 + (_T,) * 8 + (_W,) * 4),
    _ablation("compacted positions", positions="compacted"),
    *(_without_labels(name, _estimated(name)) for name in ("identity", "sigmoid", "gumbel")),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every one of ``arms`` for ``steps`` steps with seeds 0, 1, ... up to ``seeds``."""

    steps: int = 400
    seeds: int = 3
    arms: tuple[Arm, ...] = ARMS


def study(
    run: Run, starts: Path, plan: Plan, out: Path, models: Path | None = None
) -> dict[str, Any]:
    """Trains and examines what ``out`` does not yet hold; a model of each arm goes into ``models``.
    Raises TrainingError where ``starts`` holds no model to begin from, or ``out`` is of another
    plan."""
    found = _begun(plan, out)
    if plan.arms:
        give_towers(run, starts, plan.arms[0].begin)
    run.sampler, run.exams  # noqa: B018  all members of a team wait here until they are made
    for arm in plan.arms:
        results = found["arms"].setdefault(arm.name, {})
        for seed in range(plan.seeds):
            if str(seed) in results:
                continue
            results[str(seed)] = _train(run, starts, arm, plan.steps, seed)
            if run.team.leads:
                if seed == 0 and models is not None and arm.used_as is not None:
                    _keep(run, arm, models)
                _write(found, out)
                run.bulletin.note("study", f"{arm.name}, seed {seed}", arm=arm.name, seed=seed)
    return found


def _keep(run: Run, arm: Arm, models: Path) -> None:
    """The model as it is now, and a line about it in ``trained.json``."""
    directory = models / arm.name.replace(", ", "-").replace(" ", "-")
    run.write(directory)
    if arm.sieving.get("method") == "omnisift":
        run.model.sifter.save(directory)
    path = models / "trained.json"
    told = json.loads(path.read_text()) if path.exists() else []
    line = {"name": f"trained: {arm.name}", "model": directory.name, "arm": arm.used_as}
    kept = [*(other for other in told if other["name"] != line["name"]), line]
    path.write_text(json.dumps(kept, indent=1) + "\n")


def _begun(plan: Plan, out: Path) -> dict[str, Any]:
    if not out.exists():
        return {"steps": plan.steps, "arms": {}}
    found: dict[str, Any] = json.loads(out.read_text())
    if found["steps"] != plan.steps:
        raise TrainingError(
            f"{out} holds a study of {found['steps']} steps, not {plan.steps}: give this one "
            "another file (--out)"
        )
    return found


def _write(found: dict[str, Any], out: Path) -> None:
    put(out, json.dumps(found, indent=2) + "\n")


def _train(run: Run, starts: Path, arm: Arm, steps: int, seed: int) -> dict[str, Any]:
    """One arm from its beginning to its examination, by the leader of the team."""
    config = _config(run, arm, steps)
    axes = run.model.lm.rotary_emb.axis_of_pair
    load(run, starts, arm.begin)
    try:
        if arm.axes is not None:
            run.model.lm.rotary_emb.axis_of_pair = torch.tensor(arm.axes)
        stage = run.stage(config, seed)
        while not stage.optimiser.done:
            stage.step()
        return run.examine(config, config.sieving) if run.team.leads else {}
    finally:
        run.model.lm.rotary_emb.axis_of_pair = axes


def _config(run: Run, arm: Arm, steps: int) -> StageConfig:
    base = next(stage for stage in run.recipe.stages if stage.name == STAGE)
    schedule = Schedule(steps, base.schedule.peak_lr, warmup=min(50, steps))
    sieving = replace(base.sieving, **arm.sieving)
    return replace(base, schedule=schedule, sieving=sieving, **arm.stage)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sieve.train.demo.study", description=__doc__)
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="demo")
    parser.add_argument(
        "--starts", type=Path, required=True, help="folder of the models to begin from"
    )
    parser.add_argument("--run", type=Path, required=True, help="folder for the films")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--steps", type=int, default=400, help="of every arm (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="of every arm (%(default)s)")
    parser.add_argument(
        "--arms", nargs="+", default=[], metavar="NAME", help="only these, in their own order"
    )
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="keep a model of each arm")
    parser.add_argument("--threads", type=int, default=2, help="processor threads (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda ... (%(default)s)")
    args = parser.parse_args(argv)
    chosen = tuple(arm for arm in ARMS if not args.arms or arm.name in args.arms)
    unknown = set(args.arms) - {arm.name for arm in chosen}
    if unknown or args.steps < 1 or args.seeds < 1:
        names = ", ".join(arm.name for arm in ARMS)
        parser.error(f"steps and seeds are 1 or more; there are these arms: {names}")
    plan, members = Plan(args.steps, args.seeds, chosen), args.threads
    given = (RECIPES[args.recipe], args.run, args.device, args.starts, plan, args.out, args.models)
    try:
        with held(args.run):
            meeting = args.out.with_suffix(".meet")
            together(members if args.device == "cpu" else 1, meeting, _join, *given)
    except SieveError as error:
        parser.exit(1, f"{error}\n")
    return 0


def _join(
    team: Team,
    recipe: Recipe,
    folder: Path,
    device: str,
    starts: Path,
    plan: Plan,
    out: Path,
    models: Path | None,
) -> None:
    """One member's part of a study."""
    study(Run(recipe, folder, device, team), starts, plan, out, models)


if __name__ == "__main__":
    sys.exit(main())
