"""Figures as Markdown: tables, and a value with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

NOTHING = "–"
FEW = 10  # questions; of fewer no share is told
ALIKE = "no difference in any question"

Triple = Sequence[float | None]
"""Value, low, high; the last two None where there is no interval."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; the first column is a name, the others are figures."""
    return _lines(columns, "|---|" + "---:|" * (len(columns) - 1), rows)


def listing(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all columns are words."""
    return _lines(columns, "|" + "---|" * len(columns), rows)


def _lines(columns: Sequence[str], rule: str, rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(columns), rule, *(_row(row) for row in rows)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def points(interval: Triple | None, *, signed: bool = False, digits: int = 1) -> str:
    """97.3 [96.1, 98.4]; a dash where there is no figure, the figure alone where it has no
    interval."""
    if interval is None:
        return NOTHING
    form = f"{'+' if signed else ''}.{digits}f"
    value, *edges = (format(edge, form) for edge in interval if edge is not None)
    return f"{value} [{', '.join(edges)}]" if edges else value


def difference(interval: Triple | None, alike: str = ALIKE) -> str:
    """Points with their sign, or that nothing differs: an interval of no width says so."""
    if interval is not None and list(interval) == [0.0, 0.0, 0.0]:
        return alike
    return points(interval, signed=True)


def share(cell: dict[str, Any] | None) -> str:
    """Accuracy of a cell with its interval; where all or none was right, of how many: there the
    bootstrap knows no spread. A dash where there is no cell."""
    if cell is None:
        return NOTHING
    value, low, high = cell["accuracy"]
    if low != high or value not in (0.0, 100.0):
        return points(cell["accuracy"])
    of = f"all {cell['questions']}" if value else f"none of {cell['questions']}"
    return f"{value:.1f} ({of})"


def number(value: float | None, form: str = ".2f") -> str:
    """A figure; a dash where there is none."""
    return NOTHING if value is None else format(value, form)
