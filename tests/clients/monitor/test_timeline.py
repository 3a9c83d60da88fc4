"""What the timeline of a report shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.monitor.blanks import LOST as NOT_LOOKED_AT
from clients.monitor.blanks import NO_PICTURE, NO_SOUND
from clients.monitor.record import Blank, Entry, Gap, Seen, Stretch
from clients.monitor.timeline import (
    EVENT,
    LOST,
    MOST_STEPS,
    NOTE,
    WATCHED,
    Bar,
    Row,
    draw,
    drawn,
    rows_of,
    step_s,
)
from tests.clients.monitor.test_report import note
from tests.clients.mqtt.recorded import happened

WHOLE = Stretch("door", "ses_1", 0.0, 120.0)
DARK = Blank("door", "ses_1", NO_PICTURE, 10.0, 40.0)
LATE = Blank("door", "ses_1", f"{NOT_LOOKED_AT}: overloaded", 50.0, 52.0)
CUT = Gap("door", "ses_1", 60.0, 0.0, 9.0, "the camera is gone")


def test_a_source_is_shown_where_nothing_happened_with_what_was_missing_and_noted() -> None:
    entries = [Entry("door", "ses_1", 0.0, note("calm"))]
    (row,) = rows_of(Seen(entries, [CUT], [WHOLE], [DARK, LATE]))
    assert row == Row(
        "door",
        [Bar(WATCHED, 0.0, 120.0), Bar(NO_PICTURE, 10.0, 40.0), Bar(LOST, 50.0, 52.0)],
        [(NOTE, 60.0), (LOST, 60.0)],
    )


def test_each_query_of_which_there_was_an_event_has_a_row_below() -> None:
    entries = [Entry("door", "ses_1", 0.0, happened(n, "end")) for n in (1, 2)]
    entries.append(Entry("door", "ses_1", 0.0, happened(3, "new")))
    _, row = rows_of(Seen(entries, stretches=[WHOLE]))
    assert row.label == "door: a red circle appears"
    assert row.bars == [Bar(EVENT, 10.0, 14.0), Bar(EVENT, 20.0, 24.0), Bar(EVENT, 30.0, 31.0)]


def test_the_sessions_of_a_source_are_told_apart() -> None:
    other = Stretch("door", "ses_2", 0.0, 60.0)
    yard = Stretch("yard", "ses_3", 0.0, 60.0)
    entries = [Entry("door", "ses_2", 0.0, happened(1, "end"))]
    rows = rows_of(Seen(entries, [CUT], [WHOLE, other, yard], [DARK]))
    labels = ["door 1", "door 2", "door 2: a red circle appears", "yard"]
    assert [row.label for row in rows] == labels
    assert [len(row.bars) + len(row.marks) for row in rows] == [3, 1, 1, 1]


def test_it_is_a_picture_and_differs_with_what_is_shown(tmp_path: Path) -> None:
    path, pictures = tmp_path / "timeline.png", set()
    for seen in (Seen([], [], [WHOLE]), Seen([], [CUT], [WHOLE]), Seen([], [CUT], [WHOLE], [DARK])):
        assert draw(seen, path)
        pictures.add(path.read_bytes())
    assert len(pictures) == 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_no_picture_and_no_sound_at_one_time_hide_nothing_of_each_other() -> None:
    kinds = (WATCHED, NO_PICTURE, NO_SOUND, LOST)
    (axes,) = drawn([Row("door", [Bar(kind, 10.0, 40.0) for kind in kinds])]).axes
    heights = {}
    for kind, bars in zip(kinds, axes.collections, strict=True):
        ends = [y for _, y in bars.get_paths()[0].vertices]
        heights[kind] = (round(min(ends), 6), round(max(ends), 6))
    assert heights == {
        WATCHED: (-0.3, 0.3),
        NO_PICTURE: (-0.3, 0.0),  # the axis points down
        NO_SOUND: (0.0, 0.3),
        LOST: (-0.3, 0.3),
    }
    assert axes.yaxis_inverted()


def test_times_are_those_of_the_report() -> None:
    (axes,) = drawn([Row("door", [Bar(WATCHED, 0.0, 5_400.0)])]).axes
    told = [label.get_text() for label in axes.get_xticklabels()]
    assert told == [f"{m // 60}:{m % 60:02}:00" for m in range(0, 91, 15)]
    assert list(axes.get_xticks()) == [900.0 * place for place in range(7)]


@pytest.mark.parametrize("length_s", [0.0, 1.0, 9.0, 61.0, 3_600.0, 86_400.0, 3e6, 1e8])
def test_the_axis_is_never_full_of_times(length_s: float) -> None:
    assert length_s / step_s(length_s) <= MOST_STEPS


def test_there_is_none_where_nothing_was_watched(tmp_path: Path) -> None:
    assert not draw(Seen([], [Gap("door", None, None, 0.0, None, "away")]), tmp_path / "t.png")
    assert not list(tmp_path.iterdir())
