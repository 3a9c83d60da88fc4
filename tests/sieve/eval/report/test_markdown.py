"""Figures as Markdown."""

from __future__ import annotations

from sieve.eval.report.markdown import number, points, table


def test_a_figure_stands_with_its_interval() -> None:
    assert points([97.25, 96.0, 98.4]) == "97.2 [96.0, 98.4]"
    assert points([2.0, -1.0, 5.0], signed=True) == "+2.0 [-1.0, +5.0]"
    assert points([2.0, None, None]) == "2.0"
    assert points(None) == "–"


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert (number(0.876), number(-2.9, "+.1f"), number(None)) == ("0.88", "-2.9", "–")


def test_a_table_has_names_at_the_left_and_figures_at_the_right() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n|---|---:|\n| x | 1 |\n"
