"""Standing queries and notes: `/v1/sessions/{id}/watches`, `.../notes`, and their events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from session.wire.nouns import Incoming, KeptMap, Outgoing, Span

MAX_QUERY_CHARS = 500
MAX_QUIET = 8
MAX_NOTES = 1_000
MAX_WATCH_EVENTS = 200
THRESHOLD, RELEASE = 0.8, 0.4  # where a watch sets none

WatchKind = Literal["event", "count"]
WatchState = Literal["waiting", "calm", "open", "unanswered"]


class QuietHours(Incoming):
    """Every day from `start` to `end` by the clocks of `zone`, over midnight where end < start."""

    start: str = Field(max_length=5, examples=["22:00"])
    end: str = Field(max_length=5, examples=["07:00"])
    zone: str = Field(default="UTC", max_length=64, examples=["Europe/Berlin"])


class WatchPatch(Incoming):
    """`PATCH /v1/sessions/{id}/watches/{watch}`: what is absent stays.

    An event begins when the probability reached `threshold` and stayed at `release` or above for
    `min_s`, and ends below `release`; none begins for `cooldown_s` after it. An open one is told of
    again every `update_s`. In `quiet` hours nothing is told. `describe` asks the model for a
    sentence when an event begins, `snapshot` keeps a picture. Of what is remembered the model sees
    what came in the last `within_s`: a minute by default, everything where it is to count.
    """

    within_s: float | None = Field(default=None, ge=2.0, le=86_400.0)
    threshold: float | None = Field(default=None, gt=0.0, lt=1.0)
    release: float | None = Field(default=None, gt=0.0, lt=1.0)
    min_s: float | None = Field(default=None, ge=0.0, le=86_400.0)
    cooldown_s: float | None = Field(default=None, ge=0.0, le=86_400.0)
    update_s: float | None = Field(default=None, ge=0.0, le=86_400.0)
    quiet: list[QuietHours] | None = Field(default=None, max_length=MAX_QUIET)
    describe: bool | None = None
    snapshot: bool | None = None


class WatchCreate(WatchPatch):
    """`POST /v1/sessions/{id}/watches`. `query` is a question of yes or no, or what to wait for:
    "a red circle appears". Of the kind `count` it is what to count, or asks how many: "red things".
    Then `watch.count` tells of every new number whose probability among numbers reaches
    `threshold`; of the other settings, `quiet` and `within_s` alone have a meaning."""

    query: str = Field(max_length=MAX_QUERY_CHARS)
    kind: WatchKind = "event"


class Watch(Outgoing):
    """A standing query. `question` is what the model is asked after each window.

    `state`: `waiting` for the first window, `calm`, an event is `open`, or `unanswered`: the model
    answers with neither yes nor no (`answered` is the share of either), which counts as no yes; or,
    where it is to count, with no number.
    """

    id: str
    session: str
    query: str
    kind: WatchKind = "event"
    question: str
    within_s: float | None = None
    threshold: float
    release: float
    min_s: float
    cooldown_s: float
    update_s: float
    quiet: list[QuietHours]
    describe: bool
    snapshot: bool
    state: WatchState
    probability: float | None  # of yes, or of the number, after the newest window that was judged
    count: int | None = None  # that was told last
    answered: float | None
    judged_s: float | None  # where that window ended
    events: int  # begun so far


class WatchList(Outgoing):
    """`GET /v1/sessions/{id}/watches`."""

    watches: list[Watch]


class WatchUpdated(Outgoing):
    """A watch was set, or set differently."""

    type: Literal["watch.updated"] = "watch.updated"
    watch: Watch


class WatchRemoved(Outgoing):
    type: Literal["watch.removed"] = "watch.removed"
    watch: str


class WatchEvent(Outgoing):
    """An event of a standing query. `id` is the same for all that is told of it: `new` and `end`
    once each, `update` in between. `kept` is the map of the window in which it was told."""

    type: Literal["watch.event"] = "watch.event"
    change: Literal["new", "update", "end"]
    id: str
    watch: str
    query: str
    started_s: float
    ended_s: float | None = None
    probability: float | None  # None where the session, or the watch, ended
    spans: list[Span]  # where it was seen
    kept: KeptMap | None = None
    snapshot: str | None = None  # path of a JPEG picture
    sentence: str | None = None


class WatchCounted(Outgoing):
    """A watch of the kind `count` has another number; `id` is of this change alone."""

    type: Literal["watch.count"] = "watch.count"
    id: str
    watch: str
    query: str
    count: int
    before: int | None  # the number until now
    end_s: float  # of the window after which it was read
    probability: float  # of this number among all numbers


class WatchEventList(Outgoing):
    """`GET /v1/sessions/{id}/watch-events?limit=`: the newest events, oldest first, each as it was
    last told of, and as many of the newest changes of a number; also of a session that ended."""

    events: list[WatchEvent]
    counts: list[WatchCounted] = Field(default_factory=list)


class WatchesSkipped(Outgoing):
    """After this window the standing queries were not judged; windows go first."""

    type: Literal["watch.skipped"] = "watch.skipped"
    start_s: float
    end_s: float
    reason: str


class WatchUnanswered(Outgoing):
    """The model answered a watch with neither yes nor no, or with no number where it is to count,
    for the first time. That counts as no yes, and as no number; where it stays so, the query
    should be put in another way."""

    type: Literal["watch.unanswered"] = "watch.unanswered"
    watch: str
    query: str
    question: str
    answered: float  # the share of yes and no, or of numbers


class NoteSettings(Incoming):
    """`PATCH /v1/sessions/{id}/notes`: a note every `every_s` of the stream (null: none), and with
    `events` one for every event of a watch that describes them. What is absent stays."""

    every_s: float | None = Field(default=None, ge=10.0, le=3_600.0)
    events: bool = False


NoteReason = Literal["time", "event"]


class Note(Outgoing):
    """A line about [start_s, end_s), written by the model."""

    id: str
    session: str
    start_s: float
    end_s: float
    noted_at: float  # Unix seconds of its end
    text: str
    reason: NoteReason


class NoteList(Outgoing):
    """`GET /v1/sessions/{id}/notes?search=&limit=`: oldest first, or the best matches first."""

    settings: NoteSettings
    notes: list[Note]


class NotesSet(Outgoing):
    """What is noted from now on."""

    type: Literal["notes.set"] = "notes.set"
    settings: NoteSettings


class NoteAdded(Outgoing):
    type: Literal["note.added"] = "note.added"
    note: Note
