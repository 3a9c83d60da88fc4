"""The record of a run: what is told twice is there once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.monitor.blanks import NO_PICTURE, NO_SOUND
from clients.monitor.record import Blank, Entry, Gap, Record, Stretch
from session import wire
from tests.clients.mqtt.recorded import happened


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path / "record.db")
    yield record
    record.close()


def watched(record: Record, *starts: float) -> None:
    for start_s in starts:
        record.watched(Stretch("yard", "ses_1", start_s, start_s + 2.0))


def blank(record: Record, from_s: float, to_s: float, what: str = NO_PICTURE) -> None:
    record.blank(Blank("yard", "ses_1", what, from_s, to_s))


def blanks(record: Record) -> list[tuple[str, float, float]]:
    return [(one.what, one.from_s, one.to_s) for one in record.blanks()]


def test_an_event_counts_once_as_it_stood_last(record: Record) -> None:
    for place, change in enumerate(("new", "update", "end")):
        record.add(Entry("yard", "ses_1", float(place), happened(1, change)))
    (entry,) = record.entries()
    assert isinstance(entry.event, wire.WatchEvent)
    assert (entry.event.change, entry.told_at) == ("end", 0.0)


def test_a_stretch_goes_from_its_first_window_to_its_last(record: Record) -> None:
    record.begins("yard", "ses_1")
    assert record.stretches() == []
    watched(record, 0.0, 2.0, 4.0, 2.0)
    assert record.stretches() == [Stretch("yard", "ses_1", 0.0, 6.0)]


def test_a_sender_that_comes_again_begins_another_stretch_once(record: Record) -> None:
    record.begins("yard", "ses_1")
    watched(record, 0.0)
    record.begins("yard", "ses_1")
    record.begins("yard", "ses_1")
    watched(record, 2.0, 4.0)
    stretches = [(one.from_s, one.to_s) for one in record.stretches()]
    assert stretches == [(0.0, 2.0), (2.0, 6.0)]


def test_a_session_whose_beginning_was_not_told_has_a_stretch_too(record: Record) -> None:
    watched(record, 60.0)
    assert record.stretches() == [Stretch("yard", "ses_1", 60.0, 62.0)]


def test_what_does_not_come_over_several_windows_is_one_blank(record: Record) -> None:
    watched(record, 0.0, 2.0, 4.0)
    for from_s, to_s in ((1.0, 2.0), (2.0, 4.0), (2.0, 4.0), (4.0, 4.5)):
        blank(record, from_s, to_s)
    blank(record, 2.0, 4.0, NO_SOUND)
    assert blanks(record) == [(NO_PICTURE, 1.0, 4.5), (NO_SOUND, 2.0, 4.0)]


def test_a_blank_that_is_told_again_after_another_is_there_once(record: Record) -> None:
    watched(record, 0.0, 20.0)
    for from_s in (0.0, 20.0, 0.0):
        blank(record, from_s, from_s + 2.0)
    assert blanks(record) == [(NO_PICTURE, 0.0, 2.0), (NO_PICTURE, 20.0, 22.0)]


def test_less_than_a_window_is_no_blank(record: Record) -> None:
    watched(record, 0.0)
    blank(record, 0.0, 1.9)
    assert blanks(record) == []


def test_before_a_sender_brings_something_nothing_is_missing(record: Record) -> None:
    record.begins("yard", "ses_1")
    watched(record, 8.0)  # it took so long to connect
    blank(record, 0.0, 9.0)
    blank(record, 0.0, 6.0, NO_SOUND)
    assert blanks(record) == []
    watched(record, 10.0)
    blank(record, 9.0, 12.0)
    assert blanks(record) == [(NO_PICTURE, 8.0, 12.0)]


def gaps(record: Record) -> list[tuple[str, float, float | None, str]]:
    return [(one.source, one.from_at, one.to_at, one.reason) for one in record.gaps()]


def run(record: Record, *moments: float) -> None:
    """Of a monitor that was there at these."""
    number = record.run_begins(moments[0])
    for at in moments[1:]:
        record.run_goes_on(number, at)


def test_between_two_runs_nothing_was_watched(record: Record) -> None:
    run(record, 100.0, 101.0, 102.0)
    run(record, 160.0, 161.0)
    record.down(Gap("yard", None, None, 160.5, None, "no service"))
    assert gaps(record) == [
        ("(all)", 102.0, 160.0, "the monitor was not running"),
        ("yard", 160.5, None, "no service"),
    ]


def test_a_monitor_that_is_back_in_a_moment_was_not_away(record: Record) -> None:
    run(record, 100.0)
    run(record, 109.0)
    assert not record.gaps()


def test_a_clock_that_is_set_while_it_runs_makes_no_gap(record: Record) -> None:
    run(record, 100.0, 101.0, 3_700.0, 102.0)
    run(record, 103.0)
    run(record, 50.0)
    assert not record.gaps()


def test_after_everything_has_come_to_its_end_nothing_is_missed(record: Record) -> None:
    run(record, 100.0)
    record.run_ends()
    run(record, 101.0, 102.0)
    assert not record.gaps()
    run(record, 200.0)
    assert gaps(record) == [("(all)", 102.0, 200.0, "the monitor was not running")]
