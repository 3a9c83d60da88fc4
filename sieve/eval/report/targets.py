"""What the built-in model is meant to reach, and whether the results show it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sieve.eval.arms import ARMS
from sieve.eval.report.trainings import Lines, distilled_share

Results = dict[str, Any]
LABEL_FREE = {"20 %": 97.0, "10 %": 94.0}  # per cent of the full accuracy
OF_FULL = {"20 %": 99.5, "10 %": 99.0, "5 %": 96.0}  # per cent of the full accuracy
TRAINED = ("omnisift",)  # methods that are not training-free


@dataclass(frozen=True, slots=True)
class Target:
    """``got`` is to be at least ``goal``, or at most."""

    says: str
    goal: float
    got: float
    at_most: bool = False

    @property
    def row(self) -> str:
        met = self.got <= self.goal if self.at_most else self.got >= self.goal
        sign = "≤" if self.at_most else "≥"
        return f"| {self.says} | {sign} {self.goal:g} | {self.got:.1f} | {'yes' if met else 'no'} |"


def targets(
    found: dict[str, Results], trainings: Results | None = None, distilled: Results | None = None
) -> str:
    """A table of every target that the results tell of; nothing where there is none."""
    told: list[Target] = []
    if "arms" in found:
        for task in found["arms"]["tasks"]:
            told += [*_kept(found["arms"], task), *_ahead(found["arms"], task)]
    if "memory" in found:
        told += _older(found["memory"])
    if "regret" in found:
        told += _regret(found["regret"])
    if trainings is not None:
        told += _without_labels(trainings)
    if distilled is not None:
        share = distilled_share(distilled, "20% kept")
        told.append(Target("distilled from recordings at 20 %, per cent of full", 97.0, share))
    if not told:
        return ""
    rows = "\n".join(target.row for target in told)
    return f"## Targets\n\n| target | goal | measured | met |\n|---|---:|---:|---|\n{rows}\n"


def _cells(study: Results, task: str, budget: str) -> dict[str, Results]:
    """The live cells of a task at a budget, by arm."""
    return {
        cell["arm"]: cell
        for cell in study["cells"]
        if (cell["task"], cell["mode"], cell["budget"]) == (task, "streamed", budget)
    }


def _kept(study: Results, task: str) -> Iterator[Target]:
    """The full accuracy, and what of it is left at each budget."""
    full = _cells(study, task, "100 %").get("full")
    if full is None:
        return
    yield Target(f"{task}: all tokens", 98.0, full["accuracy"][0])
    for budget, share in OF_FULL.items():
        sieve = _cells(study, task, budget).get("sieve")
        if sieve is not None:
            left = 100 * sieve["accuracy"][0] / full["accuracy"][0]
            yield Target(f"{task}: sieve at {budget}, per cent of full", share, left)


def _ahead(study: Results, task: str) -> Iterator[Target]:
    """How far the sieve is ahead of others at 10 %."""
    behind = {
        arm: -cell["difference"][0]
        for arm, cell in _cells(study, task, "10 %").items()
        if cell["difference"] is not None
    }
    untrained = {
        arm: points
        for arm, points in behind.items()
        if arm in ARMS and ARMS[arm].group == "method" and not arm.endswith(TRAINED)
    }
    if "refined-random" in behind:
        yield Target(f"{task}: ahead of random at 10 %", 25.0, behind["refined-random"])
    if untrained:
        arm = min(untrained, key=lambda name: untrained[name])
        yield Target(f"{task}: ahead of {arm}, the best untrained, at 10 %", 10.0, untrained[arm])
    if "per-modality top-k" in behind:
        yield Target(f"{task}: ahead of per-modality at 10 %", 5.0, behind["per-modality top-k"])
    for line in study["present"]:
        if (line["task"], line["arm"], line["budget"]) == (task, "sieve", "10 %"):
            says = f"{task}: ahead of recent-4-frames about the present at 10 %"
            yield Target(says, -1.0, line["ahead"][0])


def _older(study: Results) -> Iterator[Target]:
    for line in study["older"]:
        if line["task"] == "memory" and line["arm"] == "score with age":
            says = f"memory: ahead of recent-N beyond its window, {line['budget']}"
            yield Target(says, 30.0, line["ahead"][0])


def _regret(study: Results) -> Iterator[Target]:
    for line in study["regret"]:
        if line["arm"] == "sieve" and line["regret"] is not None:
            says = f"{line['task']}: streaming regret at {line['budget']}"
            yield Target(says, 2.0, line["regret"][0], at_most=True)


def _without_labels(study: Results) -> Iterator[Target]:
    """The best of the estimators, on compositions that training never shows."""
    lines = Lines(study, "compositions")
    for budget, goal in LABEL_FREE.items():
        shares = {arm: lines.of_full(arm, budget) for arm in lines.arms(labels=False)}
        known = {arm: share for arm, share in shares.items() if share is not None}
        if known:
            arm = max(known, key=lambda name: known[name])
            says = f"{arm}, the best so: at {budget}, per cent of full"
            yield Target(says, goal, known[arm])
