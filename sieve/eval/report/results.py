"""What a run has shown, compact: outcomes folded into counts, shares and intervals. Pure.

The JSON of a run's results stands in the repository; ``page`` writes tables and plots from it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from sieve.eval.arms import Budget
from sieve.eval.outcomes import LeftOut, Outcome
from sieve.eval.stats import (
    Interval,
    Tally,
    accuracy_interval,
    calibration_error,
    paired_difference,
    paired_share,
    spearman,
)
from sieve.eval.tasks import TASKS
from stream.world.questions import AGE_KINDS

REFERENCES = ("sieve", "score with age")  # what others are told against: the one that was run
AGES_S = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 900.0, 1310.0, 4096.0)
MOMENTS_S = (0.0, 600.0, 1200.0, 1320.0, 1500.0, 1800.0, 2400.0)
HORIZON_S = 1310.0  # 32,768 ids
YES_NO = ("yes", "no")
MOST_POINTS = 60  # of a scatter plot
TOKENS_PER_S = 34  # of the rendered streams

Group = tuple[str, str, str, str]  # task, mode, arm, budget
Results = dict[str, Any]
Which = Callable[[Outcome], bool]
Compare = Callable[[Tally, Tally], Interval]


def results(
    outcomes: Sequence[Outcome], setting: Results, left_out: Iterable[LeftOut] = ()
) -> Results:
    """``setting`` of the run, and beside it everything that the report tells."""
    groups = _groups(outcomes)
    return {
        "setting": setting,
        "left_out": [asdict(line) for line in left_out],
        "tasks": _tasks(outcomes),
        "cells": [_cell(key, found, groups) for key, found in groups.items()],
        "balance": [_balance(key, found) for key, found in groups.items() if _balances(found)],
        "ages": [line for key, found in groups.items() for line in _ages(key, found)],
        "when": [line for key, found in groups.items() for line in _ages(key, _when(found))],
        "moments": [line for key, found in groups.items() for line in _moments(key, found)],
        "older": _against(groups, "newest windows whole", _older_than_its_window),
        "present": _against(groups, "recent-4-frames", _about_now),
        "regret": _regrets(groups),
        "calibration": [_calibration(key, found) for key, found in groups.items() if _asks(found)],
    }


def _groups(outcomes: Iterable[Outcome]) -> dict[Group, list[Outcome]]:
    groups: dict[Group, list[Outcome]] = defaultdict(list)
    for line in outcomes:
        groups[line.task, line.mode, line.arm, line.budget].append(line)
    return dict(groups)


def _named(key: Group) -> Results:
    return dict(zip(("task", "mode", "arm", "budget"), key, strict=True))


def _tasks(outcomes: Sequence[Outcome]) -> Results:
    """By task: how much was asked, and what guessing would give."""
    asked = {(o.task, o.seed, o.case, o.number): o for o in outcomes}.values()
    told = {}
    for task, found in groupby(sorted(asked, key=lambda o: o.task), key=lambda o: o.task):
        lines = list(found)
        kinds = _by_kind(lines)
        told[task] = {
            "seeds": sorted({line.seed for line in lines}),
            "cases": len({(line.seed, line.case) for line in lines}),
            "questions": {kind: len(of) for kind, of in kinds.items()},
            "compositions": TASKS[task].compositions if task in TASKS else None,
            "majority": _percent(np.mean([_majority(of) for of in kinds.values()])),
            "chance": _percent(np.mean([np.mean([o.chance for o in of]) for of in kinds.values()])),
        }
    return told


def _by_kind(lines: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for line in lines:
        kinds[line.kind].append(line)
    return dict(sorted(kinds.items()))


def _majority(lines: Sequence[Outcome]) -> float:
    """The share of the most frequent answer."""
    return Counter(line.truth for line in lines).most_common(1)[0][1] / len(lines)


def _cell(key: Group, found: Sequence[Outcome], groups: dict[Group, list[Outcome]]) -> Results:
    seeds = sorted({line.seed for line in found})
    by_seed = {seed: [line for line in found if line.seed == seed] for seed in seeds}
    kept = np.mean([sum(line.kept) for line in found])
    seen = np.mean([sum(line.seen) for line in found])
    return {
        **_named(key),
        "cases": len({(line.seed, line.case) for line in found}),
        "questions": len(found),
        "accuracy": _points(accuracy_interval(tally(found))),
        "by_seed": {seed: _points(accuracy_interval(tally(of)))[0] for seed, of in by_seed.items()},
        "by_kind": {
            kind: [sum(line.right for line in of), len(of)] for kind, of in _by_kind(found).items()
        },
        "tokens": [round(float(kept), 1), round(float(seen), 1)],
        "difference": _difference(key, found, groups),
        "of_full": _of_full(key, found, groups),
    }


def _difference(
    key: Group, found: Sequence[Outcome], groups: dict[Group, list[Outcome]]
) -> list[float | None] | None:
    """Points above the reference arm at the same budget, on the cases that both have."""
    task, mode, arm, budget = key
    there = (name for name in REFERENCES if (task, mode, name, budget) in groups)
    reference = next(there, arm)
    if arm == reference:
        return None
    return _paired(found, groups[task, mode, reference, budget])


def _of_full(
    key: Group, found: Sequence[Outcome], groups: dict[Group, list[Outcome]]
) -> list[float | None] | None:
    """Accuracy in per cent of that with all tokens, on the cases that both have."""
    task, mode, arm, _ = key
    full = groups.get((task, mode, "full", "100 %"))
    if full is None or arm == "full":
        return None
    share = _paired(found, full, paired_share)
    return None if share is None or share[0] is None else share


def _paired(
    one: Sequence[Outcome], other: Sequence[Outcome], compare: Compare = paired_difference
) -> list[float | None] | None:
    shared = {_question(line) for line in one} & {_question(line) for line in other}
    if not shared:
        return None
    ours, theirs = ([line for line in of if _question(line) in shared] for of in (one, other))
    return _points(compare(tally(ours), tally(theirs)))


def _question(line: Outcome) -> tuple[str, int, int, int]:
    return line.task, line.seed, line.case, line.number


def tally(outcomes: Sequence[Outcome]) -> Tally:
    """Right and asked by case and kind, cases and kinds in their order."""
    cases = sorted({(line.task, line.seed, line.case) for line in outcomes})
    kinds = sorted({line.kind for line in outcomes})
    right, asked = np.zeros((2, len(cases), len(kinds)))
    rows, columns = ({name: i for i, name in enumerate(names)} for names in (cases, kinds))
    for line in outcomes:
        at = rows[line.task, line.seed, line.case], columns[line.kind]
        right[at] += line.right
        asked[at] += 1
    return Tally(right, asked)


def _balances(found: Sequence[Outcome]) -> bool:
    return found[0].task == "T3" and any(sum(line.kept) for line in found)


def _balance(key: Group, found: Sequence[Outcome]) -> Results:
    """The share of sound among what is kept against its share among what there is, by case."""
    cases = {_question(line)[:3]: line for line in found if sum(line.kept) and sum(line.dense)}
    true = [line.dense[1] / sum(line.dense) for line in cases.values()]
    kept = [line.kept[1] / sum(line.kept) for line in cases.values()]
    points = [[round(x, 3), round(y, 3)] for x, y in zip(true, kept, strict=True)]
    return {
        **_named(key),
        "cases": len(points),
        "spearman": _finite(spearman(true, kept)) if points else None,
        "points": sorted(points)[:: max(1, len(points) // MOST_POINTS)],
    }


def _ages(key: Group, found: Sequence[Outcome]) -> list[Results]:
    """Accuracy by the age of the evidence; only tasks that ask about more than a minute."""
    if max((line.age_s for line in found), default=0.0) < 60.0:
        return []
    return _bands(key, found, "age_s", AGES_S)


def _when(found: Sequence[Outcome]) -> list[Outcome]:
    """What is answered by an age."""
    return [line for line in found if line.kind in AGE_KINDS]


def _moments(key: Group, found: Sequence[Outcome]) -> list[Results]:
    """Accuracy by the moment of the question; only tasks that go past the horizon."""
    if max(line.at_s for line in found) < HORIZON_S:
        return []
    return _bands(key, found, "at_s", MOMENTS_S)


def _bands(
    key: Group, found: Sequence[Outcome], name: str, edges: Sequence[float]
) -> list[Results]:
    """Accuracy of the questions whose ``name`` lies between neighbouring ``edges``."""
    lines = []
    for low, high in pairwise(edges):
        of = [line for line in found if low <= getattr(line, name) < high]
        if of:
            shown = _points(accuracy_interval(tally(_one_kind(of))))
            band = {name: [low, high], "questions": len(of), "accuracy": shown}
            lines.append({**_named(key), **band})
    return lines


def _one_kind(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """As if all were of one kind: where few of each were asked, questions count, not kinds."""
    return [replace(line, kind="any") for line in outcomes]


def _against(groups: dict[Group, list[Outcome]], arm: str, which: Which) -> list[Results]:
    """Points by which each other arm is ahead of ``arm``, on the questions ``which`` picks."""
    lines = []
    for key, found in groups.items():
        task, mode, name, budget = key
        theirs = [line for line in groups.get((task, mode, arm, budget), []) if which(line)]
        ours = [line for line in found if which(line)]
        if name != arm and theirs and ours:
            ahead = _paired(_one_kind(ours), _one_kind(theirs))
            lines.append({**_named(key), "questions": len(ours), "ahead": ahead})
    return lines


def _older_than_its_window(line: Outcome) -> bool:
    """Whether all evidence had left a memory of this budget that holds the newest tokens only."""
    return line.age_s > Budget.named(line.budget).slots / TOKENS_PER_S > 0


def _about_now(line: Outcome) -> bool:
    return line.kind.startswith("now")


def _regrets(groups: dict[Group, list[Outcome]]) -> list[Results]:
    """Points by which the whole clip, question known, is ahead of the stream, question late."""
    lines = []
    for (task, mode, arm, budget), live in groups.items():
        whole = groups.get((task, "offline", arm, budget))
        if mode == "streamed" and whole is not None:
            lines.append(
                {
                    **_named((task, mode, arm, budget)),
                    "questions": len(live),
                    "regret": _paired(whole, live),
                }
            )
    return lines


def _asks(found: Sequence[Outcome]) -> bool:
    return any(line.truth in YES_NO for line in found)


def _calibration(key: Group, found: Sequence[Outcome]) -> Results:
    """Of questions answered with yes or no."""
    lines = [line for line in found if line.truth in YES_NO]
    sure = [line.confidence for line in lines]
    error = calibration_error(sure, [line.right for line in lines])
    return {**_named(key), "questions": len(lines), "error": _percent(error)}


def _points(interval: Interval) -> list[float | None]:
    """Percent: value, low, high; null where one case cannot tell."""
    edges = (interval.value, interval.low, interval.high)
    return [None if math.isnan(edge) else _percent(edge) for edge in edges]


def _percent(share: float | np.floating[Any]) -> float:
    return round(100 * float(share), 1) + 0.0


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
