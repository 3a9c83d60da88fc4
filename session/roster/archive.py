"""The sessions that the journal holds: finding, listing, removing and ageing them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from weakref import WeakValueDictionary

from session import wire
from session.config import Keep, Limits
from session.errors import ServiceError
from session.journal import records
from session.journal.events import Hub
from session.journal.journal import Job, Journal
from session.roster.idle import Idle

log = logging.getLogger(__name__)

MIB = 2**20
DAY_S = 86_400.0
AHEAD = 1 / 30  # of the time that is kept: notes leave together, so much too early at most


class Archive:
    """What outlives a session's stream. Everything happens on the event loop's thread.

    `removed` are called with the id of a session whose record is gone, to remove their files of it;
    `aged` with a moment (Unix seconds), in a thread, to remove all of before.
    """

    def __init__(self, journal: Journal, limits: Limits) -> None:
        self.removed: list[Callable[[str], None]] = []
        self.aged: list[Callable[[float], None]] = []
        self._journal = journal
        self._limits = limits
        self._hubs: WeakValueDictionary[str, Hub] = WeakValueDictionary()

    @property
    def forgets(self) -> bool:
        """Whether nothing outlives the process."""
        return self._journal.in_memory

    # --- Finding ---

    def hub(self, session: str, last_id: int = 0) -> Hub:
        """The one hub of a session, as long as somebody holds it."""
        hub = self._hubs.get(session)
        if hub is None:
            limits = self._limits
            hub = Hub(
                session,
                self._journal,
                ring=limits.event_ring,
                queue=limits.subscriber_queue,
                last_id=last_id,
            )
            self._hubs[session] = hub
        return hub

    async def find(self, session: str) -> Idle:
        """Raises SessionUnknown, JournalFailed."""
        return self._idle(await self._journal.do(partial(records.load, session=session)))

    async def waiting(self) -> list[Idle]:
        found = await self._journal.do(partial(records.in_state, state="waiting"))
        return [self._idle(record) for record in found]

    def _idle(self, record: records.Record) -> Idle:
        """A hub that somebody holds is left as it is: a sender may have come to the session while
        its record was read."""
        held = record.session.id in self._hubs
        idle = Idle(record.session, record.settings, self.hub(record.session.id, record.last_event))
        if idle.ended and not held:
            idle.hub.close()
        return idle

    async def ended(self, before: str | None, limit: int) -> wire.SessionList:
        found = await self._journal.do(partial(records.ended, before=before, limit=limit + 1))
        return wire.SessionList(sessions=found[:limit], has_more=len(found) > limit)

    async def answers_after(self, session: str, after: str | None, limit: int) -> wire.AnswerList:
        """Raises BadRequest for an answer that is not there, as the next."""
        page = partial(records.answers_after, session=session, after=after, limit=limit + 1)
        found = await self._journal.do(page)
        return wire.AnswerList(answers=found[:limit], has_more=len(found) > limit)

    async def answers_before(self, session: str, before: str, limit: int) -> wire.AnswerList:
        page = partial(records.answers_before, session=session, before=before, limit=limit + 1)
        found = await self._journal.do(page)
        return wire.AnswerList(answers=found[:limit][::-1], has_more=len(found) > limit)

    async def history(self, session: str, turns: int) -> list[tuple[str, str]]:
        return await self._journal.do(partial(records.history, session=session, turns=turns))

    # --- Removing ---

    async def remove(self, session: str) -> None:
        """Everything of a session that has ended. Raises JournalBehind, JournalFailed."""
        await self._journal.do(partial(records.remove, session=session), scrub=True)
        self._tell_removed([session])

    def forget(self, session: str) -> None:
        """The same, some time soon."""

        def settle(_: None, error: Exception | None) -> None:
            if error is None:
                self._tell_removed([session])

        self._journal.put(Job(partial(records.remove, session=session), settle))

    def _tell_removed(self, sessions: list[str]) -> None:
        for session in sessions:
            for hook in self.removed:
                hook(session)

    # --- Ageing ---

    async def age(self, keep: Keep) -> None:
        """Remove what is too old, every now and then. Never ends by itself."""
        while True:
            try:
                await self.prune(keep)
            except (ServiceError, OSError) as error:
                log.error("what is too old is not removed: %s", error)
            await asyncio.sleep(keep.every_s)

    async def prune(self, keep: Keep) -> None:
        """Remove what is too old or too much. Raises JournalBehind, JournalFailed, OSError."""
        kept_s = keep.days * DAY_S
        before_at = time.time() - kept_s
        old = partial(records.remove_old, before_at=before_at, ahead_s=kept_s * AHEAD)
        gone = await self._journal.do(old)
        self._tell_removed(gone)
        for hook in self.aged:
            await asyncio.to_thread(hook, before_at)
        size = await self._journal.do(records.size_bytes)
        while size > keep.mib * MIB:
            removed = await self._journal.do(records.remove_oldest, scrub=True)
            if removed is None:
                log.error("the journal holds %d MiB that do not age", size // MIB)
                return
            self._tell_removed(removed)
            size = await self._journal.do(records.size_bytes)
