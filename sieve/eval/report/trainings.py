"""What sieves that were trained apart have shown. Pure.

Two documents: a study of ablations and estimators (``sieve.train.demo.study``), every arm trained
alike; and a distillation (``sieve.eval.distillation``), a sieve from recordings
without labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sieve.eval.arms import Budget
from sieve.eval.report.effects import effect
from sieve.eval.report.markdown import number, points, table
from sieve.eval.report.paper import difference
from sieve.eval.stats import mean_interval
from sieve.train.demo.study import ARMS

Results = dict[str, Any]
REFERENCE = "full method"
SAME_BEGIN = "full method, from read"  # begins where those without labels do
BEFORE_FASTAV = "similarity"  # the default without CS2 weights when files did not name it
ABOUT = (
    "The full method is the recipe of the built-in model: labels of what matters, the softmax "
    "estimator, and a choice that strays from the scores by Gumbel noise of half the usual size, "
    "of which the gradient does not know. Arms named after an estimator choose by the scores as "
    "they are; Gumbel by noisy ones, whose gradient it takes. None is noisy when examined. Arms "
    "begin after the stage `refine`; OmniSIFT, raw-embedding output and those without labels one "
    "stage earlier, as `full method, from read` does, to compare with. Other rotary axes than the "
    "checkpoint's have to be learned anew."
)
LABEL_FREE = (
    "Without labels: nothing is learned but the answers. No loss on scores, refined tokens or the "
    "decoder's middle, no memory made too small, no answer left out because of what labels say "
    "that a memory has lost. What remains of labels: these arms begin with the decoder of the "
    "stage `read`, which learned on tokens chosen by label, and to say what each of them shows; "
    "the sieve begins untrained."
)
WORLDS = {"compositions": "compositions never seen in training", "seeds": "the training's own"}
_NO_KINDS = ("mean", "calibration error")


def folded(study: Mapping[str, Any]) -> Results:
    """A study as its command writes it -> one line for each arm, world and budget."""
    lines = [
        {
            "arm": arm,
            "labels": arm not in _without_labels(),
            "world": world,
            "budget": Budget(float(retention)).name,
            "by_seed": {seed: found[exam]["mean"] for seed, found in by_seed.items()},
            "by_kind": _by_kind([found[exam] for found in by_seed.values()]),
        }
        for arm, by_seed in study["arms"].items()
        for exam in next(iter(by_seed.values()))
        for world, _, retention in [exam.partition(" at ")]
    ]
    return {"steps": study["steps"], "lines": lines}


def _without_labels() -> set[str]:
    return {arm.name for arm in ARMS if not arm.has_labels}


def _by_kind(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over seeds of every kind."""
    kinds = [kind for kind in found[0] if kind not in _NO_KINDS]
    return {kind: round(float(np.mean([of[kind] for of in found])), 1) for kind in kinds}


class Lines:
    """The lines of one world of a folded study, by arm and budget."""

    def __init__(self, study: Results, world: str) -> None:
        self._at = {
            (line["arm"], line["budget"]): line for line in study["lines"] if line["world"] == world
        }

    def arms(self, *, labels: bool) -> list[str]:
        """Names, the reference left out."""
        found = (arm for (arm, _), line in self._at.items() if line["labels"] == labels)
        return [arm for arm in dict.fromkeys(found) if arm != REFERENCE]

    def accuracy(self, arm: str, budget: str) -> list[float | None] | None:
        """Mean over seeds with its interval."""
        line = self._at.get((arm, budget))
        return None if line is None else _points(line["by_seed"].values())

    def behind(self, arm: str, budget: str) -> list[float | None] | None:
        """Points against the reference, paired by seed, with an interval."""
        line, against = self._at.get((arm, budget)), self._at.get((REFERENCE, budget))
        if line is None or against is None:
            return None
        shared = [seed for seed in line["by_seed"] if seed in against["by_seed"]]
        if not shared:
            return None
        return _points(line["by_seed"][seed] - against["by_seed"][seed] for seed in shared)

    @property
    def full(self) -> str:
        """The arm whose accuracy with all tokens those without labels are held against: the full
        method from where they begin, or from where it does, if that is all that was trained."""
        return SAME_BEGIN if (SAME_BEGIN, "100 %") in self._at else REFERENCE

    def share(self, arm: str, budget: str, of: str) -> list[float | None] | None:
        """Per cent of what ``of`` reaches with all tokens, paired by seed, with an interval."""
        line, whole = self._at.get((arm, budget)), self._at.get((of, "100 %"))
        if line is None or whole is None:
            return None
        shared = [seed for seed in line["by_seed"] if whole["by_seed"].get(seed)]
        if not shared:
            return None
        return _points(100 * line["by_seed"][seed] / whole["by_seed"][seed] for seed in shared)


