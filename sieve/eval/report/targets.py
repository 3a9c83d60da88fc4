"""What the built-in model is meant to reach, and whether the results show it. Pure.

Every target is told: one that no result tells of is "not measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sieve.eval.report.markdown import NOTHING, Triple, points
from sieve.eval.report.regret import knowing
from sieve.eval.report.tables import cells_of, untrained
from sieve.eval.report.trainings import Lines, distilled_share
from sieve.eval.stats import mean_interval
from sieve.selectors import METHODS

Results = dict[str, Any]
LABEL_FREE = {"20 %": 97.0, "10 %": 94.0}  # per cent of the full accuracy
OF_FULL = {"20 %": 99.5, "10 %": 99.0, "5 %": 96.0}  # per cent of the full accuracy
TASKS = {"clips": "clips", "streams": "half an hour"}
WHOLE_CLIP = "the whole clip, question known"
MEMORY, REGRET = "memory: ahead of recent-N beyond its window", "streaming regret"
CARD = ("world", "seed", "streams", "duration_s", "moments", "turns", "look_back", "tracks")
UNMEASURED, MET, MISSED = "not measured", "met", "missed"
OPEN = ", the interval leaves it open"


@dataclass(frozen=True, slots=True)
class Target:
    """``got`` (value, low, high) is to be at least ``goal``, or at most; None: not measured. ``n``
    questions tell it, ``weights`` where they are not the built-in model's of now. ``weak``: held
    against something out of distribution, or met without what is to be shown."""

    says: str
    goal: float
    got: Triple | None = None
    n: int = 0
    at_most: bool = False
    weights: str = ""
    weak: bool = False

    @property
    def status(self) -> str:
        """Met or missed by the value; whether the interval leaves it open."""
        if self.got is None or self.got[0] is None:
            return UNMEASURED
        sign = -1 if self.at_most else 1
        status = MET if sign * self.got[0] >= sign * self.goal else MISSED
        edges = [edge for edge in self.got[1:] if edge is not None]
        open_ = bool(edges) and min(edges) < self.goal <= max(edges)
        status += OPEN if open_ else ""
        return f"{status}; weak evidence" if self.weak else status

    @property
    def row(self) -> str:
        sign, asked = "≤" if self.at_most else "≥", str(self.n) if self.n else NOTHING
        got, weights = points(self.got), self.weights or NOTHING
        cells = (self.says, f"{sign} {self.goal:g}", got, asked, self.status, weights)
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All documents that targets are read from; ``weights`` of the built-in model now, its
    ``card``, and the same measure of a training that was ``reproduced``."""

    studies: Mapping[str, Results]
    trainings: Results | None = None
    distilled: Results | None = None
    reproduced: Results | None = None
    card: Results | None = None
    weights: str = ""

    def with_task(self, *names: str, task: str) -> Results | None:
        """The first study of these names that asked ``task``."""
        found = (self.studies.get(name) for name in names)
        return next((study for study in found if study and task in study["tasks"]), None)

    def other(self, study: Results | None) -> str:
        """The weights of a study, or its model, where they are not the built-in model's."""
        if study is None:
            return ""
        setting = study["setting"]
        if setting.get("model", "demo") != "demo":
            return str(setting["model"])
        its = str(setting.get("weights", "not told"))
        return "" if its == self.weights else its


def all_targets(found: Evidence) -> list[Target]:
    """In the order in which they were set."""
    told: list[Target] = []
    for task, words in TASKS.items():
        study = found.with_task("arms", "streams", task=task)
        reader = _Reader(study, task, words, found.other(study))
        told += [*reader.kept(), *reader.ahead(), reader.present()]
    return [
        *told,
        *_older(found),
        *_regret(found),
        *_without_labels(found.trainings),
        _distilled(found),
        _reproduced(found),
    ]


