"""What a session does unasked while it streams: judges its standing queries and takes notes; and
how both are set while it does not stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from session import wire
from session.engine import reports
from session.engine.aside import Asides, Then
from session.engine.jobs import Watch
from session.engine.worker import Worker
from session.errors import ServiceError
from session.journal.shelf import Shelf
from session.notes.taker import NoteTaker
from session.watch.watches import Tell, Watches
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
        shelf: Shelf,
    ) -> None:
        self._session, self._shelf = session, shelf
        self._tell = tell
        self._asides = Asides(session, worker)
        self.notes = NoteTaker(session, tell, self._asides.ask)
        self.watches = Watches(
            session,
            post=post,
            tell=tell,
            ask=self._asides.ask,
            noted=self.notes.on_event,
            snapshots=shelf.snapshots,
        )
        self._newest: reports.WindowDone | None = None

    async def restore(self) -> None:
        """Go on with the watches and notes of a session that is opened again; what the model can no
        longer be asked is told."""
        try:
            self.notes.settings = await self._shelf.note_settings(self._session)
            await self.watches.restore(await self._shelf.watches(self._session))
        except ServiceError as error:
            self._tell(wire.ErrorEvent(error=error.detail()))

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

    async def answered(self) -> None:
        """Waits until it is so."""
        await self._asides.answered()

    def finish(self, now_s: float) -> None:
        """The session ends: so do its open events."""
        self._asides.close()
        self.watches.finish(now_s)


class Resting:
    """Watches and notes of a session that waits for its sender, or has ended: they can be set, and
    are found when it streams. Raises JournalBehind, JournalFailed."""

    def __init__(self, session: str, tell: Tell, shelf: Shelf) -> None:
        self._session, self._shelf = session, shelf
        self.notes = NoteTaker(session, tell, no_answer)
        self.watches = Watches(
            session,
            post=nobody_judges,
            tell=tell,
            ask=no_answer,
            noted=self.notes.on_event,
            snapshots=shelf.snapshots,
        )

    async def restore(self) -> None:
        self.notes.settings = await self._shelf.note_settings(self._session)
        await self.watches.restore(await self._shelf.watches(self._session))


async def nobody_judges(_: Watch) -> None:
    """There is no stream."""


def no_answer(_: str, then: Then) -> bool:
    """There is nothing to ask about."""
    then(None)
    return False
