"""What a run has shown: counts add up, comparisons are paired, and nothing is told of nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sieve.eval.report.results import results, tally
from tests.sieve.eval import made


def _cell(found: dict, arm: str, budget: str = "10 %") -> dict:  # type: ignore[type-arg]
    (cell,) = [c for c in found["cells"] if (c["arm"], c["budget"]) == (arm, budget)]
    return dict(cell)


def test_counts_add_up_to_what_was_asked() -> None:
    found = results(made.study(), {"model": "demo"})
    cell = _cell(found, "sieve")
    assert cell["questions"] == sum(n for _, n in cell["by_kind"].values()) == 12 * 3 * 4
    assert cell["cases"] == 36
    told = found["tasks"]["clips"]
    assert told["questions"] == {"during": 36, "exists": 36, "now": 36, "order": 36}
    assert (told["chance"], told["majority"]) == (25.0, 87.5)


def test_accuracy_lies_within_its_interval_and_seeds_average_to_it() -> None:
    cell = _cell(results(made.study(), {}), "refined-random")
    value, low, high = cell["accuracy"]
    assert low < value < high
    assert sum(cell["by_seed"].values()) / 3 == pytest.approx(value, abs=0.2)


def test_arms_are_compared_with_the_sieve_at_their_own_budget() -> None:
    found = results(made.study(), {})
    assert _cell(found, "sieve")["difference"] is None
    assert _cell(found, "full", "100 %")["difference"] is None
    value, _, high = _cell(found, "refined-random")["difference"]
    assert value < high < -20.0
    expected = _cell(found, "refined-random")["accuracy"][0] - _cell(found, "sieve")["accuracy"][0]
    assert value == pytest.approx(expected, abs=0.2)


def test_a_share_of_full_is_paired_by_case() -> None:
    found = results(made.study(), {})
    value, low, high = _cell(found, "sieve")["of_full"]
    sieve, full = (_cell(found, *at)["accuracy"][0] for at in (("sieve",), ("full", "100 %")))
    assert value == pytest.approx(100 * sieve / full, abs=0.2)
    assert low < value < high
    assert _cell(found, "full", "100 %")["of_full"] is None


def test_ways_of_forgetting_are_compared_with_the_default() -> None:
    fields = {"task": "memory", "budget": "10 %, 96 slots"}
    found = results(list(made.run({"score with age": 0.9, "recent first": 0.3}, **fields)), {})
    default, other = (
        _cell(found, arm, "10 %, 96 slots") for arm in ("score with age", "recent first")
    )
    assert default["difference"] is None
    assert other["difference"][2] < -30.0


def test_a_task_says_which_compositions_it_shows() -> None:
    told = results(made.study(), {})["tasks"]["clips"]
    assert told["compositions"] == "held-out"
    other = [replace(line, task="first") for line in made.study()]
    assert results(other, {})["tasks"]["first"]["compositions"] == "any"


def test_a_comparison_is_of_the_questions_that_both_were_asked() -> None:
    lines = [o for o in made.study() if o.arm != "causal refiner" or o.case < 3]
    worse = [replace(o, right=o.case >= 3) if o.arm == "sieve" else o for o in lines]
    worse = [replace(o, right=True) if o.arm == "causal refiner" else o for o in worse]
    assert _cell(results(worse, {}), "causal refiner")["difference"][0] == 100.0


def test_questions_about_the_present_are_told_apart() -> None:
    (line,) = [
        line
        for line in results(made.study(), {})["present"]
        if (line["arm"], line["budget"]) == ("sieve", "10 %")
    ]
    assert line["questions"] == 36
    assert line["ahead"][0] > 10.0


def test_the_share_of_sound_is_ranked_against_the_true_one() -> None:
    lines = [
        replace(
            o, task="T3", dense=(10 - o.case % 8, o.case % 8), kept=(10 - o.case % 8, o.case % 8)
        )
        for o in made.run({"sieve": 0.9})
    ]
    (balance,) = results(lines, {})["balance"]
    assert balance["spearman"] == 1.0
    assert len(balance["points"]) == 36
    assert results(made.study(), {})["balance"] == []


def test_ages_are_told_of_long_memories_only() -> None:
    lines = [replace(o, age_s=30.0 * o.case, at_s=400.0) for o in made.run({"sieve": 0.9})]
    bands = results(lines, {})["ages"]
    assert [band["age_s"] for band in bands] == [
        [0.0, 2.0], [16.0, 32.0], [32.0, 64.0], [64.0, 128.0], [128.0, 256.0], [256.0, 512.0],
    ]  # fmt: skip
    assert sum(band["questions"] for band in bands) == len(lines)
    assert results(made.study(), {})["ages"] == results(made.study(), {})["moments"] == []


def test_what_left_the_window_of_recent_n_is_told_apart() -> None:
    lines = [
        replace(o, budget="10 %, 340 slots", age_s=5.0 if o.case < 6 else 15.0)
        for o in made.run({"score with age": 0.9, "newest windows whole": 0.3})
    ]
    (older,) = results(lines, {})["older"]
    assert older["arm"] == "score with age"
    assert older["questions"] == len(lines) / 4
    assert older["ahead"][0] > 20.0


def test_regret_is_the_whole_clip_minus_the_stream() -> None:
    live = [replace(o, right=o.case % 4 != 0) for o in made.run({"sieve": 1.0})]
    whole = [replace(o, mode="offline") for o in made.run({"sieve": 1.0})]
    (regret,) = results(live + whole, {})["regret"]
    assert regret["regret"][0] == 25.0


def test_calibration_is_told_of_yes_and_no() -> None:
    found = results(made.study(), {})["calibration"]
    assert {line["questions"] for line in found} == {36}
    sure = [replace(o, confidence=1.0, right=True) for o in made.run({"sieve": 1.0})]
    assert results(sure, {})["calibration"][0]["error"] == 0.0


def test_a_tally_has_a_row_a_case_and_a_column_a_kind() -> None:
    found = tally(list(made.run({"sieve": 0.5}, cases=2)))
    assert found.asked.shape == (6, 4)
    assert found.asked.sum() == 24
