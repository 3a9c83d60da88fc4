"""What did not come of a session, window by window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.monitor.blanks import LOST, NO_PICTURE, NO_SOUND, blanks_of, came_s
from clients.mqtt.mapping import Story
from session import wire
from tests.clients.monitor.happened import skipped, window
from tests.session.described import session


def story(**tracks: bool) -> Story:
    return Story(name="yard", session="ses_1", info=session(**tracks) if tracks else None)


def missing(story: Story, event: wire.WindowIngested | wire.WindowSkipped) -> list[object]:
    return [(blank.what, blank.from_s, blank.to_s) for blank in blanks_of(story, event)]


def test_a_window_without_a_picture_is_one_though_there_is_sound() -> None:
    assert missing(story(), window(4.0, ("video", 4.0, 6.0))) == [(NO_PICTURE, 4.0, 6.0)]


def test_what_may_go_on_in_another_window_counts_and_what_lies_within_does_not() -> None:
    gaps = [("audio", 4.0, 4.3), ("audio", 5.0, 5.1), ("audio", 5.9, 6.0)]
    assert missing(story(), window(4.0, *gaps)) == [(NO_SOUND, 4.0, 4.3), (NO_SOUND, 5.9, 6.0)]


def test_a_gap_that_began_long_before_its_window_is_told_from_there() -> None:
    gaps = [("video", 8.0, 61.0), ("audio", 8.0, 60.4)]
    whole = [(NO_PICTURE, 8.0, 61.0), (NO_SOUND, 8.0, 60.4)]
    assert missing(story(), window(60.0, *gaps)) == whole


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        ({}, [NO_PICTURE, NO_SOUND]),
        ({"has_video": True, "has_audio": False}, [NO_PICTURE]),
        ({"has_video": False, "has_audio": True}, [NO_SOUND]),
    ],
)
def test_where_nothing_came_everything_that_the_session_has_is_missing(
    tracks: dict[str, bool], said: list[str]
) -> None:
    event = skipped(4.0, wire.NOTHING_CAME)
    assert missing(story(**tracks), event) == [(what, 4.0, 6.0) for what in said]


def test_a_window_that_the_service_gave_up_is_told_with_its_reason() -> None:
    event = skipped(4.0, "the engine is overloaded")
    assert missing(story(), event) == [(f"{LOST}: the engine is overloaded", 4.0, 6.0)]


@pytest.mark.parametrize(
    ("gaps", "came"),
    [
        ([], 2.0),
        ([("video", 4.0, 6.0)], 2.0),  # the sound went on
        ([("audio", 4.0, 6.0)], 2.0),
        ([("video", 4.0, 6.0), ("audio", 4.0, 6.0)], 0.0),
        ([("video", 5.0, 6.0), ("audio", 4.5, 6.0)], 1.0),
        ([("video", 4.0, 5.0), ("audio", 5.0, 6.0)], 2.0),
        ([("video", 1.0, 5.0), ("audio", 2.0, 4.5)], 1.5),  # began before the window
        ([("video", 4.0, 6.0), ("audio", 4.0, 4.5), ("audio", 5.75, 6.0)], 1.25),
    ],
)
def test_what_came_of_a_window_is_where_picture_and_sound_are_not_both_missing(
    gaps: list[tuple[str, float, float]], came: float
) -> None:
    assert came_s(story(has_video=True, has_audio=True), window(4.0, *gaps)) == came


@pytest.mark.parametrize(("has", "has_not"), [("video", "audio"), ("audio", "video")])
def test_what_a_film_does_not_have_does_not_go_on(has: str, has_not: str) -> None:
    one = story(**{f"has_{has}": True, f"has_{has_not}": False})
    assert came_s(one, window(4.0)) == 2.0
    assert came_s(one, window(4.0, (has, 5.0, 6.0))) == 1.0
    assert came_s(one, window(4.0, (has, 4.0, 6.0))) == 0.0


def test_a_window_in_which_nothing_came_has_nothing_and_one_that_was_given_up_all() -> None:
    assert came_s(story(), skipped(4.0, wire.NOTHING_CAME)) == 0.0
    assert came_s(story(), skipped(4.0, "the engine is overloaded")) == 2.0


@given(*[st.lists(st.booleans(), min_size=8, max_size=8)] * 2)
def test_what_came_counts_every_piece_of_which_a_track_came(
    seen: list[bool], heard: list[bool]
) -> None:
    """In pieces of a quarter of a second."""
    gaps = [
        (kind, 4.0 + place / 4, 4.0 + (place + 1) / 4)
        for kind, came in (("video", seen), ("audio", heard))
        for place, is_there in enumerate(came)
        if not is_there
    ]
    expected = sum(a or b for a, b in zip(seen, heard, strict=True)) / 4
    assert came_s(story(has_video=True, has_audio=True), window(4.0, *gaps)) == expected
