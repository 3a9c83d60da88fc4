"""What causality costs is told against the same windows, and with care against the whole clip."""

from __future__ import annotations

from dataclasses import replace

from sieve.eval.arms import EVERYTHING_AGAIN
from sieve.eval.report.regret import regret_section
from sieve.eval.report.results import results
from tests.sieve.eval import made


def test_the_whole_clip_is_said_to_be_no_strong_evidence() -> None:
    live = list(made.run({"sieve": 0.9}))
    whole = [replace(o, mode="offline") for o in live]
    written = regret_section(results(live + whole, {}))
    assert "no strong evidence" in written
    assert f"Not run: the arm `{EVERYTHING_AGAIN}`" in written
    assert "| sieve | clips | 10 % | 144 | no difference in any question |" in written
    assert regret_section(None) == ""


def test_the_same_windows_with_the_question_known_are_the_reference() -> None:
    live = [replace(o, right=o.case % 4 != 0) for o in made.run({"sieve": 1.0})]
    knowing = [replace(o, arm=EVERYTHING_AGAIN, right=True) for o in live]
    written = regret_section(results(live + knowing, {}))
    (row,) = [line for line in written.splitlines() if line.startswith("| clips | 10 % |")]
    assert row.startswith("| clips | 10 % | 144 | +25.0 [")
