"""What did not come of a session, window by window."""

from __future__ import annotations

import pytest

from clients.monitor.blanks import LOST, NO_PICTURE, NO_SOUND, blanks_of
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
