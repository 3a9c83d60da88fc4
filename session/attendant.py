"""What a session does unasked while it streams: judges its standing queries and takes notes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from session import reports, wire
from session.aside import Asides
from session.notes import NoteTaker
from session.schedule import Watch
from session.snapshots import Snapshots
from session.watching import Tell, Watches
from session.worker import Worker
from sieve.tokens import WINDOW_S


class Attendant:
    """One a session, on the event loop's thread. `post` and `tell`: see `Watches`."""

    def __init__(
        self,
        session: str,
        worker: Worker,
        *,
        post: Callable[[Watch], Awaitable[object]],
        tell: Tell,
        snapshots: Snapshots,
    ) -> None:
        self._tell = tell
        self._asides = Asides(session, worker)
        self.notes = NoteTaker(session, tell, self._asides)
        self.watches = Watches(
            session,
            post=post,
            tell=tell,
            asides=self._asides,
            noted=self.notes.on_event,
            snapshots=snapshots,
        )
        self._newest: reports.WindowDone | None = None

    def on_report(self, report: reports.Report) -> bool:
        """Whether nobody else needs the report."""
        match report:
            case reports.WindowDone():
                self._newest = report
                self.notes.on_window(report)
                return False
            case reports.Judged():
                if self._newest is not None and self._newest.waiting.index == report.index:
                    self.watches.on_judged(report, self._newest)
                return True
            case reports.NotJudged(start_s=start_s, reason=reason):
                end_s = start_s + WINDOW_S
                self._tell(wire.WatchesSkipped(start_s=start_s, end_s=end_s, reason=reason))
                return True
            case reports.TurnBegun() | reports.TurnSaid() | reports.TurnEnded():
                return self._asides.on_report(report)
            case _:
                return False

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked of the model unasked."""
        return self._asides.idle

    def finish(self, now_s: float) -> None:
        """The session ends: so do its open events."""
        self._asides.close()
        self.watches.finish(now_s)
