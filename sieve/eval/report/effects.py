"""What each part of the method is worth: tables of differences against the whole of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sieve.eval.arms import ARMS
from sieve.eval.report.markdown import FEW, NOTHING, difference, number, table
from sieve.eval.report.names import called
from sieve.eval.report.paper import difference as paper
from sieve.eval.report.tables import accuracies, unique

Results = dict[str, Any]
TRAINED = "trained: "  # before the names of arms that were trained so


def effect(shown: Sequence[float | None], theirs: float | None) -> str:
    """Whether a difference (value, low, high) has the sign of the paper's: ``yes``, ``no``, or
    ``not shown`` where its interval holds 0; a dash where the paper has none."""
    if theirs is None:
        return NOTHING
    _, low, high = shown
    if low is None or high is None or low <= 0.0 <= high:
        return "not shown"
    return "yes" if (high < 0.0) == (theirs < 0.0) else "no"


def ablations_section(study: Results | None) -> str:
    """Every arm at 20 % beside the paper's figure: parts switched off in use, and, apart from
    these, models that were trained without them."""
    if study is None:
        return ""
    cells = [c for c in study["cells"] if c["budget"] == "20 %" and c["difference"] is not None]
    trained = [cell for cell in cells if cell["arm"].startswith(TRAINED)]
    in_use = [cell for cell in cells if not cell["arm"].startswith(TRAINED)]
    said = (
        "Points against the whole method at 20 %; beside it the paper's, on Daily-Omni with "
        "Qwen2.5-Omni-3B, which has one figure for both sides of the text, and whether ours has "
        f"its sign (not shown: the interval holds 0). {_uncorrected(cells)}\n"
    )
    parts = [
        f"## Ablations at 20 %\n\n{said}",
        _effects("Switched off in use", _IN_USE, in_use),
        _effects("Trained without", _TRAINED_SO, trained),
        accuracies("ablations", study),
    ]
    return "\n".join(part for part in parts if part)


_IN_USE = (
    "The model as it is, with a part switched off that it was trained with: what it relies on, "
    "which is not what a model would lack that never had it. For that `make study` trains models "
    "(below, where it was run: ablations by training).\n"
)
_TRAINED_SO = "Models of their own, each trained without the part.\n"


def _effects(title: str, said: str, cells: Sequence[Results]) -> str:
    rows = [
        (
            called(cell["arm"]),
            cell["task"],
            cell["mode"],
            difference(cell["difference"]),
            number(theirs := paper(cell["arm"].removeprefix(TRAINED)), "+.1f"),
            effect(cell["difference"], theirs),
        )
        for cell in cells
    ]
    columns = ("arm", "task", "mode", "difference", "paper", "same sign")
    return f"### {title}\n\n{said}\n{table(columns, rows)}" if rows else ""


def _uncorrected(cells: Sequence[Results]) -> str:
    """How many comparisons these are, and what chance alone would show of them."""
    return (
        f"These are {len(cells)} comparisons, each with its own 95 %, not corrected for their "
        f"number: {0.05 * len(cells):.1f} of them would leave 0 outside by chance."
    )


def abilities_section(study: Results | None, budget: str = "10 %") -> str:
    """A table a mode: what each ablation loses in each task."""
    if study is None:
        return ""
    cells = [c for c in study["cells"] if c["budget"] == budget and _is_ablation(c["arm"])]
    parts = [
        f"### {mode.capitalize()}\n\n{_by_ability([c for c in cells if c['mode'] == mode])}"
        for mode in unique(cell["mode"] for cell in cells)
    ]
    if not parts:
        return ""
    told = [cell for cell in cells if cell["difference"] is not None]
    said = (
        f"Points against the whole method at {budget}, parts switched off in use "
        "(`docs/EVALUATION.md` says what T1 is). `alike`: no difference in any question. "
        f"{_uncorrected(told)}\n"
    )
    return "\n".join([f"## Which ability needs which part\n\n{said}", *parts])


def _by_ability(cells: Sequence[Results]) -> str:
    """An arm a line, a task a column, of one mode."""
    at = {(cell["arm"], cell["task"]): cell["difference"] for cell in cells}
    tasks, arms = (unique(cell[name] for cell in cells) for name in ("task", "arm"))
    rows = [
        (called(arm), *(difference(at.get((arm, task)), "alike") for task in tasks)) for arm in arms
    ]
    return table(("arm", *tasks), rows)


def _is_ablation(arm: str) -> bool:
    return arm.startswith(TRAINED) or (arm in ARMS and ARMS[arm].group == "ablation")


def kinds_section(study: Results | None, task: str = "clips") -> str:
    """Of one task, every kind of question: what is known at all, what is lost by keeping less."""
    if study is None:
        return ""
    arms = (("full", "100 %"), *(("sieve", budget) for budget in ("20 %", "10 %", "5 %")))
    arms = (*arms, ("refined-random", "10 %"), ("blind", "100 %"))
    cells = {
        (cell["arm"], cell["budget"]): cell["by_kind"]
        for cell in study["cells"]
        if cell["task"] == task and cell["mode"] == "streamed"
    }
    shown = [arm for arm in arms if arm in cells]
    kinds = study["tasks"].get(task, {}).get("questions", {})
    if not shown or not kinds:
        return ""
    rows = [
        (kind, str(n), *(_share(cells[arm].get(kind)) for arm in shown))
        for kind, n in kinds.items()
    ]
    said = (
        "Per cent; where fewer than ten were asked, right of asked. What a model does not know "
        "with all tokens, no choice of tokens can tell it.\n"
    )
    columns = ("kind", "questions", *(f"{arm}, {budget}" for arm, budget in shown))
    return f"## By kind of question: {task}, streamed\n\n{said}\n{table(columns, rows)}"


def _share(counts: Sequence[int] | None) -> str:
    """Per cent of enough questions; of few how many were right."""
    if not counts or not counts[1]:
        return NOTHING
    right, asked = counts
    return f"{right}/{asked}" if asked < FEW else f"{100 * right / asked:.0f}"
