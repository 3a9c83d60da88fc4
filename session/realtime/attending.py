"""Standing queries and notes over the data channel: what their HTTP routes do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TypedDict, TypeVar

from session import wire
from session.ids import new_id
from session.journal.shelf import Shelf
from session.live.session import LiveSession

T = TypeVar("T")

A_MESSAGE = 32  # watches or notes; a message over a data channel holds at most 262,144 bytes


class Heading(TypedDict):
    """How every reply begins."""

    event_id: str
    in_reply_to: str | None


async def attend(
    message: wire.AttendantMessage, session: LiveSession, shelf: Shelf
) -> AsyncIterator[wire.AttendantReply]:
    """Do what is asked for, and tell it when it is on file. Raises ServiceError."""
    watches, notes = session.attendant.watches, session.attendant.notes
    match message:
        case wire.CreateWatch():
            watch = await watches.add(message.watch)
            await session.hub.told()
            yield wire.WatchMade(**_heading(message), watch=watch)
        case wire.ListWatches():
            for listed, more in parts(watches.all()):
                yield wire.WatchesListed(**_heading(message), watches=listed, more=more)
        case wire.UpdateWatch():
            watch = await watches.change(message.watch_id, message.watch)
            await session.hub.told()
            yield wire.WatchSet(**_heading(message), watch=watch)
        case wire.DeleteWatch():
            watch = await watches.remove(message.watch_id, session.describe().clock_s)
            await session.hub.told()
            yield wire.WatchDeleted(**_heading(message), watch=watch)
        case wire.UpdateNotes():
            settings = notes.set(message.notes)
            await session.hub.told()
            yield wire.NotesSetTo(**_heading(message), settings=settings)
        case wire.ListNotes():
            found = await shelf.note_list(session.id, message.search, message.limit)
            for noted, more in parts(found.notes):
                heading = _heading(message)
                yield wire.NotesListed(**heading, settings=found.settings, notes=noted, more=more)


def parts(found: Sequence[T], size: int = A_MESSAGE) -> Iterator[tuple[list[T], bool]]:
    """A list in pieces, each with whether more follow; an empty one is one piece."""
    for start in range(0, max(1, len(found)), size):
        yield list(found[start : start + size]), start + size < len(found)


def _heading(message: wire.AttendantMessage) -> Heading:
    return Heading(event_id=new_id("evt"), in_reply_to=message.event_id)
