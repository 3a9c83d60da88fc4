"""What is ours on the data channel: messages whose types start with `x.`.

Standing queries and notes are set and read as over HTTP: the same fields, bounds, roles and
refusals. What is asked for is answered with `in_reply_to`; what happens is told without.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from session.wire.events import Overload, WindowIngested, WindowSkipped
from session.wire.realtime import ClientEvent, ServerEvent
from session.wire.watching import (
    MAX_NOTES,
    MAX_QUERY_CHARS,
    Note,
    NoteSettings,
    Watch,
    WatchCounted,
    WatchCreate,
    WatchEvent,
    WatchPatch,
    WatchUnanswered,
)

WatchId = Annotated[str, Field(max_length=64)]

# --- What a client says ---------------------------------------------------------------------------


class RenewToken(ClientEvent):
    """Goes on with another token, before or after the one in use has expired; `session.updated`
    says that it holds."""

    type: Literal["x.token.renew"]
    token: str = Field(max_length=4_096)


class CreateWatch(ClientEvent):
    """Sets a standing query; `x.watch.created` has its id."""

    type: Literal["x.watch.create"]
    watch: WatchCreate


class ListWatches(ClientEvent):
    """`x.watch.listed` has all of them."""

    type: Literal["x.watch.list"]


class UpdateWatch(ClientEvent):
    """What is absent in `watch` stays; `x.watch.updated` tells how it is now."""

    type: Literal["x.watch.update"]
    watch_id: WatchId
    watch: WatchPatch


class DeleteWatch(ClientEvent):
    """Removes it; an event that is open ends. `x.watch.deleted` tells how it was."""

    type: Literal["x.watch.delete"]
    watch_id: WatchId


class UpdateNotes(ClientEvent):
    """What is absent in `notes` stays; `x.notes.updated` tells what is noted from now on."""

    type: Literal["x.notes.update"]
    notes: NoteSettings


class ListNotes(ClientEvent):
    """The newest notes, oldest first, or with `search` those that match best: `x.notes.listed`."""

    type: Literal["x.notes.list"]
    search: str | None = Field(default=None, max_length=MAX_QUERY_CHARS)
    limit: int = Field(default=MAX_NOTES, ge=1, le=MAX_NOTES)


AttendantMessage = CreateWatch | ListWatches | UpdateWatch | DeleteWatch | UpdateNotes | ListNotes

# --- What happens ---------------------------------------------------------------------------------


class SieveWindow(ServerEvent):
    type: Literal["x.window.ingested"] = "x.window.ingested"
    window: WindowIngested


class SieveSkipped(ServerEvent):
    type: Literal["x.window.skipped"] = "x.window.skipped"
    window: WindowSkipped


class SieveOverload(ServerEvent):
    type: Literal["x.overload"] = "x.overload"
    overload: Overload


class SieveWatch(ServerEvent):
    type: Literal["x.watch.event"] = "x.watch.event"
    event: WatchEvent


class SieveCount(ServerEvent):
    type: Literal["x.watch.count"] = "x.watch.count"
    count: WatchCounted


class SieveUnanswered(ServerEvent):
    type: Literal["x.watch.unanswered"] = "x.watch.unanswered"
    unanswered: WatchUnanswered


class SieveNote(ServerEvent):
    type: Literal["x.note.added"] = "x.note.added"
    note: Note


class SieveClosed(ServerEvent):
    type: Literal["x.session.closed"] = "x.session.closed"
    reason: str


# --- What is answered -----------------------------------------------------------------------------


class Reply(ServerEvent):
    in_reply_to: str | None  # the `event_id` of the message that it answers


class WatchMade(Reply):
    type: Literal["x.watch.created"] = "x.watch.created"
    watch: Watch


class WatchesListed(Reply):
    """While there is `more`, the next message goes on with the list."""

    type: Literal["x.watch.listed"] = "x.watch.listed"
    watches: list[Watch]
    more: bool


class WatchSet(Reply):
    type: Literal["x.watch.updated"] = "x.watch.updated"
    watch: Watch


class WatchDeleted(Reply):
    type: Literal["x.watch.deleted"] = "x.watch.deleted"
    watch: Watch


class NotesSetTo(Reply):
    type: Literal["x.notes.updated"] = "x.notes.updated"
    settings: NoteSettings


class NotesListed(Reply):
    """While there is `more`, the next message goes on with the list."""

    type: Literal["x.notes.listed"] = "x.notes.listed"
    settings: NoteSettings
    notes: list[Note]
    more: bool
