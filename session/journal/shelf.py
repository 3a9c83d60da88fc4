"""Where the watches, notes and pictures of sessions are kept: the journal, and files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from session import wire
from session.journal.journal import Journal
from session.notes import recall
from session.notes import records as note_records
from session.watch import records as watch_records
from session.watch.hysteresis import State
from session.watch.snapshots import Snapshots

FOR_EVER_S = 1e12


@dataclass(frozen=True, slots=True)
class Shelf:
    """Every method raises JournalBehind, JournalFailed."""

    journal: Journal
    snapshots: Snapshots

    async def watches(self, session: str) -> list[tuple[str, wire.WatchCreate, State]]:
        """The watches of a session, in the order they were set."""
        return await self.journal.do(partial(watch_records.load, session=session))

    async def watch_events(self, session: str, limit: int) -> wire.WatchEventList:
        """The newest of either kind."""
        return await self.journal.do(partial(watch_records.told, session=session, limit=limit))

    async def note_settings(self, session: str) -> wire.NoteSettings:
        return await self.journal.do(partial(note_records.settings, session=session))

    async def notes(self, session: str, search: str | None, limit: int) -> list[wire.Note]:
        """The newest notes, oldest first, or the best matches first."""
        if search is None:
            return await self._within(session, 0.0, FOR_EVER_S, limit)
        found = partial(note_records.search, session=session, words=search, limit=limit)
        return await self.journal.do(found)

    async def note_list(self, session: str, search: str | None, limit: int) -> wire.NoteList:
        """What is noted, and the notes as `notes` finds them."""
        found = await self.notes(session, search, limit)
        return wire.NoteList(settings=await self.note_settings(session), notes=found)

    async def recalled(self, session: str, question: str, now_s: float) -> list[wire.Note]:
        """The notes that a question is answered from, oldest first: those of the time it names,
        those that hold its words, or the newest where it names nothing."""
        if stretch := recall.named_time(question, now_s):
            return await self._within(session, *stretch, recall.MOST_NOTES)
        if recall.names_nothing(question):
            return await self._within(session, 0.0, FOR_EVER_S, recall.MOST_NOTES)
        found = await self.notes(session, question, recall.MOST_NOTES)
        return sorted(found, key=lambda note: note.start_s)

    async def _within(
        self, session: str, start_s: float, end_s: float, limit: int
    ) -> list[wire.Note]:
        found = partial(
            note_records.within, session=session, start_s=start_s, end_s=end_s, limit=limit
        )
        return await self.journal.do(found)
