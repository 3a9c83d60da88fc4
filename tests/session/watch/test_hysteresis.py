"""Standing queries: when an event begins, goes on and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session.watch.hysteresis import (
    STATE,
    Change,
    Rule,
    Sight,
    State,
    advance,
    finish,
    resumed,
)
from session.watch.quiet import Quiet

MIDNIGHT_AT = 1_800_000_000 // 86_400 * 86_400.0
NIGHT = Quiet("22:00", "07:00")
EVENING_AT = MIDNIGHT_AT + 22 * 3_600 - 20  # ten windows before the quiet hours


def sights(chances: Sequence[float], at: float = MIDNIGHT_AT + 43_200) -> list[Sight]:
    """A window each, from second 0 on, which is the moment ``at``."""
    return [Sight(2.0 * i, 2.0 * i + 2, at + 2 * i + 2, yes) for i, yes in enumerate(chances)]


def told(rule: Rule, seen: Sequence[Sight], *, restarts: Sequence[int] = ()) -> list[Change]:
    """All changes; before the windows in ``restarts`` the state goes through its JSON."""
    state, changes = State(), []
    for place, sight in enumerate(seen):
        if place in restarts:
            state = STATE.validate_json(STATE.dump_json(state))
        state, now = advance(rule, state, sight)
        changes += now
    _, last = finish(rule, state, seen[-1].end_s if seen else 0.0)
    return [*changes, *last]


def test_what_has_to_last_does_not_last_over_a_time_that_nobody_watched() -> None:
    rule = Rule(threshold=0.8, release=0.4, min_s=10.0)
    state, _ = advance(rule, State(), Sight(100.0, 102.0, MIDNIGHT_AT, 0.9))
    assert state.since_s == 100.0
    state, changes = advance(rule, resumed(state), Sight(200.0, 202.0, MIDNIGHT_AT, 0.5))
    assert (state.since_s, changes) == (None, ())


def kinds(changes: Sequence[Change]) -> list[str]:
    return [change.kind for change in changes]


@dataclass(frozen=True)
class Course:
    """What happens to one watch."""

    rule: Rule
    seen: tuple[Sight, ...]


@st.composite
def courses(draw: st.DrawFn, *, quiet: bool = True) -> Course:
    release, threshold = sorted(draw(st.tuples(*[st.sampled_from([0.2, 0.4, 0.5, 0.8])] * 2)))
    seconds = st.sampled_from([0.0, 2.0, 3.0, 6.0, 11.0])
    hours = (NIGHT,) if quiet and draw(st.booleans()) else ()
    rule = Rule(threshold, release, draw(seconds), draw(seconds), draw(seconds), hours)
    chances = draw(
        st.lists(st.sampled_from([0.0, 0.2, 0.3, 0.45, 0.5, 0.7, 0.8, 1.0]), max_size=40)
    )
    begin_at = draw(st.sampled_from([EVENING_AT, EVENING_AT + 9 * 3_600, MIDNIGHT_AT + 43_200]))
    kept = draw(st.lists(st.integers(0, 5), min_size=len(chances), max_size=len(chances)))
    seen = [s for s, chance in zip(sights(chances, begin_at), kept, strict=True) if chance]
    return Course(rule, tuple(seen))


@given(course=courses())
def test_each_event_begins_once_and_ends_once_and_is_told_of_only_in_between(
    course: Course,
) -> None:
    changes = told(course.rule, course.seen)
    numbers = sorted({change.number for change in changes})
    assert numbers == list(range(1, len(numbers) + 1))
    for number in numbers:
        of_it = kinds([change for change in changes if change.number == number])
        assert of_it[0] == "new"
        assert of_it[-1] == "end"
        assert set(of_it[1:-1]) <= {"update"}
    assert [c.number for c in changes] == sorted(c.number for c in changes)


@given(course=courses())
def test_nothing_is_told_in_quiet_hours(course: Course) -> None:
    state = State()
    for sight in course.seen:
        state, changes = advance(course.rule, state, sight)
        assert not (changes and course.rule.is_quiet(sight.at))


@given(course=courses(quiet=False))
def test_an_event_begins_only_where_the_threshold_was_reached_and_held_for_its_time(
    course: Course,
) -> None:
    rule, state = course.rule, State()
    for place, sight in enumerate(course.seen):
        state, changes = advance(rule, state, sight)
        for change in changes:
            if change.kind == "new":
                held = [s for s in course.seen[: place + 1] if s.start_s >= change.started_s]
                assert held[0].yes >= rule.threshold
                assert all(s.yes >= rule.release for s in held)
                assert sight.end_s - change.started_s >= rule.min_s


@given(course=courses(quiet=False))
def test_an_event_ends_with_the_first_window_below_release(course: Course) -> None:
    changes = told(course.rule, course.seen)
    begun = [change for change in changes if change.kind == "new"]
    for begin, end in zip(begun, [c for c in changes if c.kind == "end"], strict=True):
        low = [s.start_s for s in course.seen if s.yes < course.rule.release]
        after = [start_s for start_s in low if start_s >= begin.started_s]
        assert end.ended_s == (after[0] if after else course.seen[-1].end_s)


@given(course=courses())
def test_none_begins_before_the_cool_down_of_the_last_is_over(course: Course) -> None:
    changes = [c for c in told(course.rule, course.seen) if c.kind != "update"]
    for end, begin in pairwise(changes):
        if end.kind == "end":
            assert end.ended_s is not None
            assert begin.started_s >= end.ended_s + course.rule.cooldown_s


@given(levels=st.lists(st.sampled_from([0.45, 0.5, 0.55]), max_size=30))
def test_what_stays_between_release_and_threshold_tells_nothing(levels: list[float]) -> None:
    assert told(Rule(threshold=0.6, release=0.4, update_s=1e9), sights(levels)) == []
    held = told(Rule(threshold=0.6, release=0.4, update_s=1e9), sights([0.9, *levels]))
    assert kinds(held) == ["new", "end"]
    assert held[-1].ended_s == 2.0 * len(levels) + 2


@given(course=courses(), restarts=st.sets(st.integers(0, 39)))
def test_a_restart_neither_doubles_nor_loses(course: Course, restarts: set[int]) -> None:
    again = told(course.rule, course.seen, restarts=sorted(restarts))
    assert again == told(course.rule, course.seen)


@given(course=courses(quiet=False))
def test_with_no_conditions_every_window_above_the_threshold_lies_in_an_event(
    course: Course,
) -> None:
    rule = Rule(course.rule.threshold, course.rule.release)
    changes = told(rule, course.seen)
    lasted = [
        (begin.started_s, end.ended_s)
        for begin, end in pairwise([c for c in changes if c.kind != "update"])
        if begin.kind == "new" and end.ended_s is not None
    ]
    for sight in course.seen:
        inside = any(start_s <= sight.start_s < end_s for start_s, end_s in lasted)
        assert inside or sight.yes < rule.threshold


def test_an_end_in_quiet_hours_is_told_when_they_are_over_with_its_own_time() -> None:
    rule = Rule(quiet=(NIGHT,), update_s=1e9)
    evening = sights([0.9, 0.0, 0.0], at=EVENING_AT + 18)  # quiet from the end of the first on
    morning = Sight(40_000, 40_002, EVENING_AT + 12 * 3_600, 0.0)
    changes = told(Rule(quiet=(Quiet("22:00", "07:00"),)), [])
    assert changes == []
    state, new = advance(rule, State(), Sight(0, 2, EVENING_AT, 0.9))
    for sight in evening[1:]:
        state, nothing = advance(rule, state, sight)
        assert nothing == ()
    _, (end,) = advance(rule, state, morning)
    assert kinds([*new, end]) == ["new", "end"]
    assert end.ended_s == 2.0


def test_an_update_comes_as_often_as_asked_for() -> None:
    changes = told(Rule(update_s=6.0), sights([0.9] * 10))
    assert kinds(changes) == ["new", "update", "update", "update", "end"]


def test_windows_in_which_it_was_not_seen_part_the_spans() -> None:
    seen = [s for s in sights([0.9] * 5) if s.start_s != 4.0]  # one was not judged
    assert told(Rule(), seen)[-1].spans == ((0.0, 4.0), (6.0, 10.0))


def test_the_session_closing_ends_what_is_open_at_any_hour() -> None:
    rule = Rule(quiet=(NIGHT,))
    state, _ = advance(rule, State(), Sight(0, 2, EVENING_AT, 0.9))
    state, (end,) = finish(rule, state, 8.0)
    assert (end.kind, end.ended_s) == ("end", 8.0)
    assert finish(rule, state, 9.0)[1] == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.3, "release": 0.4},
        {"threshold": 1.0},
        {"release": 0.0},
        {"threshold": float("nan")},
        {"min_s": -1.0},
        {"cooldown_s": float("nan")},
        {"update_s": float("inf")},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"release|seconds"):
        Rule(**wrong)
