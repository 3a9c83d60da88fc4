"""Media in, closed windows out: the windower of one session and the clock that drives it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

from session import wire
from session.engine.overload import Waiting
from sieve.tokens import RawWindow
from stream.window import WINDOW_S, Frame, Sound, Window
from stream.windower import Windower

TICK_S = 0.1  # how often the clock is looked at when no media comes


class Media(Protocol):
    """Where a session's frames and sound come from: a WebRTC peer, or a source with a clock."""

    @property
    def has_video(self) -> bool: ...

    @property
    def has_audio(self) -> bool: ...

    def __aiter__(self) -> AsyncIterator[Frame | Sound]: ...

    def now(self) -> float:
        """Seconds on the session clock, also while nothing comes."""
        ...

    async def closed(self) -> str:
        """Waits until no more media will come, and tells why."""
        ...

    async def close(self) -> None: ...


class Intake:
    """Feeds a session's media through its windower. `take` is called when windows may be ready.

    The media's clock begins at 0, the session's at `begins_s`, a multiple of a window.
    """

    def __init__(
        self, media: Media, *, fps: float, take: Callable[[], None], begins_s: float = 0.0
    ) -> None:
        self.started = False
        self._began = False  # whether a window has closed
        self._media = media
        self._begins_s = begins_s
        self._windower = Windower(
            fps=fps, has_audio=media.has_audio, has_video=media.has_video, start_s=begins_s
        )
        self._ends_s = math.inf
        self._finished = False
        self.dry = asyncio.Event()  # no more media will come
        self.take = take

    def now(self) -> float:
        """Seconds on the session clock, which stands where the stream has ended."""
        return min(self._begins_s + self._media.now(), self._ends_s)

    async def pump(self) -> None:
        """Push media until it ends."""
        async for item in self._media:
            self.started = True
            if self._takes(placed := self._placed(item)):
                self._windower.push(placed)
            self.take()
        self.dry.set()

    def end(self) -> None:
        """The stream ends now: what is captured later is not taken, what was before still may come,
        until `finish`."""
        self._ends_s = self.now()

    def finish(self) -> list[Window]:
        """The windows that were open when the stream ended, oldest first."""
        self._finished = True
        self._windower.finish(self._ends_s)
        return list(self.closed())

    async def tick(self) -> None:
        """Let the clock go on where the media does not. Never ends by itself."""
        while True:
            await asyncio.sleep(TICK_S)
            self._windower.advance(self.now())
            self.take()

    def lacks(self, window: Window | None) -> str | None:
        """What must come before there is something to ask about; None when it has. `window` is the
        open one: pictures tell from the first on, sound alone only where there is no picture."""
        if self._began:
            return None
        if self._media.has_video:
            return None if window and window.grids else "picture"
        return None if window and raw_window(window) else "sound"

    def closed(self) -> Iterator[Window]:
        """The windows that have closed since the last call."""
        while window := self._windower.pop():
            self._began = True
            yield window

    def open_window(self) -> Window | None:
        """What came of the window that is still open."""
        return self._windower.open_window(self.now())

    def _takes(self, item: Frame | Sound) -> bool:
        begins_s = item.time_s if isinstance(item, Frame) else item.start_s
        return not self._finished and begins_s < self._ends_s

    def _placed(self, item: Frame | Sound) -> Frame | Sound:
        """The item on the session clock."""
        if isinstance(item, Frame):
            return Frame(self._begins_s + item.time_s, item.rgb)
        return Sound(self._begins_s + item.start_s, item.samples)


def raw_window(window: Window) -> RawWindow | None:
    """The arrays of a window as the engine takes them; None when it holds nothing at all."""
    if not window.grids and (window.samples is None or not len(window.samples)):
        return None
    return RawWindow(
        start_s=window.start_s,
        grids=tuple(grid.pixels for grid in window.grids),
        grid_times_s=tuple(grid.time_s for grid in window.grids),
        grid_s=window.grid_s,
        samples=window.samples,
        lookahead=window.lookahead,
    )


def waiting(window: Window, raw: RawWindow, now: float) -> Waiting:
    """A closed window with what is told about it later."""
    gaps = tuple(wire.Gap(kind=g.kind, start_s=g.start_s, end_s=g.end_s) for g in window.gaps)
    ended_s = window.end_s if window.end_s < window.start_s + WINDOW_S else None
    return Waiting(window.index, raw, now, window.newest_frame_s, gaps, ended_s)
