"""Every target is told: met or missed by the results, or not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sieve.eval.arms import EVERYTHING_AGAIN
from sieve.eval.report.results import results
from sieve.eval.report.targets import Evidence, Target, all_targets, of_full, targets
from sieve.eval.report.trainings import folded
from tests.sieve.eval import made


def _told(found: Evidence, says: str) -> Target:
    (target,) = [target for target in all_targets(found) if target.says == says]
    return target


@pytest.mark.parametrize(
    ("got", "at_most", "status"),
    [
        ([98.0], False, "met"),
        ([97.9], False, "missed"),
        ([98.1], True, "missed"),
        ([99.0, 98.5, 99.5], False, "met"),
        ([99.0, 97.5, 99.5], False, "met, the interval leaves it open"),
        ([97.0, 96.0, 98.0], False, "missed, the interval leaves it open"),
        ([97.0, None, None], False, "missed"),
        (None, False, "not measured"),
    ],
)
def test_a_target_is_met_or_missed_or_left_open(
    got: list[float | None] | None, at_most: bool, status: str
) -> None:
    target = Target("x", 98.0, got, 12, at_most)
    assert target.status == status
    assert f"| {status} |" in target.row


def test_every_target_is_there_whatever_was_measured() -> None:
    told = all_targets(Evidence({}))
    assert {target.status for target in told} == {"not measured"}
    goals = [(t.goal, t.at_most) for t in told]
    for goal in (98.0, 99.5, 99.0, 96.0, 25.0, 10.0, 5.0, -1.0, 30.0, 97.0, 94.0):
        assert (goal, False) in goals
    assert (2.0, True) in goals
    assert (1.0, True) in goals
    assert sum(t.says.startswith("half an hour") for t in told) == 10


def test_arms_are_held_against_full_and_against_each_other() -> None:
    found = Evidence({"arms": results(made.study(), {})})
    assert _told(found, "clips: all tokens").n == 144
    says = "clips: ahead of the best of them on refined tokens (the trained refiner's)"
    assert _told(found, f"{says}, refined-random, at 10 %").goal == 10.0
    raw = _told(found, "clips: ahead of the best method without training at 10 %")
    assert raw.status == "not measured"
    ahead = _told(found, "clips: ahead of per-modality top-k at 10 %").got
    assert ahead is not None
    assert all(edge is not None for edge in ahead)
    assert ahead[1] < ahead[0] < ahead[2]  # type: ignore[operator]


def test_raw_and_refined_tokens_have_a_best_method_each() -> None:
    lines = [*made.study(), *made.run({"uniform": 0.5, "random": 0.3, "refined-uniform": 0.7})]
    found = Evidence({"arms": results(lines, {})})
    assert _told(found, "clips: ahead of the best method without training, uniform, at 10 %").n
    says = "clips: ahead of the best of them on refined tokens (the trained refiner's)"
    assert _told(found, f"{says}, refined-uniform, at 10 %").n


def test_a_share_of_full_has_an_interval_over_seeds_where_the_file_has_none_by_case() -> None:
    study = results(made.study(), {})
    cells = {(c["arm"], c["budget"]): c for c in study["cells"]}
    sieve, full = cells["sieve", "10 %"], cells["full", "100 %"]
    assert of_full(sieve, full) == sieve["of_full"]
    told = of_full({**sieve, "of_full": None}, full)
    assert told is not None
    assert told[0] == pytest.approx(100 * sieve["accuracy"][0] / full["accuracy"][0])
    assert told[1] < told[0] < told[2]  # type: ignore[operator]


def test_long_streams_are_told_of_their_own_study() -> None:
    lines = [replace(line, task="streams") for line in made.study()]
    found = Evidence({"streams": results(lines, {})})
    assert _told(found, "half an hour: all tokens").n == 144
    assert _told(found, "clips: all tokens").status == "not measured"


def test_memory_and_regret_have_targets_too() -> None:
    slots = {"budget": "10 %, 340 slots", "task": "memory", "age_s": 20.0}
    memory = list(made.run({"score with age": 0.9, "newest windows whole": 0.2}, **slots))
    live = list(made.run({"sieve": 1.0, EVERYTHING_AGAIN: 1.0}))
    whole = [replace(line, mode="offline") for line in live if line.arm == "sieve"]
    found = Evidence({"memory": results(memory, {}), "regret": results(live + whole, {})})
    says = "memory: ahead of recent-N beyond its window, 10 %, 340 slots"
    assert _told(found, says).goal == 30.0
    whole_clip = _told(
        found, "clips: streaming regret at 10 % against the whole clip, question known"
    )
    assert whole_clip.status == "met; weak evidence"
    says = "clips: streaming regret at 10 % against the same windows, question known"
    assert _told(found, says).status == "met"


def test_weights_are_told_where_they_are_not_those_of_now() -> None:
    study = results(made.study(), {"model": "demo", "weights": "aaa"})
    assert _told(Evidence({"arms": study}, weights="aaa"), "clips: all tokens").weights == ""
    assert _told(Evidence({"arms": study}, weights="bbb"), "clips: all tokens").weights == "aaa"
    other = results(made.study(), {"model": "another", "weights": "aaa"})
    assert _told(Evidence({"arms": other}, weights="aaa"), "clips: all tokens").weights == "another"


def test_the_best_without_labels_and_the_distilled_sieve_have_targets() -> None:
    found = Evidence({}, folded(made.trainings()), made.distilled())
    best = "softmax, no labels, the best without labels"
    assert _told(found, f"{best} at 20 %, per cent of full").status == "met"
    open_ = "missed, the interval leaves it open"
    assert _told(found, f"{best} at 10 %, per cent of full").status == open_
    distilled = _told(found, "distilled from recordings at 20 %, per cent of full")
    assert (distilled.got, distilled.n, distilled.status) == ([100.0], 320, "met")


def test_a_training_made_anew_is_held_against_the_shipped_card() -> None:
    card = {
        "world": "held-out", "seed": 7, "streams": 2, "duration_s": 60.0, "moments": 3, "turns": 0,
        "look_back": 0, "tracks": "both", "questions": {"now": 9},
        "accuracy": {"100% kept": {"mean": 88.0}, "20% kept": {"mean": 90.0}},
    }  # fmt: skip
    again = card | {"accuracy": {"100% kept": {"mean": 88.5}, "20% kept": {"mean": 88.7}}}
    says = "a training made anew: farthest from the shipped accuracies, points"
    told = _told(Evidence({}, reproduced=again, card=card), says)
    assert (told.got, told.n, told.status) == ([1.3], 9, "missed")
    elsewhere = Evidence({}, reproduced=again | {"seed": 8}, card=card)
    assert _told(elsewhere, says).status == "not measured"


def test_without_results_there_is_nothing_to_tell() -> None:
    assert targets(Evidence({})) == ""


def test_a_distilled_sieve_proves_little_where_an_untrained_choice_keeps_as_much() -> None:
    for untrained, weak in ((68.0, False), (84.0, True)):
        found = made.distilled()
        found["without"]["accuracy"]["20% kept"]["mean"] = untrained
        (target,) = [
            t for t in all_targets(Evidence({}, distilled=found)) if t.says.startswith("distilled")
        ]
        assert target.status == ("met; weak evidence" if weak else "met")