def targets(found: Evidence) -> str:
    """A table of every target; nothing where there are no results at all."""
    if not (found.studies or found.trainings or found.distilled):
        return ""
    said = (
        "On held-out compositions and fresh seeds, live. Met or missed by the value; where the "
        "interval holds the goal it is left open. The interval of a share of full is paired by "
        "case, or, in files that were folded before that was kept, Student's t over the seeds. The "
        "best method is chosen and told on the same questions, which favours it. Weak evidence: "
        "the whole clip is out of the sieve's distribution (below: what causality costs); without "
        "a sieve a choice that nobody trained keeps as much as a distilled one. Weights: of the "
        "built-in model, where they are not those of now.\n"
    )
    head = "| target | goal | measured | questions | met | weights |\n|---|---:|---:|---:|---|---|"
    rows = "\n".join(target.row for target in all_targets(found))
    return f"## Targets\n\n{said}\n{head}\n{rows}\n"


@dataclass(frozen=True, slots=True)
class _Reader:
    """The targets of one task of the comparison, ``words`` in front of each."""

    study: Results | None
    task: str
    words: str
    weights: str

    def kept(self) -> Iterator[Target]:
        """The full accuracy, and what of it is left at each budget."""
        full = self._cells("100 %").get("full")
        yield self._target("all tokens", 98.0, full, full["accuracy"] if full else None)
        for budget, goal in OF_FULL.items():
            sieve = self._cells(budget).get("sieve")
            left = of_full(sieve, full) if sieve and full else None
            yield self._target(f"sieve at {budget}, per cent of full", goal, sieve, left)

    def ahead(self) -> Iterator[Target]:
        """How far the sieve is ahead of others at 10 %."""
        cells = self._cells("10 %")
        raw = _best({arm: cell for arm, cell in cells.items() if arm in METHODS})
        refined = _best({arm: cell for arm, cell in cells.items() if arm not in METHODS})
        for goal, arm, words in (
            (25.0, "random", "random"),
            (25.0, "refined-random", "random on refined tokens"),
            (10.0, raw, "the best method without training"),
            (10.0, refined, "the best of them on refined tokens (the trained refiner's)"),
            (5.0, "per-modality top-k", "per-modality top-k"),
        ):
            named = f"{words}, {arm}," if words.startswith("the best") and arm else words
            cell = cells.get(arm)
            ahead = _negated(cell["difference"]) if cell else None
            yield self._target(f"ahead of {named} at 10 %", goal, cell, ahead)

    def present(self) -> Target:
        """Against the newest frames, where those are what is asked about."""
        at, lines = (self.task, "sieve", "10 %"), self.study["present"] if self.study else []
        found = (line for line in lines if (line["task"], line["arm"], line["budget"]) == at)
        line, says = next(found, None), "ahead of recent-4-frames about the present at 10 %"
        return self._target(says, -1.0, line, line["ahead"] if line else None)

    def _cells(self, budget: str) -> dict[str, Results]:
        return cells_of(self.study, self.task, budget) if self.study else {}

    def _target(self, says: str, goal: float, of: Results | None, got: Triple | None) -> Target:
        n = of["questions"] if of and got else 0
        return Target(f"{self.words}: {says}", goal, got, n, weights=self.weights if got else "")


def _best(cells: Mapping[str, Results]) -> str:
    """The method without training of its own that comes nearest to the sieve; empty for none."""
    known = {
        arm: cell["difference"][0]
        for arm, cell in cells.items()
        if untrained(arm) and cell["difference"] is not None
    }
    return max(known, key=lambda arm: known[arm], default="")


def _negated(interval: Triple | None) -> Triple | None:
    if interval is None:
        return None
    value, low, high = (None if edge is None else -edge + 0.0 for edge in interval)
    return value, high, low