def _points(values: Iterable[float]) -> list[float | None]:
    """Value, low, high; the last two None where one seed cannot tell."""
    found = mean_interval(list(values))
    return [
        None if math.isnan(x) else round(x, 1) + 0.0 for x in (found.value, found.low, found.high)
    ]


def study_section(study: Results | None) -> str:
    """Tables of the arms with labels beside the paper's figures, and of those without."""
    if study is None:
        return ""
    seeds = {seed for line in study["lines"] for seed in line["by_seed"]}
    said = (
        f"Every arm was trained for {study['steps']} steps with {len(seeds)} seeds, and differs in "
        f"one thing (docs/TRAINING.md). {ABOUT}\n\n"
        "In brackets the 95 % interval of Student's t over the seeds. Differences are points "
        "against the full method, paired by seed; beside them the paper's, on Daily-Omni with "
        "Qwen2.5-Omni-3B, which has one figure for both sides of the text.\n"
    )
    parts = [f"## Ablations by training\n\n{said}"]
    for world, words in WORLDS.items():
        lines = Lines(study, world)
        if lines.accuracy(REFERENCE, "20 %") is not None:
            parts += [f"### {words.capitalize()}\n", _with_labels(lines), _label_free(lines)]
    return "\n".join(part for part in parts if part)


def _with_labels(lines: Lines) -> str:
    budgets = ("20 %", "10 %", "5 %")
    rows = [
        (
            arm,
            points(lines.accuracy(arm, "20 %")),
            *(points(lines.behind(arm, budget), signed=True) for budget in budgets),
            number(difference(arm), "+.1f"),
            effect(lines.behind(arm, "20 %") or (None,) * 3, difference(arm)),
        )
        for arm in (REFERENCE, *lines.arms(labels=True))
    ]
    rows[0] = (REFERENCE, rows[0][1], *[number(None)] * (len(budgets) + 2))
    differences = (f"difference at {budget}" for budget in budgets)
    return table(("arm", "at 20 %", *differences, "paper at 20 %", "same sign"), rows)


def _label_free(lines: Lines) -> str:
    arms = lines.arms(labels=False)
    if not arms:
        return ""
    budgets, shared = ("100 %", "20 %", "10 %", "5 %"), ("20 %", "10 %")
    rows = [
        (
            arm,
            *(points(lines.accuracy(arm, budget)) for budget in budgets),
            *(points(lines.share(arm, budget, lines.full)) for budget in shared),
            *(points(lines.share(arm, budget, arm)) for budget in shared),
        )
        for arm in arms
    ]
    said = (
        f"{LABEL_FREE} *Of full*: per cent of what `{lines.full}` reaches with all tokens; *of its "
        "own*: of what the arm itself does.\n"
    )
    shares = (f"{of} at {budget}" for of in ("of full", "of its own") for budget in shared)
    return f"{said}\n{table(('arm', *budgets, *shares), rows)}"


def distilled_section(found: Results | None) -> str:
    """The model without a sieve, and with the one that recordings have taught it."""
    if found is None:
        return ""
    setting, without, taught = found["setting"], found["without"], found["with"]
    rows = [
        (name, *(_mean(of, arm) for arm in taught["accuracy"]))
        for name, of in (
            (f"no sieve (below 100 %: {setting.get('selector', BEFORE_FASTAV)})", without),
            ("distilled", taught),
        )
    ]
    rows.append(("per cent of all tokens without a sieve", *_shares(found)))
    asked = sum(taught["questions"].values())
    said = (
        f"{setting['minutes']:g} minutes of rendered recordings without labels, {setting['steps']} "
        f"steps of self-distillation on the model `{setting['model']}` without its sieve (`make "
        f"distil`). {asked} questions in the world `{taught['world']}`, streams from seed "
        f"{taught['seed']} on; in brackets the 95 % interval of a bootstrap over streams.\n"
    )
    columns = ("", *taught["accuracy"])
    return f"## A sieve from recordings without labels\n\n{said}\n{table(columns, rows)}"


def _mean(of: Results, arm: str) -> str:
    if arm not in of["accuracy"]:
        return points(None)
    return points([of["accuracy"][arm]["mean"], *of["interval"][arm]])


def _shares(found: Results) -> list[str]:
    return [number(distilled_share(found, arm), ".1f") for arm in found["with"]["accuracy"]]


def distilled_share(found: Results, arm: str) -> float:
    """Accuracy of the distilled sieve in an arm, per cent of all tokens without a sieve."""
    full = found["without"]["accuracy"]["100% kept"]["mean"]
    return float(100 * found["with"]["accuracy"][arm]["mean"] / full)
