"""What the memory still knows: accuracy by age of the evidence, and past the horizon. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sieve.eval.arms import Budget
from sieve.eval.report.markdown import FEW, NOTHING, Triple, difference, points, table
from sieve.eval.report.names import called, listed
from sieve.eval.report.tables import accuracies, budgets_of, unique

Results = dict[str, Any]
DEFAULT = "score with age"
OLD_S = 512.0
CLOSE = 2.0  # points; means that lie nearer are not told apart

_FREELY = (
    "Measured when milestones still paired things and sounds freely, with pairs that training "
    "shows among them.\n"
)


def groups_of(lines: Iterable[Results], *, intervals: bool = True) -> dict[str, list[str]]:
    """Arms whose figures are the same in every band of every budget, by the first of them."""
    figures: dict[str, list[Any]] = {}
    for line in lines:
        shown = line["accuracy"] if intervals else line["accuracy"][0]
        band = line.get("age_s") or line["at_s"]
        figures.setdefault(line["arm"], []).append((line["budget"], band, shown))
    groups: dict[str, list[str]] = {}
    for arm, own in figures.items():
        first = next((name for name in groups if figures[name] == own), arm)
        groups.setdefault(first, []).append(arm)
    return groups


def memory_section(study: Results | None) -> str:
    """By age and slots, and what of it speaks for the default."""
    if study is None:
        return ""
    groups = groups_of(study["ages"])
    parts = [
        "## Memory: accuracy by the age of the evidence\n",
        "Which tokens leave a full memory, at equal slots. The first line of each table: how many "
        f"questions; of fewer than {FEW} no share is told. In brackets the interval over streams, "
        "where more than one had such questions.\n",
        "" if _held_out(study, "memory") else _FREELY,
        _repeated(groups),
        "![ages](figures/memory.png)\n",
        *(_by_age(study["ages"], budget, groups) for budget in budgets_of(study["ages"])),
        _when_did(study),
        policies(study, groups),
        accuracies("memory", study),
    ]
    return "\n".join(part for part in parts if part)


def newest_section(study: Results | None, memory: Results | None = None) -> str:
    """By slots and policy, and what of it and of ``memory`` speaks for the default."""
    if study is None:
        return ""
    arms = unique(cell["arm"] for cell in study["cells"])
    parts = [
        "## Memory: what is newest, after half an hour\n",
        "Questions about the newest of something, at most 16 s ago, in streams of half an hour: "
        "what a memory full of older things leaves of it.\n",
        accuracies("newest", study),
        policies(study, arms, "### What that says of the default"),
        _both(memory, study) if memory else "",
    ]
    return "\n".join(part for part in parts if part)


def _both(memory: Results, newest: Results) -> str:
    """Policies by the worse of what they do for old and for new."""
    old, new = _means(memory), _means(newest)
    worse = {arm: min(old[arm], new[arm]) for arm in old if arm in new}
    if not worse:
        return ""
    rows = [(called(arm), *(f"{of[arm]:+.1f}" for of in (old, new, worse))) for arm in worse]
    best = max(worse, key=lambda arm: worse[arm])
    said = (
        f"The best of them by the worse of the two is `{called(best)}`, {worse[best]:+.1f} points "
        "from the default"
    )
    follows = "another would serve both better" if worse[best] >= CLOSE else "the default stays"
    columns = ("policy", "what is old", "what is newest", "the worse")
    head = "A memory has to serve both; points against the default, means over budgets.\n"
    return f"{head}\n{table(columns, rows)}\n{said}: {follows}.\n"


def _means(study: Results) -> dict[str, float]:
    """Points against the default of every policy, the mean over budgets."""
    budgets = budgets_of(study["cells"])
    arms = unique(cell["arm"] for cell in study["cells"])
    behind = {arm: _behind(study, arm, budgets) for arm in arms if arm != DEFAULT}
    return {arm: sum(map(_value, of)) / len(of) for arm, of in behind.items() if of}


def _held_out(study: Results, task: str) -> bool:
    return study["tasks"].get(task, {}).get("compositions") == "held-out"


def _repeated(groups: dict[str, list[str]]) -> str:
    """Which arms are not told twice."""
    told = [
        f"{listed(others)} answered as `{called(first)}` did, in every figure."
        for first, (_, *others) in groups.items()
        if others
    ]
    return " ".join(told) + "\n" if told else ""


def _by_age(ages: Sequence[Results], budget: str, groups: dict[str, list[str]]) -> str:
    lines = [line for line in ages if line["budget"] == budget]
    return _bands(budget, lines, groups, "age_s", _seconds)


def _when_did(study: Results) -> str:
    """The questions among them that ask for the age itself."""
    lines = study.get("when", [])
    if not lines:
        return ""
    groups = groups_of(lines)
    parts = [
        "### When did it happen?\n",
        "Of these questions those that are answered by an age itself, to the nearest of 2, 5, 10, "
        "20 and 40 seconds and 2, 5, 10 and 20 minutes.\n",
        _repeated(groups),
        *(_by_age(lines, budget, groups) for budget in budgets_of(lines)),
    ]
    return "\n".join(part for part in parts if part)


def _seconds(low: float, high: float) -> str:
    return f"{low:g}-{high:g} s"


def _minutes(low: float, high: float) -> str:
    return f"{low / 60:g}-{high / 60:g} min"


def _bands(
    title: str,
    lines: Sequence[Results],
    groups: dict[str, list[str]],
    edges: str,
    said: Callable[[float, float], str],
) -> str:
    """A column for each band, below it how many questions and what each arm got right."""
    bands = sorted(unique(tuple(line[edges]) for line in lines))
    at = {(line["arm"], tuple(line[edges])): line for line in lines}
    first = next(iter(groups))
    rows = [("questions", *(str(at[first, band]["questions"]) for band in bands))]
    rows += [(called(arm), *(_right(at.get((arm, band))) for band in bands)) for arm in groups]
    return table((title, *(said(*band) for band in bands)), rows)


def _right(line: Results | None) -> str:
    if line is None or line["questions"] < FEW:
        return NOTHING
    value, low, high = line["accuracy"]
    if low == high and value in (0.0, 100.0):
        return "all" if value else "none"
    return points(line["accuracy"], digits=0)


def policies(
    study: Results,
    arms: Iterable[str],
    heading: str = f"### Why `{DEFAULT}` is the default",
) -> str:
    """Every policy against the default, paired where the file has it, and what that decides."""
    budgets = budgets_of(study["cells"])
    behind = {
        arm: found
        for arm in arms
        if arm != DEFAULT and (found := _behind(study, arm, budgets)) is not None
    }
    if not behind:
        return ""
    means = {arm: sum(_value(of) for of in found) / len(found) for arm, found in behind.items()}
    rows = [
        (called(arm), *(difference(of) for of in found), f"{means[arm]:+.1f}")
        for arm, found in behind.items()
    ]
    columns = ("policy", *budgets, "mean")
    said = f"Points against the default, `{DEFAULT}`, over all questions of a budget.\n"
    verdict = _verdict(means, paired=all(len(of) > 1 for found in behind.values() for of in found))
    verdict += _sure(behind, budgets)
    return f"{heading}\n\n{said}\n{table(columns, rows)}\n{verdict}"


def _value(of: Triple) -> float:
    return of[0] or 0.0


def _behind(study: Results, arm: str, budgets: Sequence[str]) -> list[Triple] | None:
    """Against the default at each budget; without an interval where the file has no pairs."""
    at = {(cell["arm"], cell["budget"]): cell for cell in study["cells"]}
    found: list[Triple] = []
    for budget in budgets:
        ours, default = at.get((arm, budget)), at.get((DEFAULT, budget))
        if ours is None or default is None:
            return None
        found.append(ours["difference"] or [ours["accuracy"][0] - default["accuracy"][0]])
    return found


def _verdict(means: dict[str, float], *, paired: bool) -> str:
    """In words: what is as good by these questions, and what is worse."""
    close = [arm for arm, mean in means.items() if abs(mean) < CLOSE]
    worse = [arm for arm, mean in means.items() if mean <= -CLOSE]
    better = [arm for arm, mean in means.items() if mean >= CLOSE]
    told = [] if paired else ["The file holds no paired differences: these have no interval."]
    if worse:
        told.append(
            f"In the mean the default is {CLOSE:g} points or more ahead of {listed(worse)}."
        )
    if close:
        told.append(
            f"{listed(close)} lie within {CLOSE:g} points of it in the mean: too little for "
            "another default."
        )
    if better:
        told.append(f"{listed(better)} did better on these questions.")
    return " ".join(told) + "\n"


def _sure(behind: dict[str, list[Triple]], budgets: Sequence[str]) -> str:
    """At which budgets another policy is ahead, or behind, by more than its interval."""
    told = []
    for says, sign in (("ahead of the default", 1.0), ("behind it", -1.0)):
        at = {
            budget: listed(arm for arm, found in behind.items() if _beyond(found[i], sign))
            for i, budget in enumerate(budgets)
        }
        named = "; ".join(f"at {budget} {arms}" for budget, arms in at.items() if arms)
        if named:
            told.append(f"By more than their interval are {says}: {named}.")
    return f"\n{' '.join(told)}\n" if told else ""


def _beyond(of: Triple, sign: float) -> bool:
    """Whether the whole interval of a difference lies on one side of 0."""
    edges = [sign * edge for edge in of[1:] if edge is not None]
    return bool(edges) and min(edges) > 0


def horizon_section(study: Results | None) -> str:
    """By the moment of the question and the age of the evidence, task by task."""
    if study is None:
        return ""
    parts = [
        "## Past the horizon\n",
        "Accuracy by the minute of the stream at which a question was put. The backbone's "
        "positions reach 21.8 minutes back.\n",
        "![horizon](figures/horizon.png)\n",
        *(_horizon(study, task) for task in study["tasks"]),
    ]
    return "\n".join(part for part in parts if part)


def _horizon(study: Results, task: str) -> str:
    moments = [line for line in study["moments"] if line["task"] == task]
    if not moments:
        return ""
    groups, own = groups_of(moments), [line for line in study["ages"] if line["task"] == task]
    parts = [
        f"### {task}\n",
        "" if _held_out(study, task) else _FREELY,
        _repeated(groups),
    ]
    for budget in budgets_of(moments):
        at = [line for line in moments if line["budget"] == budget]
        aged = [line for line in own if line["budget"] == budget]
        parts += [_bands(budget, at, groups, "at_s", _minutes)]
        parts += [_bands("by age", aged, groups, "age_s", _seconds)] if aged else []
        parts += [_tells(study["tasks"][task], budget, at, aged)]
    return "\n".join(part for part in parts if part)


def _tells(asked: Results, budget: str, moments: Sequence[Results], aged: Sequence[Results]) -> str:
    """Whether arms that differ past the horizon could differ here at all."""
    if len(groups_of(moments, intervals=False)) > 1:
        return "The arms differ at some times; where intervals overlap, nothing is shown.\n"
    old = [line for line in aged if line["arm"] == aged[0]["arm"] and line["age_s"][0] >= OLD_S]
    n = sum(line["questions"] for line in old)
    if not n:
        return "All arms have the same accuracy whenever they are asked.\n"
    right = sum(line["questions"] * line["accuracy"][0] for line in old) / n
    slots = Budget.named(budget).slots
    return (
        "**All arms have the same accuracy whenever they are asked: this tells nothing of the "
        "horizon.** "
        f"With {slots} slots the memory has forgotten long before it: of what is older than "
        f"{OLD_S:g} s {right:.0f} % is right ({n} questions), where the most frequent answer gives "
        f"{asked['majority']:.0f} and knowing what occurs {asked['chance']:.0f}. The task `old "
        "milestones` asks a memory that holds everything about what was 15 to 25 minutes ago.\n"
    )
