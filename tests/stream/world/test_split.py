"""Held-out compositions: the parts are known, only the combination is new."""

from __future__ import annotations

from itertools import product

from stream.world.scene import COLOURS, OBJECTS, SHAPES, SOUNDS, Thing
from stream.world.split import held_out, together

PAIRS = [(Thing.named(name), sound) for name, sound in product(OBJECTS, SOUNDS)]


def test_a_fifth_of_all_pairs_is_held_out_and_some_of_every_thing_and_sound() -> None:
    out = [(thing.name, sound) for thing, sound in PAIRS if held_out(thing, sound)]
    assert 0.18 < len(out) / len(PAIRS) < 0.22
    assert {name for name, _ in out} == set(OBJECTS)
    assert {sound for _, sound in out} == set(SOUNDS)


def test_every_colour_and_every_shape_comes_with_every_sound_in_training() -> None:
    known = [(thing, sound) for thing, sound in PAIRS if not held_out(thing, sound)]
    assert {(thing.colour, sound) for thing, sound in known} == set(product(COLOURS, SOUNDS))
    assert {(thing.shape, sound) for thing, sound in known} == set(product(SHAPES, SOUNDS))


def test_training_and_held_out_are_two_halves_of_all() -> None:
    for thing, sound in PAIRS:
        train, out = (together(split, [thing], sound) for split in ("train", "held-out"))
        assert train != out
        assert together("any", [thing], sound)
    assert together("held-out", [], "buzz")
