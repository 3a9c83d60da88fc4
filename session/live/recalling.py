"""The notes that a question to a live session is answered from."""

from __future__ import annotations

from session import wire
from session.journal.shelf import Shelf
from session.live.session import LiveSession
from session.notes import recall


async def recalled(
    session: LiveSession, asked: wire.AskRequest, shelf: Shelf
) -> list[wire.Note] | None:
    """None where it is not answered from notes. Raises JournalBehind, JournalFailed."""
    now = session.describe()
    if not recall.wants_notes(asked.notes, asked.question, now.clock_s, now.memory.oldest_s):
        return None
    found = await shelf.recalled(session.id, asked.question, now.clock_s)
    return found if found or asked.notes == "only" else None
