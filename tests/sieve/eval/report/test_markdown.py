"""Figures as Markdown."""

from __future__ import annotations

from typing import Any

from sieve.eval.report.markdown import ALIKE, difference, number, points, share, table


def test_a_figure_stands_with_its_interval() -> None:
    assert points([97.25, 96.0, 98.4]) == "97.2 [96.0, 98.4]"
    assert points([2.0, -1.0, 5.0], signed=True) == "+2.0 [-1.0, +5.0]"
    assert points([2.0, None, None]) == "2.0"
    assert points(None) == "–"


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    assert (number(0.876), number(-2.9, "+.1f"), number(None)) == ("0.88", "-2.9", "–")


def test_an_interval_of_no_width_says_that_nothing_differs() -> None:
    assert difference([0.0, 0.0, 0.0]) == ALIKE
    assert difference([0.0, 0.0, 0.0], "alike") == "alike"
    assert difference([0.0, -1.0, 2.0]) == "+0.0 [-1.0, +2.0]"
    assert difference([0.0]) == "+0.0"
    assert difference(None) == "–"


def test_where_all_or_none_was_right_it_says_of_how_many() -> None:
    cell: dict[str, Any] = {"accuracy": [100.0, 100.0, 100.0], "questions": 35}
    assert share(cell) == "100.0 (all 35)"
    assert share(cell | {"accuracy": [0.0, 0.0, 0.0]}) == "0.0 (none of 35)"
    assert share(cell | {"accuracy": [80.0, 71.0, 90.0]}) == "80.0 [71.0, 90.0]"
    assert share(None) == "–"


def test_a_table_has_names_at_the_left_and_figures_at_the_right() -> None:
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n|---|---:|\n| x | 1 |\n"
