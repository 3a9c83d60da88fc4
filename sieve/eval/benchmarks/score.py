"""Scores as each benchmark defines its own: from single judgements to the published figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from sieve.eval.benchmarks.dailyomni import AFTER, BEFORE
from sieve.eval.benchmarks.ovobench import GROUPS


@dataclass(frozen=True, slots=True)
class Judged:
    """One answered question: of which task and group, whether it was right, and readable."""

    task: str
    group: str
    right: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """``right`` of ``asked``; of the wrong ones ``unparsable`` could not be read."""

    asked: int
    right: int
    unparsable: int

    @property
    def percent(self) -> float:
        return round(100 * self.right / self.asked, 2)


@dataclass(frozen=True, slots=True)
class Score:
    """``figures``: the published ones first, in percent. ``tasks`` and ``groups``: what they are
    made of. ``all``: every question."""

    figures: dict[str, float]
    tasks: dict[str, Tally]
    groups: dict[str, Tally]
    all: Tally

    def as_json(self) -> dict[str, Any]:
        def tallies(parts: dict[str, Tally]) -> dict[str, Any]:
            return {name: asdict(part) | {"percent": part.percent} for name, part in parts.items()}

        return {
            "figures": self.figures,
            "tasks": tallies(self.tasks),
            "groups": tallies(self.groups),
            "all": tallies({"all": self.all})["all"],
        }


def score(benchmark: str, judged: Sequence[Judged]) -> Score:
    """The score of what was answered; needs one answer at least."""
    return Score(
        figures=_FIGURES.get(benchmark, _accuracy)(judged),
        tasks=_by(judged, lambda one: one.task),
        groups=_by(judged, lambda one: one.group),
        all=tally(judged),
    )


def tally(judged: Iterable[Judged]) -> Tally:
    every = list(judged)
    unparsable = sum(not one.readable for one in every)
    return Tally(len(every), sum(one.right for one in every), unparsable)


def _by(judged: Sequence[Judged], key: Callable[[Judged], str]) -> dict[str, Tally]:
    names = sorted({key(one) for one in judged} - {""})
    return {name: tally(one for one in judged if key(one) == name) for name in names}


def _accuracy(judged: Sequence[Judged]) -> dict[str, float]:
    """WorldSense, Video-MME: the share of all questions."""
    return {"accuracy": tally(judged).percent}


def _task_mean(judged: Sequence[Judged]) -> float:
    tasks = _by(judged, lambda one: one.task).values()
    return mean(100 * part.right / part.asked for part in tasks)


def _m_avg(judged: Sequence[Judged]) -> dict[str, float]:
    """MLVU: the mean over tasks, each counting the same."""
    return {"M-Avg": round(_task_mean(judged), 2)}


def _group_means(judged: Sequence[Judged]) -> dict[str, float]:
    """OVO-Bench: a group is the mean of its tasks, the benchmark the mean of its three groups."""
    means = {
        group: _task_mean([one for one in judged if one.group == group])
        for group in GROUPS
        if any(one.group == group for one in judged)
    }
    figures = {f"mean of {len(means)} groups": mean(means.values())} | means
    return {name: round(figure, 2) for name, figure in figures.items()}


def _by_order(judged: Sequence[Judged]) -> dict[str, float]:
    """Daily-Omni: both orders of text and video, neither of them "the" score."""
    parts = _by(judged, lambda one: one.group)
    return {order: parts[order].percent for order in (AFTER, BEFORE) if order in parts}


def _by_category(judged: Sequence[Judged]) -> dict[str, float]:
    """StreamingBench: each category over its questions, and all questions together."""
    parts = _by(judged, lambda one: one.group)
    return {"all questions": tally(judged).percent} | {n: p.percent for n, p in parts.items()}


_FIGURES: dict[str, Callable[[Sequence[Judged]], dict[str, float]]] = {
    "dailyomni": _by_order,
    "mlvu": _m_avg,
    "ovobench": _group_means,
    "streamingbench": _by_category,
}
