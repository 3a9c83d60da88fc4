"""How alarms are held against what happened."""

from __future__ import annotations

import dataclasses

import pytest

from session.bench.alarms import Alarm, Alarms, Kept, Stretch, held, stretches, visible
from stream.world.scene import Scene


def kept(events: list[tuple[float, float]], alarms: list[float]) -> Kept:
    return Kept(
        seed=1,
        seconds=3_600,
        events=tuple(Stretch(start_s, end_s, start_s + 2.0) for start_s, end_s in events),
        alarms=tuple(Alarm(start_s, start_s + 2.0) for start_s in alarms),
        answered=1.0,
    )


def test_an_event_is_found_once_and_what_comes_again_is_a_false_alarm() -> None:
    figures = Alarms.of([kept([(10.0, 20.0), (50.0, 60.0)], [10.0, 14.0, 58.0, 90.0])])
    assert (figures.found, figures.alarms, figures.events) == (2, 4, 2)
    assert figures.precision == 0.5
    assert figures.recall == 1.0
    assert figures.f1 == pytest.approx(0.667, abs=1e-3)
    assert figures.false_per_hour == 2.0


def test_the_delay_is_counted_from_the_first_window_that_could_tell() -> None:
    assert Alarms.of([kept([(10.0, 20.0)], [10.0])]).delay_windows == 0.0
    assert Alarms.of([kept([(10.0, 20.0)], [14.0])]).delay_windows == 2.0
    assert Alarms.of([kept([(10.0, 20.0)], [])]).delay_windows is None


def test_the_hours_of_a_stream_count_once_for_all_its_watches() -> None:
    assert Alarms.of([kept([], [5.0]), kept([], [])]).false_per_hour == 1.0


def test_an_alarm_too_late_is_a_miss_and_a_false_alarm() -> None:
    figures = Alarms.of([kept([(10.0, 20.0)], [22.0])])
    assert (figures.precision, figures.recall) == (0.0, 0.0)


def test_who_tells_of_a_glimpse_is_not_wrong_but_who_tells_of_an_event_twice_is() -> None:
    watched = dataclasses.replace(
        kept([(10.0, 20.0)], [10.0, 14.0, 30.0, 40.0]), glimpses=((31.5, 32.4),)
    )
    figures = Alarms.of([watched])
    assert (figures.found, figures.glimpsed, figures.alarms) == (1, 1, 4)
    assert figures.false_per_hour == 2.0
    assert figures.precision == pytest.approx(1 / 3, abs=1e-3)


def test_what_is_no_event_is_a_glimpse() -> None:
    scene = Scene(3)
    name = scene.segments(0.0, 10.0)[0].things[0].name
    found = held(scene, name, 120, [Alarm(0.0, 2.0)])
    there = sorted([(e.start_s, e.end_s) for e in found.events] + list(found.glimpses))
    assert there == visible(scene, name, 120.0)


def test_an_event_is_what_a_query_at_the_end_of_a_window_can_tell() -> None:
    scene = Scene(3)
    names = {thing.name for s in scene.segments(0.0, 120.0) for thing in s.things}
    some = 0
    for name in names:
        for stretch in stretches(scene, name, 120):
            some += 1
            assert (stretch.start_s, stretch.end_s) in visible(scene, name, 120.0)
            assert stretch.first_s % 2.0 == 0.0
            assert stretch.start_s + 1.0 <= stretch.first_s <= stretch.end_s
    assert some > 20
