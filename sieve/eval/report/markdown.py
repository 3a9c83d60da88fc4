"""Figures as Markdown: tables, and a value with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "–"


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


def points(interval: Sequence[float | None] | None, *, signed: bool = False) -> str:
    """97.3 [96.1, 98.4]; a dash where there is no figure, the figure alone where it has no
    interval."""
    if interval is None:
        return NOTHING
    sign = "+" if signed else ""
    value, *edges = (f"{edge:{sign}.1f}" for edge in interval if edge is not None)
    return f"{value} [{', '.join(edges)}]" if edges else value


def number(value: float | None, form: str = ".2f") -> str:
    """A figure; a dash where there is none."""
    return NOTHING if value is None else format(value, form)
