"""In short: what was asked, what holds, what is missed, all from the data."""

from __future__ import annotations

from sieve.eval.report.results import results
from sieve.eval.report.summary import summary
from sieve.eval.report.targets import Evidence
from tests.sieve.eval import made


def test_it_says_what_was_asked_and_what_is_missed() -> None:
    study = results(made.study(), {"model": "demo", "weights": "aaa"})
    written = summary(Evidence({"arms": study}, weights="aaa"))
    assert "1 studies put 144 questions about 36 streams" in written
    assert "with other weights" not in written
    assert "the model answers" in written
    assert "On 36 clips of 4 to 60 s (144 questions, 4 kinds, seeds 1, 2, 3)" in written
    assert "are met" in written
    assert "not measured" in written
    full = study["cells"][0]["accuracy"][0]
    assert f"answers {full:.1f} [" in written


def test_other_weights_are_named() -> None:
    study = results(made.study(), {"model": "demo", "weights": "bbb"})
    written = summary(Evidence({"arms": study}, weights="aaa"))
    assert "`arms` with other weights" in written
    assert "the model with the weights bbb answers" in written


def test_without_results_it_says_nothing() -> None:
    assert summary(Evidence({})) == ""