def of_full(cell: Results, full: Results) -> Triple | None:
    """Per cent of the full accuracy; the interval paired by case where the file has it, else
    over the seeds."""
    if cell.get("of_full"):
        return list(cell["of_full"])
    if not full["accuracy"][0]:
        return None
    value = 100 * cell["accuracy"][0] / full["accuracy"][0]
    shared = [seed for seed in cell["by_seed"] if full["by_seed"].get(seed)]
    if len(shared) < 2:
        return [value]
    spread = mean_interval([100 * cell["by_seed"][s] / full["by_seed"][s] for s in shared])
    half = (spread.high - spread.low) / 2
    return value, value - half, value + half


def _older(found: Evidence) -> Iterator[Target]:
    study = found.with_task("memory", task="memory")
    at = ("memory", "score with age")
    lines = [line for line in study["older"] if (line["task"], line["arm"]) == at] if study else []
    for line in lines:
        says = f"{MEMORY}, {line['budget']}"
        yield Target(says, 30.0, line["ahead"], line["questions"], weights=found.other(study))
    if not lines:
        yield Target(MEMORY, 30.0)


def _regret(found: Evidence) -> Iterator[Target]:
    """Against the same windows with the question known; beside it against the whole clip."""
    study = found.studies.get("regret")
    for words, lines in (
        ("the same windows, question known", _knowing(study)),
        (WHOLE_CLIP, _whole(study)),
    ):
        weights, weak = found.other(study), words == WHOLE_CLIP
        for task, budget, got, n in lines:
            says = f"{task}: {REGRET} at {budget} against {words}"
            yield Target(says, 2.0, got, n, at_most=True, weights=weights, weak=weak)
        if not lines:
            yield Target(f"{REGRET} against {words}", 2.0, at_most=True)


_Line = tuple[str, str, Triple, int]


def _knowing(study: Results | None) -> Sequence[_Line]:
    cells = knowing(study) if study else []
    return [(cell["task"], cell["budget"], cell["difference"], cell["questions"]) for cell in cells]


def _whole(study: Results | None) -> Sequence[_Line]:
    lines = study["regret"] if study else []
    return [
        (line["task"], line["budget"], line["regret"], line["questions"])
        for line in lines
        if line["arm"] == "sieve" and line["regret"] is not None
    ]


def _without_labels(study: Results | None) -> Iterator[Target]:
    """The best of the estimators, on compositions that training never shows."""
    for budget, goal in LABEL_FREE.items():
        says = f"without labels at {budget}, per cent of full"
        if study is None:
            yield Target(says, goal)
            continue
        lines = Lines(study, "compositions")
        shares = {arm: lines.share(arm, budget, lines.full) for arm in lines.arms(labels=False)}
        known = {arm: share for arm, share in shares.items() if share}
        arm = max(known, key=lambda name: known[name][0] or 0.0, default="")
        named = f"{arm}, the best {says}" if arm else says
        yield Target(named, goal, known.get(arm))


def _distilled(found: Evidence) -> Target:
    says = "distilled from recordings at 20 %, per cent of full"
    if found.distilled is None:
        return Target(says, 97.0)
    asked = sum(found.distilled["with"]["questions"].values())
    share = distilled_share(found.distilled, "20% kept")
    untaught = found.distilled["without"]["accuracy"]
    weak = untaught["20% kept"]["mean"] >= 0.97 * untaught["100% kept"]["mean"]
    weights = found.other(found.distilled)
    return Target(says, 97.0, [share], asked, weights=weights, weak=weak)


def _reproduced(found: Evidence) -> Target:
    """The farthest that a training made anew lies from the shipped accuracies, asked the same."""
    says = "a training made anew: farthest from the shipped accuracies, points"
    card, again = found.card, found.reproduced
    if card is None or again is None or any(card[name] != again[name] for name in CARD):
        return Target(says, 1.0, at_most=True)
    arms = card["accuracy"].keys() & again["accuracy"].keys()
    means = [(card["accuracy"][arm]["mean"], again["accuracy"][arm]["mean"]) for arm in arms]
    farthest = max(abs(ours - theirs) for ours, theirs in means)
    asked = sum(again["questions"].values())
    return Target(says, 1.0, [round(farthest, 1)], asked, at_most=True)
