"""What became of the windows of a session on their way to the engine, and of its memory."""

from __future__ import annotations

from collections.abc import Callable

from session import wire
from session.engine import reports, views
from session.journal.events import Hub
from sieve.tokens import MemoryState
from stream.window import Window

OVERLOADED = "the engine is overloaded"


class Progress:
    """That of one session. `publish` tells an event that changes how the session is described."""

    def __init__(self, hub: Hub, publish: Callable[[wire.Event], None]) -> None:
        self.windows = self.skipped = 0
        self.level: wire.OverloadLevel = "none"
        self.memory = views.NO_MEMORY
        self.newest_frame_s: float | None = None  # in the memory
        self._hub = hub
        self._publish = publish
        self._expected: dict[int, Window] = {}  # closed, and nothing was said about them yet

    def holds(self, memory: MemoryState) -> None:
        """What the engine says of the memory when it was asked for something."""
        self.memory = views.memory(memory)

    def expect(self, window: Window) -> None:
        """A window has closed; the engine has something to say about it, sooner or later."""
        self._expected[window.index] = window

    def give_up(self, reason: str = OVERLOADED) -> None:
        """The engine gets no more time for what is expected of it."""
        for lost in tuple(self._expected.values()):
            self.skip(lost.index, lost.start_s, lost.end_s, reason)

    def on_report(self, report: reports.WindowReport) -> None:
        match report:
            case reports.WindowDone():
                self._ingested(report)
            case reports.WindowSkipped(waiting=lost):
                self.skip(lost.index, lost.window.start_s, lost.end_s, OVERLOADED)
            case reports.LevelChanged():
                self._level_changed(report)

    def skip(self, index: int, start_s: float, end_s: float, reason: str) -> None:
        """A window that the engine does not get."""
        self._expected.pop(index, None)
        self.skipped += 1
        self._hub.publish(
            wire.WindowSkipped(index=index, start_s=start_s, end_s=end_s, reason=reason)
        )

    def _ingested(self, report: reports.WindowDone) -> None:
        if self._expected.pop(report.waiting.index, None) is None:
            return  # it was given up
        event = views.window_ingested(report)
        self.windows += 1
        self.memory = event.memory
        self.newest_frame_s = event.newest_frame_s or self.newest_frame_s
        self._publish(event)

    def _level_changed(self, report: reports.LevelChanged) -> None:
        self.level = report.level
        calm = "the engine keeps up again" if report.level == "none" else "the engine is behind"
        self._hub.publish(
            wire.Overload(level=report.level, reason=calm, behind_windows=report.behind)
        )
