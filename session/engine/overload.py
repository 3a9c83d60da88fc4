"""A session's closed windows on their way to the engine, and what is given up when they pile up.

The rule: a session is at most two closed windows behind, the one being ingested included. When the
engine falls behind, the session first loses every second frame pair, then half of its retention,
then whole windows, oldest first; each step adds to the ones before. It climbs one step with every
window that finds another one before it, and comes back one step after `CALM_WINDOWS` windows in a
row that found none. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from session import wire
from sieve.tokens import WINDOW_S, RawWindow

MAX_BEHIND = 2
CALM_WINDOWS = 3
LEVELS: tuple[wire.OverloadLevel, ...] = ("none", "frame_rate", "retention", "skipped")
RETENTION_SHARE = 0.5  # of the session's retention, from level "retention" on


@dataclass(frozen=True, slots=True)
class Waiting:
    """A closed window, its number in the stream and when it came (monotonic seconds). `ended_s`:
    where the stream ended in it, if it did."""

    index: int
    window: RawWindow
    arrived: float
    newest_frame_s: float | None = None
    gaps: tuple[wire.Gap, ...] = ()
    ended_s: float | None = None

    @property
    def end_s(self) -> float:
        return self.window.start_s + WINDOW_S if self.ended_s is None else self.ended_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a new window led to: a window given up for it, and the level if it changed."""

    skipped: Waiting | None
    level: wire.OverloadLevel | None


class Backlog:
    """The closed windows of one session that are not in its memory yet, never more than two."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._ingesting = False
        self._level = 0
        self._calm = 0

    @property
    def behind(self) -> int:
        """Closed windows that are not in the memory, the one being ingested included."""
        return len(self._waiting) + self._ingesting

    @property
    def level(self) -> wire.OverloadLevel:
        return LEVELS[self._level]

    @property
    def oldest(self) -> Waiting | None:
        return self._waiting[0] if self._waiting else None

    @property
    def newest_index(self) -> int:
        """The number of the newest window waiting, -1 when none does."""
        return self._waiting[-1].index if self._waiting else -1

    def push(self, waiting: Waiting) -> Arrival:
        """Take a window in; the oldest waiting one leaves when there would be three."""
        before, behind = self._level, self.behind
        skipped = self._waiting.popleft() if behind == MAX_BEHIND else None
        if behind:
            self._climb(skipping=skipped is not None)
        else:
            self._rest()
        self._waiting.append(waiting)
        return Arrival(skipped, self.level if self._level != before else None)

    def pop(self) -> Waiting:
        """The oldest window, thinned as the level asks for; `done` must follow."""
        waiting = self._waiting.popleft()
        self._ingesting = True
        if self._level == 0:
            return waiting
        return replace(waiting, window=thin(waiting.window))

    def done(self) -> None:
        """The window that was popped is in the memory."""
        self._ingesting = False

    def retention(self, chosen: float) -> float:
        """The retention in force, given the session's own."""
        return chosen * RETENTION_SHARE if self._level >= LEVELS.index("retention") else chosen

    def _climb(self, *, skipping: bool) -> None:
        self._calm = 0
        top = len(LEVELS) - 1
        # The last step is skipping itself: it is in force only when a window really goes.
        self._level = top if skipping else max(self._level, min(self._level + 1, top - 1))

    def _rest(self) -> None:
        self._calm += 1
        if self._level and self._calm >= CALM_WINDOWS:
            self._level -= 1
            self._calm = 0


def thin(window: RawWindow) -> RawWindow:
    """The window with every second frame pair left out; the first one stays."""
    return replace(window, grids=window.grids[::2], grid_times_s=window.grid_times_s[::2])
