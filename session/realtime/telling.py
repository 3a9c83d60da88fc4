"""What the channel tells of a session's events. Pure."""

from __future__ import annotations

from session import wire
from session.ids import new_id
from session.journal.events import Past

FOR_WATCHERS = wire.WatchEvent | wire.WatchCounted | wire.WatchUnanswered | wire.NoteAdded
"""What a sender alone does not hear."""


def told(event: wire.Event | Past, model: str) -> wire.ServerMessage | None:
    """None for what is not told; answers have their own script. `model`: the service's."""
    if isinstance(event, FOR_WATCHERS):
        return _attended(event)
    match event:
        case wire.SessionUpdated() | wire.SessionReopened():
            session = described(event.session, model)
            return wire.RealtimeSessionUpdated(event_id=new_id("evt"), session=session)
        case wire.WindowIngested():
            return wire.SieveWindow(event_id=new_id("evt"), window=event)
        case wire.WindowSkipped():
            return wire.SieveSkipped(event_id=new_id("evt"), window=event)
        case wire.Overload():
            return wire.SieveOverload(event_id=new_id("evt"), overload=event)
        case wire.SessionClosed():
            return wire.SieveClosed(event_id=new_id("evt"), reason=event.reason)
        case wire.ErrorEvent():
            return wire.RealtimeError(event_id=new_id("evt"), error=event.error)
        case _:
            return None


def _attended(
    event: wire.WatchEvent | wire.WatchCounted | wire.WatchUnanswered | wire.NoteAdded,
) -> wire.ServerMessage:
    match event:
        case wire.WatchEvent():
            return wire.SieveWatch(event_id=new_id("evt"), event=event)
        case wire.WatchCounted():
            return wire.SieveCount(event_id=new_id("evt"), count=event)
        case wire.WatchUnanswered():
            return wire.SieveUnanswered(event_id=new_id("evt"), unanswered=event)
        case wire.NoteAdded():
            return wire.SieveNote(event_id=new_id("evt"), note=event.note)


def described(session: wire.Session, model: str) -> wire.RealtimeSession:
    return wire.RealtimeSession(
        id=session.id, model=model, instructions=session.instruction, x=session
    )
