"""Tables of accuracies say what is better, what is worse, and what cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sieve.eval.report.results import results
from sieve.eval.report.tables import (
    calibration_section,
    default_section,
    main_section,
    raw_methods,
)
from sieve.selectors import TRAINING_FREE
from tests.sieve.eval import made

ARMS = Path(__file__).parents[4] / "docs" / "figures" / "results" / "arms.json"


def test_where_all_tokens_read_worse_than_the_sieve_it_says_so_and_what_is_not_known() -> None:
    lines = [replace(o, right=o.right and o.arm != "full") for o in made.study()]
    written = main_section({"arms": results(lines, {})})
    assert "**clips: all tokens read worse than those that the sieve keeps**" in written
    assert "What is not known" in written
    assert "![arms](figures/arms.png)" in written
    well = [replace(o, right=o.right or o.arm == "full") for o in made.study()]
    assert "read worse" not in main_section({"arms": results(well, {})})


def _raw(**shares: float) -> list:  # type: ignore[type-arg]
    budgets = ("20 %", "10 %", "5 %")
    return [line for budget in budgets for line in made.run(shares, budget=budget)]


def test_methods_without_training_are_ranked_on_raw_tokens() -> None:
    found = results(_raw(similarity=0.5, fastav=0.8, sieve=0.9, omnisift=0.95), {})
    assert list(raw_methods(found)) == ["fastav", "similarity"]
    written = default_section(found)
    assert f"the default is `{TRAINING_FREE}`" in written
    (row,) = [line for line in written.splitlines() if "fastav" in line and line.startswith("| ")]
    assert row.endswith("| 50 % |")
    assert default_section(None) == default_section(results(made.study(), {})) == ""


def test_the_default_without_cs2_weights_is_the_best_method_that_needs_no_training() -> None:
    best = next(iter(raw_methods(json.loads(ARMS.read_text()))))
    assert best == TRAINING_FREE


def test_a_calibration_error_of_few_answers_is_not_told() -> None:
    few = list(made.run({"sieve": 0.9}, cases=6))  # 18 answers with yes or no
    assert calibration_section({"arms": results(few, {})}) == ""
    assert "| sieve | arms: clips |" in calibration_section({"arms": results(made.study(), {})})
