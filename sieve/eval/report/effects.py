"""What each part of the method is worth: tables of differences against the whole of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sieve.eval.arms import ARMS
from sieve.eval.report.markdown import NOTHING, number, points, table
from sieve.eval.report.paper import difference

Results = dict[str, Any]
TRAINED = "trained: "  # before the names of arms that were trained so


def effect(shown: Sequence[float | None], paper: float | None) -> str:
    """Whether a difference (value, low, high) has the sign of the paper's: ``yes``, ``no``, or
    ``not shown`` where its interval holds 0; a dash where the paper has none."""
    if paper is None:
        return NOTHING
    _, low, high = shown
    if low is None or high is None or low <= 0.0 <= high:
        return "not shown"
    return "yes" if (high < 0.0) == (paper < 0.0) else "no"


def ablations_section(study: Results | None) -> str:
    """Every arm at 20 % beside the paper's figure."""
    if study is None:
        return ""
    rows = [
        (
            cell["arm"],
            cell["task"],
            cell["mode"],
            points(cell["difference"], signed=True),
            number(paper := difference(cell["arm"].removeprefix(TRAINED)), "+.1f"),
            effect(cell["difference"], paper),
        )
        for cell in study["cells"]
        if cell["budget"] == "20 %" and cell["difference"] is not None
    ]
    said = (
        "Points against the whole method at 20 %; beside it the paper's, on Daily-Omni with "
        "Qwen2.5-Omni-3B, which has one figure for both sides of the text, and whether ours has "
        "its sign (not shown: the interval holds 0). An arm with `trained` in its name was trained "
        "so; the others switch a part off in the model as it is.\n"
    )
    columns = ("arm", "task", "mode", "difference", "paper", "same sign")
    return f"## Ablations at 20 %\n\n{said}\n{table(columns, rows)}"


def abilities_section(study: Results | None, budget: str = "10 %") -> str:
    """A table a mode: what each ablation loses in each task."""
    if study is None:
        return ""
    at = {
        (cell["arm"], cell["task"], cell["mode"]): cell["difference"]
        for cell in study["cells"]
        if cell["budget"] == budget and _is_ablation(cell["arm"])
    }
    parts = []
    for mode in dict.fromkeys(mode for _, _, mode in at):
        tasks = list(dict.fromkeys(task for _, task, its in at if its == mode))
        arms = dict.fromkeys(arm for arm, _, its in at if its == mode)
        rows = [
            (arm, *(points(at.get((arm, task, mode)), signed=True) for task in tasks))
            for arm in arms
        ]
        parts.append(f"### {mode.capitalize()}\n\n{table(('arm', *tasks), rows)}")
    if not parts:
        return ""
    said = f"Points against the whole method at {budget} (`docs/EVALUATION.md` says what T1 is).\n"
    return "\n".join([f"## Which ability needs which part\n\n{said}", *parts])


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
    said = "What a model does not know with all tokens, no choice of tokens can tell it.\n"
    columns = ("kind", "questions", *(f"{arm}, {budget}" for arm, budget in shown))
    return f"## By kind of question: {task}, streamed\n\n{said}\n{table(columns, rows)}"


def _share(counts: Sequence[int] | None) -> str:
    return NOTHING if not counts or not counts[1] else f"{100 * counts[0] / counts[1]:.0f}"
