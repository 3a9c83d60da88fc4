"""Each benchmark's own aggregation, on judgements made by hand."""

from __future__ import annotations

import pytest

from sieve.eval.benchmarks.dailyomni import AFTER, BEFORE
from sieve.eval.benchmarks.score import Judged, score


def judged(task: str, group: str, *right: bool) -> list[Judged]:
    return [Judged(task, group, hit, readable=True) for hit in right]


def test_mlvu_weighs_every_task_the_same() -> None:
    answers = judged("ego", "", True, True, True, True) + judged("order", "", False, True)
    made = score("mlvu", answers)
    assert made.figures == {"M-Avg": 75.0}
    assert made.all.percent == pytest.approx(83.33)


def test_ovo_bench_is_the_mean_of_its_group_means() -> None:
    answers = [
        *judged("EPM", "backward", True, True, True),
        *judged("ASI", "backward", False),  # backward: 50
        *judged("OCR", "realtime", True, False, False, False),  # 25
        *judged("SSR", "forward", False, False),  # 0
    ]
    figures = score("ovobench", answers).figures
    assert figures == {
        "mean of 3 groups": 25.0,
        "backward": 50.0,
        "realtime": 25.0,
        "forward": 0.0,
    }


def test_ovo_bench_says_of_how_many_groups_the_mean_is() -> None:
    assert "mean of 1 groups" in score("ovobench", judged("OCR", "realtime", True)).figures


def test_daily_omni_has_a_figure_for_each_order_of_text_and_video() -> None:
    answers = judged("a", AFTER, True, True) + judged("a", BEFORE, True, False)
    assert score("dailyomni", answers).figures == {AFTER: 100.0, BEFORE: 50.0}


def test_streaming_bench_has_a_figure_for_each_category_and_all_questions() -> None:
    answers = judged("OP", "real-time", True, True, True) + judged("PO", "proactive", False)
    figures = score("streamingbench", answers).figures
    assert figures == {"all questions": 75.0, "proactive": 0.0, "real-time": 100.0}


@pytest.mark.parametrize("benchmark", ["worldsense", "videomme"])
def test_others_count_questions(benchmark: str) -> None:
    answers = judged("a", "x", True, True) + judged("b", "y", False)
    made = score(benchmark, answers)
    assert made.figures == {"accuracy": 66.67}
    assert (made.tasks["a"].right, made.groups["y"].asked) == (2, 1)


def test_what_could_not_be_read_is_wrong_and_counted() -> None:
    answers = [*judged("a", "", True), Judged("a", "", False, readable=False)]
    made = score("worldsense", answers)
    assert made.figures == {"accuracy": 50.0}
    assert made.as_json()["tasks"]["a"] == {
        "asked": 2,
        "right": 1,
        "unparsable": 1,
        "percent": 50.0,
    }
