"""Quiet hours: stretches of the day, by the wall clock of a place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Quiet:
    """Every day from ``start`` up to ``end`` ("22:00", "07:00"), over midnight where the end is the
    earlier one, in a time zone of the IANA database. Raises ValueError for what is no such thing.

    What counts is what the clocks there show: in the night in which they are put back, an hour that
    comes twice is quiet twice.
    """

    start: str
    end: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if clock_time(self.start) == clock_time(self.end):
            raise ValueError(f"quiet hours from {self.start} to {self.end} are empty")
        place(self.zone)

    def covers(self, at: float) -> bool:
        """Whether the moment ``at`` (Unix seconds) lies in them."""
        shown = datetime.fromtimestamp(at, place(self.zone)).time()
        start, end = clock_time(self.start), clock_time(self.end)
        if start < end:
            return start <= shown < end
        return shown >= start or shown < end


@lru_cache(256)
def clock_time(text: str) -> time:
    """Raises ValueError for a text that is no time of the day."""
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ValueError(f"a time of the day reads like 22:30, not {text!r}") from None


@lru_cache(256)
def place(zone: str) -> ZoneInfo:
    """Raises ValueError for a zone that the database of this machine does not know."""
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone: name one like Europe/Berlin, or UTC") from None
