"""What a part is worth is told with its sign, or that it is not shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sieve.eval.outcomes import Outcome
from sieve.eval.report.effects import abilities_section, ablations_section, effect, kinds_section
from sieve.eval.report.results import results
from tests.sieve.eval import made


@pytest.mark.parametrize(
    ("shown", "paper", "said"),
    [
        ((-4.0, -6.0, -2.0), -4.6, "yes"),
        ((4.0, 2.0, 6.0), -4.6, "no"),
        ((-1.0, -3.0, 1.0), -4.6, "not shown"),
        ((-4.0, -6.0, 0.0), -4.6, "not shown"),
        ((-4.0, None, None), -4.6, "not shown"),
        ((-4.0, -6.0, -2.0), None, "–"),
    ],
)
def test_a_sign_is_shown_where_the_interval_does_not_hold_zero(
    shown: tuple[float | None, ...], paper: float | None, said: str
) -> None:
    assert effect(shown, paper) == said


def _ablated(worse: float, task: str = "clips") -> list[Outcome]:
    """The sieve is always right; an ablation is so in a part of the cases."""
    lines = [line for line in made.study() if line.arm == "sieve"]
    ours = [replace(line, task=task, right=True) for line in lines]
    cut = [replace(o, arm="causal refiner", right=o.case % 10 >= 10 * worse) for o in ours]
    return [*ours, *cut]


def test_ablations_say_whether_they_have_the_papers_sign() -> None:
    written = ablations_section(results(_ablated(0.5), {"model": "demo"}))
    row, _ = [line for line in written.splitlines() if line.startswith("| causal refiner")]
    assert row.endswith("| -4.6 | yes |")
    written = ablations_section(results(_ablated(0.0), {"model": "demo"}))
    row, _ = [line for line in written.splitlines() if line.startswith("| causal refiner")]
    assert row.endswith("| no difference in any question | -4.6 | not shown |")


def test_a_part_switched_off_in_use_stands_apart_from_a_model_trained_without_it() -> None:
    lines = _ablated(0.5)
    trained = [replace(o, arm="trained: causal refiner") for o in lines if o.arm != "sieve"]
    written = ablations_section(results([*lines, *trained], {"model": "demo"}))
    in_use, apart = written.index("### Switched off in use"), written.index("### Trained without")
    assert in_use < written.index("| causal refiner |") < apart
    assert apart < written.index("| trained: causal refiner |")
    assert "These are 2 comparisons" in written
    assert "0.1 of them would leave 0 outside by chance" in written


def test_accuracies_of_the_ablations_stand_below_their_effects() -> None:
    written = ablations_section(results(_ablated(0.5), {"model": "demo"}))
    assert written.index("## Ablations at 20 %") < written.index("### ablations: clips, streamed")


def test_every_ablation_stands_beside_every_task() -> None:
    lines = [*_ablated(0.5, "T1"), *_ablated(0.0, "T6")]
    written = abilities_section(results(lines, {"model": "demo"}))
    assert "| arm | T1 | T6 |" in written
    (row,) = [line for line in written.splitlines() if line.startswith("| causal refiner")]
    assert row.split("|")[2].strip().startswith("-")
    assert row.split("|")[3].strip() == "alike"
    assert "These are 2 comparisons" in written
    assert "| sieve |" not in written


def test_kinds_tell_what_is_not_known_with_all_tokens() -> None:
    lines = [replace(o, right=o.right and o.kind != "order") for o in made.study()]
    written = kinds_section(results(lines, {"model": "demo"}))
    (row,) = [line for line in written.splitlines() if line.startswith("| order")]
    assert row == "| order | 36 | 0 | 0 | 0 | 0 | 0 |"
    assert kinds_section(None) == ""


def test_of_few_questions_of_a_kind_it_is_told_how_many_were_right() -> None:
    lines = [replace(o, right=True) for o in made.run({"sieve": 1.0}, cases=3)]
    written = kinds_section(results(lines, {"model": "demo"}))
    (row,) = [line for line in written.splitlines() if line.startswith("| order")]
    assert row == "| order | 9 | 9/9 |"
