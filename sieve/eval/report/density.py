"""Whether what is kept follows where the content is (T3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sieve.eval.report.markdown import number, table
from sieve.eval.report.names import called, listed
from sieve.eval.report.tables import unique

Results = dict[str, Any]
CONSTANT = 0.05  # shares that vary by less follow nothing


def density_section(found: dict[str, Results]) -> str:
    """Rank correlations of the arms whose share can move."""
    lines = [line for study in found.values() for line in study["balance"]]
    if not lines:
        return ""
    moving = [line for line in lines if not is_constant(line)]
    fixed = unique(line["arm"] for line in lines if is_constant(line))
    said = (
        "Rank correlation between the share of sound among the kept tokens and its share among "
        "those that show or sound something (T3).\n\n![shares](figures/balance.png)\n"
    )
    left = (
        f"Left out, as their share of sound varies by less than {100 * CONSTANT:.0f} points and so "
        f"follows nothing: {listed(fixed)}.\n"
    )
    columns = ("arm", "budget", "mode", "cases", "Spearman", "share of sound kept")
    parts = ["## Does the budget follow the content?\n", said, left if fixed else ""]
    return "\n".join([part for part in parts if part] + [table(columns, _rows(moving))])


def is_constant(line: Results) -> bool:
    kept = [share for _, share in line["points"]]
    return not kept or max(kept) - min(kept) < CONSTANT


def _rows(lines: Sequence[Results]) -> list[tuple[str, ...]]:
    """A row for all arms that chose the same tokens in a mode at a budget."""
    alike: dict[str, list[Results]] = {}
    for line in lines:
        alike.setdefault(str((line["mode"], line["budget"], line["points"])), []).append(line)
    return [_row(same[0], [line["arm"] for line in same]) for same in alike.values()]


def _row(line: Results, arms: Sequence[str]) -> tuple[str, ...]:
    kept = [100 * share for _, share in line["points"]]
    return (
        ", ".join(map(called, arms)),
        line["budget"],
        line["mode"],
        str(line["cases"]),
        number(line["spearman"]),
        f"{min(kept):.0f}-{max(kept):.0f} %",
    )
