"""A segment's names, and what cannot be in one."""

from __future__ import annotations

import pytest

from stream.world.scene import OBJECTS, Segment, Sound, Symbol, Thing

RED, BLUE = Thing.named("red circle"), Thing.named("blue square")


def test_a_picture_is_told_in_words() -> None:
    assert Segment(0, 0.0, 2.0).picture == "nothing"
    assert Segment(0, 0.0, 2.0, (RED,)).picture == "red circle"
    assert Segment(0, 0.0, 2.0, (RED, BLUE)).picture == "red circle and blue square"
    assert [Thing.named(name).number for name in OBJECTS] == list(range(24))


def test_the_thing_and_the_sound_of_a_segment_are_those_it_has_one_of() -> None:
    sounds = (Sound("buzz", 0.2, 0.5), Sound("click", 0.7, 1.0))
    one = Segment(0, 0.0, 2.0, (RED,), sounds=sounds[:1])
    assert (one.thing, one.sound) == (RED, sounds[0])
    two = Segment(0, 0.0, 2.0, (RED, BLUE), sounds=sounds)
    assert two.thing is two.sound is Segment(0, 0.0, 2.0).thing is None


def test_nothing_lies_outside_its_segment() -> None:
    with pytest.raises(ValueError, match="outside"):
        Segment(0, 1.0, 2.0, sounds=(Sound("buzz", 0.9, 1.5),))
    with pytest.raises(ValueError, match="outside"):
        Segment(0, 1.0, 2.0, symbol=Symbol("1", 1.0, 2.1))
    with pytest.raises(ValueError, match="at most 3"):
        Segment(0, 0.0, 2.0, tuple(Thing.named(name) for name in OBJECTS[:4]))
