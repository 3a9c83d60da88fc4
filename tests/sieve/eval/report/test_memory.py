"""What the memory still knows is told with how many questions tell it."""

from __future__ import annotations

from dataclasses import replace

from sieve.eval.outcomes import Outcome
from sieve.eval.report.memory import groups_of, horizon_section, memory_section, newest_section
from sieve.eval.report.results import results
from tests.sieve.eval import made


def _memory(**shares: float) -> list[Outcome]:
    """Evidence of 5 s, of 100 s, and, in one case of each seed, of 300 s."""
    slots: dict[str, object] = {"task": "memory", "budget": "10 %, 96 slots", "at_s": 400.0}
    arms = {name.replace("_", " "): share for name, share in shares.items()}
    lines = made.run(arms, **slots)
    return [replace(o, age_s=(300.0 if o.case == 0 else 5.0 + 95.0 * (o.case % 2))) for o in lines]


def _row(written: str, begin: str) -> list[str]:
    row = next(line for line in written.splitlines() if line.startswith(f"| {begin} |"))
    return [cell.strip() for cell in row.split("|")[2:-1]]


def test_each_band_says_how_many_questions_it_holds() -> None:
    written = memory_section(results(_memory(score_with_age=0.9, recent_first=0.4), {}))
    assert _row(written, "questions") == ["60", "72", "12"]
    assert all("[" in cell for cell in _row(written, "recent first")[:2])


def test_of_fewer_than_ten_questions_no_share_is_told() -> None:
    lines = [o for o in _memory(score_with_age=1.0) if o.case or o.seed < 3]
    written = memory_section(results(lines, {}))
    assert _row(written, "questions") == ["60", "72", "8"]
    assert _row(written, "score with age") == ["all", "all", "–"]


def test_arms_with_the_same_figures_are_told_once_and_named() -> None:
    lines = _memory(score_with_age=0.9, recent_first=0.4)
    same = [replace(o, arm="as shipped") for o in lines if o.arm == "score with age"]
    study = results([*lines, *same], {})
    assert groups_of(study["ages"])["score with age"] == ["score with age", "as shipped"]
    written = memory_section(study)
    assert "`as shipped` answered as `score with age` did, in every figure." in written


def test_the_default_is_held_against_every_other_policy() -> None:
    study = results(_memory(score_with_age=0.9, recent_first=0.4, no_fading=0.9), {})
    written = memory_section(study)
    assert "points or more ahead of `recent first`" in written
    assert "no paired differences" not in written
    assert "By more than their interval are behind it: at" in written
    assert "ahead of the default" not in written.split("By more than")[1]
    for cell in study["cells"]:
        cell["difference"] = None  # as in files that were folded before pairs were kept
    assert "holds no paired differences" in memory_section(study)


def test_what_asks_for_an_age_has_a_table_of_its_own() -> None:
    lines = _memory(score_with_age=0.9, recent_first=0.4)
    assert "When did it happen?" not in memory_section(results(lines, {}))
    aged = [replace(o, kind="when_seen" if o.case % 2 else "when_heard") for o in lines]
    written = memory_section(results([*lines, *aged], {}))
    _, when = written.split("### When did it happen?")
    assert _row(when, "questions") == ["60", "72", "12"]


def test_the_newest_windows_whole_are_called_recent_n_everywhere() -> None:
    lines = _memory(score_with_age=0.9, newest_windows_whole=0.4)
    written = memory_section(results(lines, {}))
    assert "newest windows whole" not in written
    assert _row(written, "recent-N")


def test_milestones_with_pairs_of_the_training_are_told_as_such() -> None:
    study = results(_memory(score_with_age=0.9), {})
    assert "paired things and sounds freely" not in memory_section(study)
    del study["tasks"]["memory"]["compositions"]
    assert "paired things and sounds freely" in memory_section(study)


def _horizon(better: float) -> str:
    slots: dict[str, object] = {"task": "horizon", "budget": "10 %, 288 slots", "at_s": 1600.0}
    lines = list(made.run({"score with age": 0.3}, age_s=1400.0, **slots))
    other = [replace(o, arm="no horizon", right=o.right or o.case < better) for o in lines]
    return horizon_section(results([*lines, *other], {}))


def test_arms_that_do_not_differ_tell_nothing_of_the_horizon() -> None:
    assert "this tells nothing of the horizon" in _horizon(0)
    assert "older than 512 s" in _horizon(0)
    assert "this tells nothing of the horizon" not in _horizon(6)


def test_nothing_is_told_of_what_was_not_run() -> None:
    assert memory_section(None) == horizon_section(None) == ""


def test_of_what_is_newest_every_policy_stands_beside_the_default_at_every_number_of_slots() -> (
    None
):
    lines = [
        line
        for slots in (256, 512)
        for line in made.run(
            {"score with age": 0.5, "recent first": 0.9, "newest windows whole": 0.5},
            task="newest",
            budget=f"10 %, {slots} slots",
        )
    ]
    written = newest_section(results(lines, {}))
    assert "| arm | 10 %, 512 slots | 10 %, 256 slots |" in written
    assert len(_row(written, "recent-N")) == 2
    assert "`recent first` did better on these questions." in written
    assert "has to serve both" not in written
    assert newest_section(None) == ""


def test_a_policy_is_judged_by_the_worse_of_old_and_new() -> None:
    old = results(_memory(score_with_age=0.9, recent_first=0.4, no_fading=0.9), {})
    arms = {"score with age": 0.5, "recent first": 0.9, "no fading": 0.5, "fixed share": 0.1}
    new = results(list(made.run(arms, task="newest", budget="10 %, 256 slots")), {})
    _, both = newest_section(new, old).split("has to serve both")
    in_old, in_new, worse = _row(both, "recent first")
    assert in_new.startswith("+")
    assert in_old.startswith("-")
    assert worse == in_old
    assert "| fixed share" not in both
    assert "by the worse of the two is `no fading`" in both
    assert "the default stays" in both
