"""The stream with scripted events, and what can be told of them."""

from __future__ import annotations

import argparse

import pytest

from clients.monitor.bench.command import run
from clients.monitor.bench.script import WATCHED, script_of
from session.bench.alarms import stretches
from sieve.errors import SettingInvalid
from stream.world.scene import Scene


@pytest.mark.parametrize("seed", [1, 9_100])
def test_what_is_watched_for_comes_at_the_scripted_times_and_never_else(seed: int) -> None:
    script = script_of(seed, 1_800, 20)
    segments = Scene(seed, script).segments(0.0, 1_800.0)
    shown = {s.index for s in segments if s.things[0].name in WATCHED}
    assert shown == set(script.events)
    assert len(shown) == 20


def test_an_event_can_be_told_at_the_first_window_that_shows_a_second_of_it() -> None:
    scene = Scene(3, script_of(3, 600, 8))
    for name in WATCHED:
        for event in stretches(scene, name, 600):
            assert event.first_s % 2.0 == 0.0
            assert event.start_s + 1.0 <= event.first_s < event.start_s + 3.0


def test_more_events_than_fit_are_refused() -> None:
    with pytest.raises(SettingInvalid, match="do not fit"):
        script_of(1, 60, 20)


def test_a_rule_that_cannot_be_meant_is_refused_before_anything_starts() -> None:
    args = argparse.Namespace(threshold=0.5, release=0.6, min_s=3.0)
    with pytest.raises(SettingInvalid, match="release <= threshold"):
        run(args)
