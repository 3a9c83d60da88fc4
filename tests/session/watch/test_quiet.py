"""Quiet hours by the clocks of a place."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session.watch.quiet import Quiet

MINUTES = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_hours_may_pass_midnight() -> None:
    night = Quiet("22:00", "07:00")
    assert [night.covers(at(f"2026-11-21T{t}")) for t in ("21:59", "22:00", "03:00")] == [0, 1, 1]
    assert [night.covers(at(f"2026-11-21T{t}")) for t in ("06:59", "07:00", "12:00")] == [1, 0, 0]


def test_they_follow_the_clocks_of_their_place_through_the_year() -> None:
    noon = Quiet("12:00", "13:00", "Europe/Berlin")
    assert noon.covers(at("2026-01-10T11:30"))  # winter: an hour before UTC's
    assert noon.covers(at("2026-07-10T10:30"))
    assert not noon.covers(at("2026-07-10T11:30"))


@given(start=MINUTES, end=MINUTES, now=MINUTES)
def test_the_day_is_either_in_the_hours_or_in_their_complement(
    start: int, end: int, now: int
) -> None:
    if start == end:
        return
    moment = at(f"2026-11-21T{clock(now)}")
    inside = Quiet(clock(start), clock(end)).covers(moment)
    assert inside != Quiet(clock(end), clock(start)).covers(moment)


@pytest.mark.parametrize(
    ("start", "end", "zone", "says"),
    [
        ("25:00", "07:00", "UTC", "reads like 22:30"),
        ("noon", "07:00", "UTC", "reads like 22:30"),
        ("07:00", "07:00", "UTC", "are empty"),
        ("22:00", "07:00", "Mars/Base", "no time zone"),
        ("22:00", "07:00", "../etc/passwd", "no time zone"),
        ("22:00", "07:00", "", "no time zone"),
    ],
)
def test_what_is_no_stretch_of_the_day_is_refused(
    start: str, end: str, zone: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Quiet(start, end, zone)
