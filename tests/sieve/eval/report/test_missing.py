"""The report says which results are not there, and what could not be run."""

from __future__ import annotations

from sieve.eval.outcomes import LeftOut
from sieve.eval.report.missing import earlier_section, left_out_section, missing_section
from sieve.eval.report.page import Findings, text
from sieve.eval.report.results import results
from sieve.eval.report.trainings import folded
from sieve.eval.suite import STUDIES
from tests.sieve.eval import made


def test_without_any_results_every_file_is_named_with_its_command() -> None:
    written = text(Findings())
    for name in STUDIES:
        assert f"`results/{name}.json`" in written
        assert f"`echosieve eval --study {name}`" in written
    assert "`make study`" in written
    assert "`make distil`" in written


def test_a_study_that_was_run_in_part_says_what_it_lacks() -> None:
    lines = [line for line in made.study() if line.seed < 3]
    written = missing_section({"arms": results(lines, {"model": "demo"})}, None, made.distilled())
    (row,) = [line for line in written.splitlines() if line.startswith("| `results/arms.json`")]
    lacking = row.split(" | ")[-1].removesuffix(" |").split("; ")
    assert lacking[0] == "40 % kept"
    assert "1 of 3 seeds of clips" in lacking
    assert "12 of 20 cases a seed of clips" in lacking
    (arms,) = [part for part in lacking if part.startswith("arms ")]
    assert "oracle" in arms
    assert "sieve" not in arms.removeprefix("arms ").split(", ")
    assert "make study" in written
    assert "make distil" not in written


def test_a_study_of_trainings_says_which_arms_and_seeds_it_lacks() -> None:
    written = missing_section({}, folded(made.trainings(seeds=2)), None)
    (row,) = [line for line in written.splitlines() if line.startswith("| `trainings.json`")]
    assert "intra-modal attention; " in row
    assert "causal refiner; " not in row
    assert "seeds of full method and causal refiner" in row


def test_a_distillation_that_was_run_smaller_says_so() -> None:
    made_small = made.distilled()
    made_small["setting"] |= {"steps": 400, "streams": 8}
    written = missing_section({}, None, made_small)
    (row,) = [line for line in written.splitlines() if line.startswith("| `distilled.json`")]
    assert row.endswith("| 400 of 700 steps; 8 of 16 streams |")


def test_an_arm_that_was_left_out_with_its_reason_is_not_missing() -> None:
    refused = [LeftOut("omnisift", "", "no weights")]
    found = results(made.study(), {"model": "demo"}, refused)
    written = missing_section({"arms": found}, None, made.distilled())
    assert "refined-omnisift" in written
    assert ", omnisift" not in written


def test_results_of_other_weights_than_the_built_in_model_has_are_named() -> None:
    now = {"setting": {"model": "demo", "weights": "bbb"}}
    before = {"setting": {"model": "demo", "weights": "aaa"}}
    untold = {"setting": {"model": "demo"}}
    another = {"setting": {"model": "Qwen/Qwen2.5-Omni-3B", "weights": "ccc"}}
    found = {"now": now, "before": before, "untold": untold, "another": another}
    written = earlier_section(found, "bbb")
    assert [line for line in written.splitlines() if line.startswith("| `")] == [
        "| `before.json` | aaa |",
        "| `untold.json` | not told |",
    ]
    assert earlier_section({"now": now, "another": another}, "bbb") == ""


def test_what_could_not_be_run_stands_there_with_its_reason() -> None:
    refused = [LeftOut("fastv, as published", "5 %", "reads at least 33.3%")]
    found = results(made.study(), {"model": "demo"}, refused)
    written = left_out_section({"published": found})
    assert "| published: fastv, as published | 5 % | reads at least 33.3% |" in written
    assert left_out_section({"arms": results(made.study(), {"model": "demo"})}) == ""
