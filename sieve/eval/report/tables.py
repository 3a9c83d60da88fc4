"""Tables of accuracies, and of what was asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sieve.eval.arms import Budget
from sieve.eval.report.markdown import share, table
from sieve.eval.report.names import called
from sieve.prune import Pruner
from sieve.selectors import METHODS, PRUNERS, REFINED, TRAINING_FREE

Results = dict[str, Any]
TRAINED = ("omnisift",)  # methods that are not training-free
LAYERS = 36  # of the LLM of Qwen2.5-Omni-3B
TIGHT = ("20 %", "10 %", "5 %")
ENOUGH = 20  # questions for a calibration error


def unique(values: Iterable[Any]) -> list[Any]:
    """Each once, in order."""
    return list(dict.fromkeys(values))


def budgets_of(cells: Iterable[Results]) -> list[str]:
    """Names of budgets, the largest first."""
    found = (Budget.named(name) for name in unique(cell["budget"] for cell in cells))
    return [b.name for b in sorted(found, key=lambda b: (b.retention, b.slots), reverse=True)]


def cells_of(study: Results, task: str, budget: str, mode: str = "streamed") -> dict[str, Results]:
    """The cells of a task at a budget, by arm."""
    at = (task, mode, budget)
    return {c["arm"]: c for c in study["cells"] if (c["task"], c["mode"], c["budget"]) == at}


def accuracies(name: str, study: Results | None) -> str:
    """Every arm at every budget, one table for each task and mode."""
    cells = study["cells"] if study else []
    parts = []
    for task, mode in unique((cell["task"], cell["mode"]) for cell in cells):
        found = [cell for cell in cells if (cell["task"], cell["mode"]) == (task, mode)]
        budgets = budgets_of(found)
        at = {(cell["arm"], cell["budget"]): cell for cell in found}
        rows = [
            (called(arm), *(share(at.get((arm, budget))) for budget in budgets))
            for arm in unique(cell["arm"] for cell in found)
        ]
        parts.append(f"### {name}: {task}, {mode}\n\n{table(('arm', *budgets), rows)}")
    return "\n".join(parts)


def main_section(found: dict[str, Results]) -> str:
    """What each method keeps, live: on clips and on long streams."""
    tables = [accuracies(name, found.get(name)) for name in ("arms", "streams")]
    if not any(tables):
        return ""
    drawn = "![arms](figures/arms.png)\n" if "arms" in found else ""
    said = "Every arm at every budget; what the arms are: `docs/EVALUATION.md`.\n"
    worse = [
        _worse_than_the_sieve(study, task)
        for name in ("arms", "streams")
        if (study := found.get(name))
        for task in study["tasks"]
    ]
    parts = ["## What each method keeps, live\n", said, drawn, *worse, *tables]
    return "\n".join(part for part in parts if part)


def _worse_than_the_sieve(study: Results, task: str) -> str:
    """Where the sieve reads better than all tokens: that it does, and what is not known."""
    full = cells_of(study, task, "100 %").get("full")
    if full is None:
        return ""
    sieves = {b: cells_of(study, task, b).get("sieve") for b in ("40 %", *TIGHT)}
    better = {
        budget: cell["accuracy"][0] - full["accuracy"][0]
        for budget, cell in sieves.items()
        if cell is not None and cell["accuracy"][0] > full["accuracy"][0]
    }
    if not better:
        return ""
    told = ", ".join(f"by {points:.1f} points at {budget}" for budget, points in better.items())
    return (
        f"**{task}: all tokens read worse than those that the sieve keeps**, {told}. More than "
        "100 per cent of full is no merit of the sieve's: it says that this model reads all tokens "
        "below its best. What is not known: whether a training with more steps of all tokens would "
        "have raised the accuracy with all of them, and so lowered every share of it. Shares of "
        "full are therefore read beside the accuracies themselves.\n"
    )


def untrained(arm: str) -> bool:
    """Whether an arm of the methods needs no training of its own."""
    return arm.removeprefix(REFINED) in METHODS and not arm.endswith(TRAINED)


def raw_methods(study: Results, task: str = "clips") -> dict[str, float]:
    """Methods without any training, raw tokens, the best first: the mean at 20, 10 and 5 %."""
    at = [cells_of(study, task, budget) for budget in TIGHT]
    names = [arm for arm in at[0] if arm in METHODS and untrained(arm)]
    means = {
        arm: sum(cells[arm]["accuracy"][0] for cells in at) / len(at)
        for arm in names
        if all(arm in cells for cells in at)
    }
    return dict(sorted(means.items(), key=lambda found: -found[1]))


def default_section(study: Results | None) -> str:
    """Which method a model without CS2 weights comes with, and what it costs."""
    means = raw_methods(study) if study else {}
    if study is None or not means:
        return ""
    rows = [
        (
            f"**{arm}**" if arm == TRAINING_FREE else arm,
            *(share(cells_of(study, "clips", budget)[arm]) for budget in TIGHT),
            f"{mean:.1f}",
            _llm_read(PRUNERS.get(arm)),
        )
        for arm, mean in means.items()
    ]
    said = (
        f"Methods that need no training, on raw tokens; the default is `{TRAINING_FREE}`. The last "
        "column: what choosing costs beside the towers, in per cent of reading all tokens with all "
        f"{LAYERS} layers of the 3B's LLM; what is kept, a tenth, is read by all of them besides. "
        "This backbone was trained on refined tokens; how the methods rank on a stock one is not "
        "known.\n"
    )
    columns = ("method", *TIGHT, "mean", "of the LLM, to choose")
    return f"## Without CS2 weights\n\n{said}\n{table(columns, rows)}"


def _llm_read(pruner: Pruner | None) -> str:
    """Per cent of what all tokens would cost the LLM, before a tenth of them is chosen."""
    read = 0.0 if pruner is None else sum(pruner.live(LAYERS, 0.1)[:-1]) / LAYERS
    return f"{100 * read:.0f} %"


def settings_section(found: dict[str, Results]) -> str:
    """What was asked of which model, and what guessing would give."""
    rows = [
        (
            f"{name}: {task}",
            str(study["setting"]["model"]),
            ", ".join(str(seed) for seed in told["seeds"]),
            str(told["cases"]),
            str(sum(told["questions"].values())),
            f"{told['majority']:.1f}",
            f"{told['chance']:.1f}",
        )
        for name, study in found.items()
        for task, told in study["tasks"].items()
    ]
    if not rows:
        return ""
    columns = ("study: task", "model", "seeds", "cases", "questions", "majority", "chance")
    said = (
        "Majority: who always gives a kind's most frequent answer. Chance: who knows what occurs "
        "in the clip, but neither when nor together with what.\n"
    )
    return f"## What was asked\n\n{said}\n{table(columns, rows)}"


def calibration_section(found: dict[str, Results]) -> str:
    """Of the answers with yes or no, where enough were asked."""
    rows = [
        (
            line["arm"],
            f"{name}: {line['task']}",
            line["budget"],
            str(line["questions"]),
            f"{line['error']:.1f}",
        )
        for name, study in found.items()
        for line in study["calibration"]
        if line["arm"] in ("full", "sieve")
        and line["mode"] == "streamed"
        and line["questions"] >= ENOUGH
    ]
    if not rows:
        return ""
    said = (
        "Expected calibration error of answers with yes or no, ten bins, in points; where at least "
        f"{ENOUGH} were given. Few questions a bin make it larger than it is.\n"
    )
    columns = ("arm", "study: task", "budget", "questions", "error")
    return f"## Calibration\n\n{said}\n{table(columns, rows)}"
