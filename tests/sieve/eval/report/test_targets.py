"""Targets are met or missed by the results, and told only where there are some."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sieve.eval.report.results import results
from sieve.eval.report.targets import Target, targets
from tests.sieve.eval import made


@pytest.mark.parametrize(
    ("got", "at_most", "met"), [(98.0, False, "yes"), (97.9, False, "no"), (98.1, True, "no")]
)
def test_a_target_is_met_or_missed(got: float, at_most: bool, met: str) -> None:
    assert Target("x", 98.0, got, at_most).row.endswith(f"| {met} |")


def test_arms_are_held_against_full_and_against_each_other() -> None:
    told = targets({"arms": results(made.study(), {})})
    assert "| clips: all tokens | ≥ 98 |" in told
    assert "| clips: ahead of refined-random, the best untrained, at 10 % | ≥ 10 |" in told
    assert "| clips: ahead of per-modality at 10 % | ≥ 5 |" in told
    assert "recent-4-frames about the present" in told


def test_memory_and_regret_have_targets_too() -> None:
    slots = {"budget": "10 %, 340 slots", "task": "memory", "age_s": 20.0}
    memory = list(made.run({"score with age": 0.9, "newest windows whole": 0.2}, **slots))
    live = list(made.run({"sieve": 1.0}))
    whole = [replace(line, mode="offline") for line in live]
    told = targets({"memory": results(memory, {}), "regret": results(live + whole, {})})
    assert "beyond its window, 10 %, 340 slots | ≥ 30 |" in told
    assert "| clips: streaming regret at 10 % | ≤ 2 | 0.0 | yes |" in told


def test_without_results_there_is_nothing_to_tell() -> None:
    assert targets({}) == ""
