"""Server-sent events: `GET /v1/sessions/{id}/events`.

Each goes out as `id: <number>`, `event: <type>`, `data: <the model as JSON>`. What has a number is
in the journal, and comes again after `Last-Event-ID`; numbers of a session go up by one, also over
a restart of the service. Pieces of an answer have none: `answer.done` holds the whole text. Nor
have the events about the stream of events itself, and what came while the journal was paused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from session.wire.nouns import (
    Answer,
    ErrorDetail,
    Gap,
    KeptMap,
    Memory,
    Outgoing,
    OverloadLevel,
    Session,
)
from session.wire.watching import (
    NoteAdded,
    NotesSet,
    WatchCounted,
    WatchesSkipped,
    WatchEvent,
    WatchRemoved,
    WatchUnanswered,
    WatchUpdated,
)

NOTHING_CAME = "nothing came in it"  # why a window was skipped that has neither picture nor sound


class SessionCreated(Outgoing):
    type: Literal["session.created"] = "session.created"
    session: Session


class SessionUpdated(Outgoing):
    """Settings changed, or the state did (`connecting` -> `live`)."""

    type: Literal["session.updated"] = "session.updated"
    session: Session


class SessionClosed(Outgoing):
    """The session has ended, and with it the stream of events, until it is opened again."""

    type: Literal["session.closed"] = "session.closed"
    session: str
    reason: str


class SessionReopened(Outgoing):
    """A sender attached to a session that had ended or was waiting; its clock goes on."""

    type: Literal["session.reopened"] = "session.reopened"
    session: Session


class WindowIngested(Outgoing):
    """One window went into the memory. `behind_windows` more are closed and waiting. The last of a
    stream ends where that did."""

    type: Literal["window.ingested"] = "window.ingested"
    index: int
    start_s: float
    end_s: float
    newest_frame_s: float | None
    kept: KeptMap
    memory: Memory
    evicted: int
    gaps: list[Gap]
    retention: float  # in force for this window
    ingest_ms: float
    behind_windows: int


class WindowSkipped(Outgoing):
    """One window was given up; nothing of it can be asked about."""

    type: Literal["window.skipped"] = "window.skipped"
    index: int
    start_s: float
    end_s: float
    reason: str


class Overload(Outgoing):
    """The level of degradation changed; `none` means recovered."""

    type: Literal["overload"] = "overload"
    level: OverloadLevel
    reason: str
    behind_windows: int


class AnswerStarted(Outgoing):
    type: Literal["answer.started"] = "answer.started"
    id: str
    question: str
    asked_s: float


class AnswerDelta(Outgoing):
    """A piece of an answer, told as it is written and never again."""

    type: Literal["answer.delta"] = "answer.delta"
    id: str
    delta: str


class AnswerDone(Outgoing):
    """The end of an answer, whatever its status."""

    type: Literal["answer.done"] = "answer.done"
    answer: Answer


class ErrorEvent(Outgoing):
    """Something failed in this session; `session.closed` follows when it ended it."""

    type: Literal["error"] = "error"
    error: ErrorDetail


class EventsMissed(Outgoing):
    """Events between `Last-Event-ID` and the oldest one still held are gone.

    Also told where `Last-Event-ID` was never given (`next_id` is then not above `after_id`): a
    record that was lost begins its numbers anew. What is told goes on from `next_id`.
    """

    type: Literal["events.missed"] = "events.missed"
    after_id: int
    next_id: int


class EventsDropped(Outgoing):
    """This subscriber is let go: it read too slowly, or its token has expired. It may come back
    with `Last-Event-ID`, and with a token that holds."""

    type: Literal["events.dropped"] = "events.dropped"
    reason: str


class JournalPaused(Outgoing):
    """What comes from here on cannot be recorded: it is told now, without numbers, or never."""

    type: Literal["journal.paused"] = "journal.paused"
    reason: str


class JournalResumed(Outgoing):
    """Events are recorded again; `lost` of them were not."""

    type: Literal["journal.resumed"] = "journal.resumed"
    lost: int


Event = Annotated[
    SessionCreated
    | SessionUpdated
    | SessionReopened
    | SessionClosed
    | WindowIngested
    | WindowSkipped
    | Overload
    | AnswerStarted
    | AnswerDelta
    | AnswerDone
    | WatchUpdated
    | WatchRemoved
    | WatchEvent
    | WatchCounted
    | WatchesSkipped
    | WatchUnanswered
    | NotesSet
    | NoteAdded
    | ErrorEvent
    | EventsMissed
    | EventsDropped
    | JournalPaused
    | JournalResumed,
    Field(discriminator="type"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
