"""What the results do not tell: studies that were not run, in part, or of an earlier model, and
arms left out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from sieve.eval.arms import Budget, arms_of
from sieve.eval.distillation import Plan as Distillation
from sieve.eval.report.markdown import listing
from sieve.eval.report.names import called
from sieve.eval.suite import CASES, SEEDS, STUDIES, Study
from sieve.eval.tasks import TASKS
from sieve.train.demo.study import ARMS as TRAINED_ARMS
from sieve.train.demo.study import Plan as Training

Results = dict[str, Any]
NOTHING_OF_IT = "all of it"


def missing_section(
    found: dict[str, Results], trainings: Results | None, distilled: Results | None
) -> str:
    """A line for every file that is not there or tells of a part; nothing where all is there."""
    rows = [
        (f"`results/{name}.json`", study.asks, f"`echosieve eval --study {name}`", lacking)
        for name, study in STUDIES.items()
        for lacking in _told(found.get(name), partial(_of_study, study))
    ]
    rows += [
        ("`trainings.json`", "sieves trained as ablations and without labels", "`make study`", it)
        for it in _told(trainings, _of_trainings)
    ]
    rows += [
        ("`distilled.json`", "a sieve from recordings without labels", "`make distil`", it)
        for it in _told(distilled, _of_distilled)
    ]
    if not rows:
        return ""
    said = (
        "Of `docs/figures` these files are not there, tell of a part only, or were run smaller "
        "than their commands do: few cases, wide intervals.\n"
    )
    columns = ("file", "would tell", "command", "lacking")
    return f"## What is missing\n\n{said}\n{listing(columns, rows)}"


def _told(document: Results | None, lacking: Callable[[Results], Iterable[str]]) -> list[str]:
    """What a document lacks, in one piece; nothing for one that is whole."""
    if document is None:
        return [NOTHING_OF_IT]
    parts = "; ".join(lacking(document))
    return [parts] if parts else []


def _of_study(study: Study, found: Results) -> Iterator[str]:
    """What a study was to have and its results have not."""
    cells = found["cells"]
    ran = {cell["task"] for cell in cells}
    yield from (f"task {name}" for name in study.tasks if name not in ran)
    modes = {cell["mode"] for cell in cells}
    possible = {mode for name in study.tasks for mode in TASKS[name].modes}
    yield from (f"{mode} runs" for mode in study.modes if mode in possible - modes)
    budgets = {cell["budget"] for cell in cells}
    yield from (f"{name} kept" for name in _budgets(study) if name not in budgets)
    if without := _arms_lacking(study, found):
        yield f"arms {', '.join(without)}"
    yield from _seeds_lacking(found["tasks"])
    yield from _cases_lacking(found["tasks"])


def _arms_lacking(study: Study, found: Results) -> list[str]:
    """Arms that were to be run and were neither run nor left out with a reason."""
    there = {cell["arm"] for cell in found["cells"]}
    there |= {line["arm"] for line in found["left_out"]}
    groups = {group for name in study.tasks for group in TASKS[name].groups}
    wanted = [arm for arm in arms_of(study.arms) if arm.group in groups]
    return [called(a.name) for a in wanted if a.name not in there and {*a.modes} & {*study.modes}]


def _seeds_lacking(tasks: Results) -> Iterator[str]:
    for task, told in tasks.items():
        if (seeds := len(told["seeds"])) < len(SEEDS):
            yield f"{len(SEEDS) - seeds} of {len(SEEDS)} seeds of {task}"


def _cases_lacking(tasks: Results) -> Iterator[str]:
    """Tasks with fewer cases a seed than their command runs by itself."""
    small: dict[tuple[float, int], list[str]] = {}
    for task, told in tasks.items():
        usual = min(CASES, TASKS[task].cases) if task in TASKS else CASES
        if (cases := told["cases"] / len(told["seeds"])) < usual:
            small.setdefault((cases, usual), []).append(task)
    for (cases, usual), names in small.items():
        yield f"{cases:.3g} of {usual} cases a seed of {', '.join(names)}"


def _budgets(study: Study) -> dict[str, None]:
    """The names of a study's budgets, in order."""
    retentions = [Budget(share) for share in study.retentions]
    return dict.fromkeys(b.name for task in study.tasks for b in TASKS[task].budgets(retentions))


def _of_trainings(study: Results) -> Iterator[str]:
    seeds: dict[str, int] = {line["arm"]: len(line["by_seed"]) for line in study["lines"]}
    if study["steps"] < (usual := Training.__dataclass_fields__["steps"].default):
        yield f"{study['steps']} of {usual} steps"
    yield from (arm.name for arm in TRAINED_ARMS if arm.name not in seeds)
    if few := [name for name, count in seeds.items() if count < len(SEEDS)]:
        yield f"seeds of {' and '.join(few)}"


def _of_distilled(found: Results) -> Iterator[str]:
    """What was done less of than the command does by itself."""
    usual = Distillation()
    for name in ("minutes", "steps", "streams", "moments"):
        asked, done = getattr(usual, name), found["setting"].get(name)
        if done is not None and done < asked:
            yield f"{done:g} of {asked:g} {name}"


def earlier_section(documents: dict[str, Results], weights: str) -> str:
    """Which documents were measured with a built-in model whose weights were not ``weights``."""
    rows = [
        (f"`{name}.json`", found["setting"].get("weights", "not told"))
        for name, found in documents.items()
        if found["setting"]["model"] == "demo" and found["setting"].get("weights") != weights
    ]
    if not rows:
        return ""
    said = (
        f"The built-in model has the weights {weights} (the beginning of their SHA-256); what "
        "these files tell was measured with earlier ones.\n"
    )
    return f"## Of an earlier built-in model\n\n{said}\n{listing(('file', 'weights'), rows)}"


def left_out_section(found: dict[str, Results]) -> str:
    """Arms and budgets that could not be run, with the reason that the run gave."""
    rows = [
        (f"{name}: {line['arm']}", line["budget"] or "every", line["why"])
        for name, study in found.items()
        for line in study["left_out"]
    ]
    if not rows:
        return ""
    said = "A budget that a method cannot reach is not bent; it is left out.\n"
    return f"## What could not be run\n\n{said}\n{listing(('study: arm', 'budget', 'why'), rows)}"
