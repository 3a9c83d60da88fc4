"""Sieves trained apart are told beside the whole method and beside the paper."""

from __future__ import annotations

import pytest

from sieve.eval.report.paper import difference
from sieve.eval.report.trainings import (
    Lines,
    distilled_section,
    distilled_share,
    folded,
    study_section,
)
from tests.sieve.eval import made


def _line(written: str, begin: str) -> str:
    """The first line of a table that begins so, of the compositions."""
    return next(line for line in written.splitlines() if line.startswith(f"| {begin} |"))


def test_a_study_is_folded_to_a_line_for_each_arm_world_and_budget() -> None:
    study = folded(made.trainings())
    assert len(study["lines"]) == 5 * 2 * 4
    first = study["lines"][0]
    assert (first["arm"], first["world"], first["budget"]) == ("full method", "seeds", "100 %")
    assert first["by_seed"] == {"0": 96.0, "1": 97.0, "2": 98.0}
    assert first["by_kind"] == {"now": 97.0, "order": 97.0}
    labelled = {line["arm"] for line in study["lines"] if line["labels"]}
    assert labelled == {"full method", "causal refiner", "labels alone"}


def test_differences_are_paired_by_seed() -> None:
    lines = Lines(folded(made.trainings()), "compositions")
    assert lines.behind("causal refiner", "20 %") == [-4.0, -4.0, -4.0]
    accuracy = lines.accuracy("causal refiner", "20 %")
    assert accuracy is not None
    value, low, high = accuracy
    assert (value, low, high) == (92.0, 89.5, 94.5)  # 4.303 x 1 / sqrt(3)
    assert lines.behind("causal refiner", "40 %") is None
    assert lines.accuracy("nobody", "20 %") is None


def test_ablations_stand_beside_the_papers_own_figures() -> None:
    written = study_section(folded(made.trainings()))
    assert "### Compositions never seen in training" in written
    row = _line(written, "causal refiner")
    assert "| -4.0 [-4.0, -4.0] | -5.0 [-5.0, -5.0] | -10.0 [-10.0, -10.0] | -4.6 |" in row
    assert _line(written, "labels alone").endswith("| – |")
    assert difference("without text") == difference("selection without text")


def _share(of: float, whole: float) -> float:
    """The mean over the seeds 0, 1, 2 of a per cent, every accuracy a point higher with each."""
    return sum(100 * (of + seed) / (whole + seed) for seed in range(3)) / 3


def test_arms_without_labels_are_told_as_a_share_of_full_and_of_their_own() -> None:
    lines = Lines(folded(made.trainings()), "compositions")
    assert lines.full == "full method"
    for budget, mean in (("20 %", 94.0), ("10 %", 90.0)):
        of_full = lines.share("softmax, no labels", budget, lines.full)
        own = lines.share("softmax, no labels", budget, "softmax, no labels")
        assert of_full is not None
        assert own is not None
        assert of_full[0] == pytest.approx(_share(mean, 96.0), abs=0.06)
        assert own[0] == pytest.approx(_share(mean, 95.0), abs=0.06)
    assert lines.share("nobody", "20 %", lines.full) is None
    row = _line(study_section(folded(made.trainings())), "softmax, no labels")
    told = [cell.split(" [")[0] for cell in row.split("|")[-5:-1]]
    assert [float(cell) for cell in told] == [97.9, 93.8, 99.0, 94.8]


def test_arms_without_labels_are_held_against_the_full_method_from_where_they_begin() -> None:
    study = made.trainings()
    study["arms"]["full method, from read"] = study["arms"]["causal refiner"]
    lines = Lines(folded(study), "compositions")
    assert lines.full == "full method, from read"
    assert "what `full method, from read` reaches" in study_section(folded(study))


def test_one_seed_has_no_interval() -> None:
    written = study_section(folded(made.trainings(seeds=1)))
    assert _line(written, "causal refiner").startswith("| causal refiner | 91.0 | -4.0 |")


def test_a_distilled_sieve_is_told_against_all_tokens_without_one() -> None:
    found = made.distilled()
    assert distilled_share(found, "10% kept") == pytest.approx(100 * 84 / 86)
    written = distilled_section(found)
    assert "| distilled | 85.0 [83.0, 87.0] | 86.0 [84.0, 88.0] |" in written
    assert "| 86.0 [84.0, 88.0] | 68.0 [66.0, 70.0] | 52.0 [50.0, 54.0] | – |" in written
    assert written.rstrip().endswith("| 98.8 | 100.0 | 97.7 | 94.2 |")


def test_nothing_is_told_of_what_was_not_trained() -> None:
    assert study_section(None) == distilled_section(None) == ""
