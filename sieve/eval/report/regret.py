"""What is lost by sieving window by window, the question unknown. Pure."""

from __future__ import annotations

from typing import Any

from sieve.eval.arms import EVERYTHING_AGAIN
from sieve.eval.report.markdown import difference, table
from sieve.eval.report.tables import accuracies

Results = dict[str, Any]


def regret_section(study: Results | None) -> str:
    """Against the same windows with the question known, and against the whole clip."""
    if study is None:
        return ""
    parts = [
        "## What causality costs\n",
        _same_windows(study),
        _whole_clip(study),
        accuracies("regret", study),
    ]
    return "\n".join(parts)


def knowing(study: Results) -> list[Results]:
    """Cells of the arm that sieves the same windows with the question known."""
    return [
        cell
        for cell in study["cells"]
        if cell["arm"] == EVERYTHING_AGAIN and cell["difference"] is not None
    ]


def _same_windows(study: Results) -> str:
    title = "### Against the same windows, the question known\n"
    rows = [
        (cell["task"], cell["budget"], str(cell["questions"]), difference(cell["difference"]))
        for cell in knowing(study)
    ]
    if not rows:
        return (
            f"{title}\nNot run: the arm `{EVERYTHING_AGAIN}` (`echosieve eval --study regret`).\n"
        )
    said = (
        "Points by which every window, sieved again with the question as text, is ahead of the "
        "stream as it was sieved before. Same windows, same moment, and the sieve reads what it "
        "was taught on: what is left is the price of not knowing the question.\n"
    )
    return f"{title}\n{said}\n{table(('task', 'budget', 'questions', 'regret'), rows)}"


def _whole_clip(study: Results) -> str:
    rows = [
        (
            line["arm"],
            line["task"],
            line["budget"],
            str(line["questions"]),
            difference(line["regret"]),
        )
        for line in study["regret"]
        if line["arm"] != EVERYTHING_AGAIN
    ]
    said = (
        "Points by which the whole clip, sieved in one piece with the question known, is ahead of "
        "the stream. **This is no strong evidence that streaming costs nothing**: the model was "
        "taught on windows, a whole clip is for its sieve one window of a length it never saw, so "
        "the side it is held against is out of distribution. Regrets below 0 are that side's loss, "
        "not the stream's gain.\n"
    )
    columns = ("arm", "task", "budget", "questions", "regret")
    return f"### Against the whole clip\n\n{said}\n{table(columns, rows)}"
