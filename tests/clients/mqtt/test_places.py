"""How far somebody has been told."""

from __future__ import annotations

from clients.mqtt.mapping import Story
from clients.mqtt.places import Places


def numbers(places: Places) -> list[int]:
    return [place.number for place in places.unfinished()]


def test_a_reader_that_begins_has_been_told_what_another_has_once() -> None:
    """One file held the place of all who were told, before each had its own."""
    heard, told = Places(":memory:"), Places(":memory:")
    heard.note(7, Story(name="door", session="a"))
    told.begin_as(heard)
    assert numbers(told) == [7]
    heard.note(9, Story(name="door", session="a"))
    heard.note(3, Story(name="door", session="b"))
    told.begin_as(heard)
    assert numbers(told) == [7]
    heard.close()
    told.close()


def test_a_reader_of_a_new_folder_has_been_told_nothing_for_good() -> None:
    heard, told = Places(":memory:"), Places(":memory:")
    told.begin_as(heard)
    heard.note(9, Story(name="door", session="a"))
    told.begin_as(heard)
    assert numbers(told) == []
    heard.close()
    told.close()
