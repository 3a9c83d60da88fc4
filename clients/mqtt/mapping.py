"""What the events of a session become on the broker. Pure: a fold over the journal's events.

`Story` is all that is known of a session between two events. It is kept with the number of the last
event that was told, so a bridge that starts anew goes on as if it had never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from clients.mqtt.topics import Message, Topics, slug
from session import wire

Change = Literal["new", "update", "end"]
ON, OFF = b"ON", b"OFF"
MOST_REMOVED = 64  # watches that Home Assistant is told are gone


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


class SourceState(Told):
    """On `<prefix>/<name>/source`: whether what the session is fed from can be watched."""

    status: Literal["up", "down"]
    since: float  # Unix seconds
    reason: str | None = None  # why it is down


class Story(Told):
    """What is known of a session; `open`: its events that have begun and not ended; `removed`: the
    `entity` of each watch that is no more, the newest last."""

    name: str
    session: str
    info: wire.Session | None = None
    watches: dict[str, wire.Watch] = {}
    open: dict[str, Occurrence] = {}
    removed: list[str] = []
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
        case wire.WatchCounted():
            return _count(topics, story, event)
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
    message = EventMessage(
        type=event.change,
        key=key_of(story.session, number, event),
        number=number,
        session=story.session,
        name=story.name,
        before=story.open.get(event.id),
        after=after,
    )
    out: Outgoing = [] if event.change == "update" else [_alert(topics, story, event)]
    out.append(_json(topics.events, message))
    others = {id: one for id, one in story.open.items() if id != event.id}
    now_open = others if event.change == "end" else {**others, event.id: after}
    story = story.model_copy(update={"open": now_open})
    out.append(_lamp(topics, story, event.query))
    if event.change == "new" and event.snapshot is not None:
        out.append(Picture(event, topics.of(story.name, "snapshot")))
    return story, out


def key_of(session: str, number: int | None, event: wire.Event) -> str:
    """The same whenever this very event comes again. What the journal had no room for has no number
    and is told apart by what it says."""
    if number is not None:
        return f"{session}/{number}"
    return f"{session}/{hashlib.sha256(event.model_dump_json().encode()).hexdigest()[:16]}"


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


def _lamp(topics: Topics, story: Story, query: str) -> Message:
    """Lit while an event of the query is open."""
    level = slug(query)
    lit = any(slug(occurrence.query) == level for occurrence in story.open.values())
    return _text(topics.of(story.name, "watch", level, "state"), ON if lit else OFF)


def _count(topics: Topics, story: Story, event: wire.WatchCounted) -> tuple[Story, Outgoing]:
    watches, out = dict(story.watches), Outgoing()
    out.append(_number(topics, story.name, event.query, event.count))
    out.append(_json(topics.of(story.name, "counts"), event))
    if (watch := watches.get(event.watch)) is not None:
        watches[watch.id] = watch.model_copy(update={"count": event.count})
        story = story.model_copy(update={"watches": watches})
        out.append(_list(topics, story))
    return story, out


def _number(topics: Topics, name: str, query: str, count: int) -> Message:
    return _text(topics.of(name, "count", slug(query), "state"), str(count).encode())


def place(watch: wire.Watch) -> tuple[str, str]:
    """Where a watch is shown: the levels of its topic. One that counts shows a number, any other a
    lamp; the two may be of the same words."""
    return "count" if watch.kind == "count" else "watch", slug(watch.query)


def entity(watch: wire.Watch) -> str:
    """What a watch is called in Home Assistant."""
    return "_".join(place(watch))


def _shown(topics: Topics, story: Story, watch: wire.Watch) -> Iterator[Message]:
    """How a watch stands; of one that has not counted yet there is nothing to say."""
    if watch.kind == "event":
        yield _lamp(topics, story, watch.query)
    elif watch.count is not None:
        yield _number(topics, story.name, watch.query, watch.count)


def _watches(
    topics: Topics, story: Story, event: wire.WatchUpdated | wire.WatchRemoved
) -> tuple[Story, Outgoing]:
    watches, out = dict(story.watches), Outgoing()
    if isinstance(event, wire.WatchUpdated):
        new = event.watch.id not in watches
        watches[event.watch.id] = event.watch
        if new:
            out += _shown(topics, story, event.watch)
    elif (gone := watches.pop(event.watch, None)) is not None:
        out += _put_out(topics, story.name, gone, watches)
    standing = {entity(watch) for watch in watches.values()}
    before = {entity(watch) for watch in story.watches.values()}
    removed = [one for one in story.removed if one not in standing]
    removed += sorted(before - standing)
    changed = story.model_copy(update={"watches": watches, "removed": removed[-MOST_REMOVED:]})
    out.append(_list(topics, changed))
    return changed, out


def _put_out(
    topics: Topics, name: str, gone: wire.Watch, others: dict[str, wire.Watch]
) -> Iterator[Message]:
    """An empty payload takes a retained message away (MQTT 5, 3.3.1.3): a watch that is gone should
    not be found as lit or dark, or with a number, unless another asks the same."""
    if all(place(watch) != place(gone) for watch in others.values()):
        yield _text(topics.of(name, *place(gone), "state"), b"")


def _list(topics: Topics, story: Story) -> Message:
    found = wire.WatchList(watches=list(story.watches.values()))
    return _json(topics.of(story.name, "watches", "state"), found, retain=True)


def _state(topics: Topics, story: Story, info: wire.Session) -> tuple[Story, Outgoing]:
    told = story.model_copy(update={"info": info, "closed": info.state == "ended"})
    return told, [*_settings(topics, story.name, info)]


def _settings(topics: Topics, name: str, info: wire.Session) -> list[Message]:
    return [
        _json(topics.of(name, "state"), info, retain=True),
        _text(topics.of(name, "instruction", "state"), (info.instruction or "").encode()),
        _text(topics.of(name, "retention", "state"), f"{info.retention:g}".encode()),
    ]


def standing(topics: Topics, story: Story) -> list[Message]:
    """All that is retained of a session, and what no longer is, for a broker that may have lost it
    or come back with what it had before."""
    if story.info is None:
        return []
    watches = {place(watch): watch for watch in story.watches.values()}
    shown = [one for watch in watches.values() for one in _shown(topics, story, watch)]
    gone = [_text(topics.of(story.name, *one.split("_", 1), "state"), b"") for one in story.removed]
    return [*_settings(topics, story.name, story.info), _list(topics, story), *shown, *gone]


def source_message(topics: Topics, name: str, state: SourceState) -> Message:
    return _json(topics.source(name), state, retain=True)


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
