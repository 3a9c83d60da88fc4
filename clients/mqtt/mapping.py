"""What the events of a session become on the broker. Pure: a fold over the journal's events.

`Story` is all that is known of a session between two events. It is kept with the number of the last
event that was told, so a bridge that starts anew goes on as if it had never stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from clients.mqtt.topics import Message, Topics, slug
from session import wire

Change = Literal["new", "update", "end"]
ON, OFF = b"ON", b"OFF"


class Told(BaseModel):
    """Something the bridge sends, or keeps."""

    model_config = ConfigDict(frozen=True)


class Occurrence(Told):
    """An event of a standing query as it stood at one moment. Times: seconds of the session."""

    id: str
    watch: str
    query: str
    started_s: float
    ended_s: float | None
    probability: float | None
    spans: list[wire.Span]
    sentence: str | None
    snapshot: str | None  # path at the service


class EventMessage(Told):
    """On `<prefix>/events`. `key` is the same whenever this very message comes again: a receiver
    that remembers the keys it has seen takes each once. `number` is the journal's."""

    type: Change
    key: str
    number: int | None
    session: str
    name: str
    before: Occurrence | None
    after: Occurrence


class AlertMessage(Told):
    """On `<prefix>/alerts`: the beginning and the end of each event, once each."""

    type: Literal["new", "end"]
    key: str
    session: str
    name: str
    query: str
    started_s: float
    ended_s: float | None
    probability: float | None
    sentence: str | None


class WindowMessage(Told):
    """On `<prefix>/<name>/stats`, after every window."""

    end_s: float
    seen: wire.Counts
    kept: wire.Counts
    memory_used: int
    memory_slots: int
    behind_windows: int
    ingest_ms: float


class Story(Told):
    """What is known of a session; `open`: its events that have begun and not ended."""

    name: str
    session: str
    info: wire.Session | None = None
    watches: dict[str, wire.Watch] = {}
    open: dict[str, Occurrence] = {}
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG picture of an event that is to be fetched from the service and sent to `topic`."""

    event: wire.WatchEvent
    topic: str


Outgoing = list[Message | Picture]


def tell(
    topics: Topics, story: Story, number: int | None, event: wire.Event
) -> tuple[Story, Outgoing]:
    """The story after an event, and what is to be sent for it, most urgent first."""
    match event:
        case wire.WatchEvent():
            return _event(topics, story, number, event)
        case wire.WatchUpdated() | wire.WatchRemoved():
            return _watches(topics, story, event)
        case wire.SessionCreated() | wire.SessionUpdated() | wire.SessionReopened():
            return _state(topics, story, event.session)
        case wire.SessionClosed():
            return _closed(topics, story, event)
        case wire.NoteAdded():
            return story, [_json(topics.of(story.name, "notes"), event.note)]
        case wire.WindowIngested():
            return story, [_window(topics, story, event)]
        case _ if isinstance(event, PROBLEMS):
            return story, [_json(topics.of(story.name, "problems"), event)]
        case _:
            return story, []


PROBLEMS = (
    wire.WindowSkipped,
    wire.Overload,
    wire.WatchUnanswered,
    wire.ErrorEvent,
    wire.EventsMissed,
    wire.JournalPaused,
    wire.JournalResumed,
)


def _event(
    topics: Topics, story: Story, number: int | None, event: wire.WatchEvent
) -> tuple[Story, Outgoing]:
    after = occurrence(event)
    key = f"{story.session}/{number}" if number is not None else f"{event.id}/{event.change}"
    message = EventMessage(
        type=event.change,
        key=key,
        number=number,
        session=story.session,
        name=story.name,
        before=story.open.get(event.id),
        after=after,
    )
    out: Outgoing = [] if event.change == "update" else [_alert(topics, story, event)]
    out.append(_json(topics.events, message))
    out.append(_lamp(topics, story.name, event.query, event.change != "end"))
    if event.change == "new" and event.snapshot is not None:
        out.append(Picture(event, topics.of(story.name, "snapshot")))
    others = {id: one for id, one in story.open.items() if id != event.id}
    now_open = others if event.change == "end" else {**others, event.id: after}
    return story.model_copy(update={"open": now_open}), out


def occurrence(event: wire.WatchEvent) -> Occurrence:
    return Occurrence(
        id=event.id,
        watch=event.watch,
        query=event.query,
        started_s=event.started_s,
        ended_s=event.ended_s,
        probability=event.probability,
        spans=event.spans,
        sentence=event.sentence,
        snapshot=event.snapshot,
    )


def _alert(topics: Topics, story: Story, event: wire.WatchEvent) -> Message:
    assert event.change != "update"
    alert = AlertMessage(
        type=event.change,
        key=f"{event.id}/{event.change}",
        session=story.session,
        name=story.name,
        query=event.query,
        started_s=event.started_s,
        ended_s=event.ended_s,
        probability=event.probability,
        sentence=event.sentence,
    )
    return _json(topics.alerts, alert)


def _lamp(topics: Topics, name: str, query: str, on: bool) -> Message:
    topic = topics.of(name, "watch", slug(query), "state")
    return _text(topic, ON if on else OFF)


def _watches(
    topics: Topics, story: Story, event: wire.WatchUpdated | wire.WatchRemoved
) -> tuple[Story, Outgoing]:
    watches, out = dict(story.watches), Outgoing()
    if isinstance(event, wire.WatchUpdated):
        if event.watch.id not in watches:
            out.append(_lamp(topics, story.name, event.watch.query, event.watch.state == "open"))
        watches[event.watch.id] = event.watch
    else:
        watches.pop(event.watch, None)
    changed = story.model_copy(update={"watches": watches})
    found = wire.WatchList(watches=list(watches.values()))
    out.append(_json(topics.of(story.name, "watches", "state"), found, retain=True))
    return changed, out


def _state(topics: Topics, story: Story, info: wire.Session) -> tuple[Story, Outgoing]:
    name = story.name
    out: Outgoing = [
        _json(topics.of(name, "state"), info, retain=True),
        _text(topics.of(name, "instruction", "state"), (info.instruction or "").encode()),
        _text(topics.of(name, "retention", "state"), f"{info.retention:g}".encode()),
    ]
    return story.model_copy(update={"info": info, "closed": info.state == "ended"}), out


def _closed(topics: Topics, story: Story, event: wire.SessionClosed) -> tuple[Story, Outgoing]:
    if story.info is None:
        return story.model_copy(update={"closed": True}), []
    info = story.info.model_copy(update={"state": "ended", "reason": event.reason})
    return _state(topics, story, info)


def _window(topics: Topics, story: Story, event: wire.WindowIngested) -> Message:
    window = WindowMessage(
        end_s=event.end_s,
        seen=event.kept.seen,
        kept=event.kept.kept,
        memory_used=event.memory.used,
        memory_slots=event.memory.slots,
        behind_windows=event.behind_windows,
        ingest_ms=event.ingest_ms,
    )
    topic, payload = topics.of(story.name, "stats"), window.model_dump_json().encode()
    return Message(topic, payload, qos=0)


def _json(topic: str, model: BaseModel, *, retain: bool = False) -> Message:
    return Message(topic, model.model_dump_json().encode(), retain=retain)


def _text(topic: str, text: bytes) -> Message:
    return Message(topic, text, retain=True, content_type="text/plain")
