"""How numbers of watches that count are held against what there was."""

from __future__ import annotations

from session.bench.numbers import Numbers, Reading, count_stream, numbers_of
from sieve import Model
from stream.world.plot import Varied
from stream.world.scene import COLOURS, Scene

SEED = 9_000


def test_shares_are_of_all_readings_and_of_those_told() -> None:
    read = [Reading(2, True, 2), Reading(3, True, 2), Reading(0, False, 0), Reading(None, False, 2)]
    figures = Numbers.of(read)
    assert (figures.readings, figures.right, figures.majority) == (4, 0.5, 0.75)
    assert (figures.told, figures.right_of_told) == (0.5, 0.5)


def test_where_nothing_was_read_or_told_there_is_no_share_of_it() -> None:
    assert Numbers.of([]).readings == 0
    assert Numbers.of([Reading(None, False, 1)]).right_of_told is None


def test_what_is_right_counts_the_things_of_the_last_minute_once_each() -> None:
    scene = Scene(SEED, Varied("any"))
    for colour, number in numbers_of(scene, 200.0).items():
        names = {
            thing.name
            for segment in scene.segments(140.0, 200.0)
            for thing in segment.things
            if thing.colour == colour
        }
        assert number == len(names)
    assert len(numbers_of(scene, 200.0)) > 2


def test_the_built_in_model_counts_better_than_who_always_says_the_same(demo_model: Model) -> None:
    figures = Numbers.of(count_stream(demo_model, SEED, Varied("any"), 60))
    assert figures.readings > 30
    assert figures.right > figures.majority + 0.2
    assert len(COLOURS) * 30 >= figures.readings
