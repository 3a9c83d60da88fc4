"""The standing queries of one live session: from verdicts to events, with their evidence."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from session import wire
from session.engine import reports, views
from session.engine.aside import Ask
from session.engine.jobs import Watch
from session.errors import QuestionEmpty, SettingInvalid, TooManyWatches, WatchUnknown
from session.ids import new_id
from session.watch import records as watch_records
from session.watch.counting import count
from session.watch.hysteresis import (
    Change,
    Open,
    Rule,
    Sight,
    State,
    advance,
    finish,
    resumed,
)
from session.watch.snapshots import Snapshots
from session.watch.telling import event_of, rule_of, within_s_of
from session.watch.wording import as_count, as_question
from sieve.tokens import Query
from sieve.verdict import Verdict

log = logging.getLogger(__name__)

MOST_WATCHES = 64  # of a session
ANSWERED = 0.5  # below this share of yes and no the model has not answered
DESCRIBE = "describe the last seconds"
SENTENCE_S = 10.0  # of the stream, that the end of an event waits for its sentence

Write = Callable[[sqlite3.Connection], None]


class Tell(Protocol):
    """Publishes an event; `also` is written in the same transaction of the journal."""

    def __call__(self, event: wire.Event, also: Write | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Late:
    """An end that waits for its sentence up to ``by_s``; `also`: how the watch stood at it."""

    event: wire.WatchEvent
    also: Write
    by_s: float


@dataclass(slots=True)
class Standing:
    """One query: as it was set, what is asked for it, and how it stands."""

    id: str
    settings: wire.WatchCreate
    question: str
    rule: Rule
    state: State
    verdict: Verdict | None = None
    judged_s: float | None = None
    doubted: bool = False  # told that the model does not answer it
    snapshot: str | None = None  # of the open event
    sentence: str | None = None
    describing: int | None = None  # the event about which the model is writing
    late: Late | None = None

    @staticmethod
    def of(id: str, settings: wire.WatchCreate, state: State) -> Standing:
        """Raises QuestionEmpty, SettingInvalid."""
        if not any(character.isprintable() for character in settings.query.strip()):
            raise QuestionEmpty("a watch must say what it waits for", param="query")
        ask = as_count if settings.kind == "count" else as_question
        return Standing(id, settings, ask(settings.query), rule_of(settings), state)

    @property
    def asked(self) -> Query:
        """As the engine judges it."""
        return self.asked_with(self.settings)

    def asked_with(self, settings: wire.WatchCreate) -> Query:
        """As it would be judged if it were set to these; its words stay."""
        return Query(self.question, within_s_of(settings))

    @property
    def counts(self) -> bool:
        return self.settings.kind == "count"

    @property
    def probability(self) -> float | None:
        if self.verdict is None:
            return None
        if self.counts:
            return self.verdict.count.share if self.verdict.count else None
        return likely(self.verdict)

    @property
    def answered(self) -> float | None:
        """The share of what would be an answer; None before the first verdict."""
        if self.verdict is None:
            return None
        if self.counts:
            return self.verdict.count.answered if self.verdict.count else 0.0
        return self.verdict.answered

    @property
    def phase(self) -> wire.WatchState:
        if self.answered is None:
            return "waiting"
        if self.answered < ANSWERED:
            return "unanswered"
        return "open" if self.state.open else "calm"


class Watches:
    """Everything on the event loop's thread. `post` sets what the engine judges, and raises what
    it refuses; `noted` hears the query, the beginning and the sentence of an event."""

    def __init__(
        self,
        session: str,
        *,
        post: Callable[[Watch], Awaitable[object]],
        tell: Tell,
        ask: Ask,
        noted: Callable[[str, float, str], None],
        snapshots: Snapshots,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._post, self._tell = post, tell
        self._ask, self._noted = ask, noted
        self._snapshots, self._wall = snapshots, wall
        self._standing: dict[str, Standing] = {}
        self._setting = asyncio.Lock()

    # --- What is set ---

    async def add(self, settings: wire.WatchCreate) -> wire.Watch:
        """Raises QuestionEmpty, QuestionTooLong, SettingInvalid, TooManyWatches, SessionOver."""
        standing = Standing.of(new_id("wat"), settings, State())
        async with self._setting:
            if len(self._standing) >= MOST_WATCHES:
                raise TooManyWatches(f"a session has at most {MOST_WATCHES} watches")
            try:
                await self._judge({**self._standing, standing.id: standing})
            except SettingInvalid as error:  # those that stand already were taken
                raise SettingInvalid(str(error), param="query") from error
        self._record(standing)
        return self.describe(standing.id)

    async def restore(self, kept: list[tuple[str, wire.WatchCreate, State]]) -> None:
        """Go on with what the journal holds."""
        found = {id: Standing.of(id, settings, resumed(state)) for id, settings, state in kept}
        async with self._setting:
            if found:
                await self._judge(found)

    async def change(self, watch: str, patch: wire.WatchPatch) -> wire.Watch:
        """Where it is refused, the watch stays as it was. Raises WatchUnknown, SettingInvalid,
        SessionOver."""
        async with self._setting:
            standing = self._find(watch)
            merged = standing.settings.model_dump() | patch.model_dump(exclude_unset=True)
            settings = wire.WatchCreate.model_validate(merged)
            rule, asked = rule_of(settings, patch), standing.asked_with(settings)
            if asked != standing.asked:
                others = {id: one.asked for id, one in self._standing.items()}
                await self._agree(others | {watch: asked})
            standing.rule, standing.settings = rule, settings
        self._record(standing)
        return self.describe(watch)

    async def remove(self, watch: str, now_s: float) -> wire.Watch:
        """Ends its event, if one is open. Raises WatchUnknown."""
        async with self._setting:
            standing = self._find(watch)
            await self._judge({id: one for id, one in self._standing.items() if id != watch})
        last = self._described(standing)
        self._finish(standing, now_s)
        self._tell_removed(watch)
        return last

    def all(self) -> list[wire.Watch]:
        return [self._described(standing) for standing in self._standing.values()]

    def describe(self, watch: str) -> wire.Watch:
        """Raises WatchUnknown."""
        return self._described(self._find(watch))

    # --- What happens ---

    def on_judged(self, report: reports.Judged, done: reports.WindowDone) -> None:
        """The verdicts after the window `done`."""
        for watch, verdict in report.verdicts.items():
            if standing := self._standing.get(watch):
                standing.verdict, standing.judged_s = verdict, done.waiting.end_s
                self._judged(standing, verdict, done)

    def finish(self, now_s: float) -> None:
        """The session ends."""
        for standing in self._standing.values():
            self._finish(standing, now_s)

    def _judged(self, standing: Standing, verdict: Verdict, done: reports.WindowDone) -> None:
        if standing.late and done.waiting.end_s >= standing.late.by_s:
            self._tell_late(standing)
        if (standing.answered or 0.0) < ANSWERED:
            self._doubt(standing)
        if standing.counts:
            self._count(standing, verdict)
            return
        waiting = done.waiting
        sight = Sight(waiting.window.start_s, waiting.end_s, self._wall(), likely(verdict))
        before = standing.state
        standing.state, changes = advance(standing.rule, before, sight)
        for change in changes:
            self._changed(standing, change, done)
        if not changes and ended_unheard(standing.state) != ended_unheard(before):
            self._record(standing)

    def _count(self, standing: Standing, verdict: Verdict) -> None:
        read, before = verdict.count, standing.state.count
        if read is None or read.answered < ANSWERED:
            return
        standing.state, is_news = count(
            standing.rule, standing.state, read.number, read.share, self._wall()
        )
        if is_news:
            event = wire.WatchCounted(
                id=f"{standing.id}.{standing.state.events}",
                watch=standing.id,
                query=standing.settings.query,
                count=read.number,
                before=before,
                end_s=standing.judged_s or 0.0,
                probability=read.share,
            )
            self._tell(event, also=self._saving(standing))

    def _changed(self, standing: Standing, change: Change, done: reports.WindowDone) -> None:
        if change.kind == "new":
            self._tell_late(standing)
            standing.sentence, standing.snapshot = None, self._picture(standing, change, done)
            standing.describing = change.number if standing.settings.describe else None
            if standing.settings.describe:
                self._ask(DESCRIBE, partial(self._say, standing, change))
        kept = views.kept_map(done.result.kept, done.waiting.window.grid_s)
        self._tell_change(standing, change, kept, standing.probability)

    def _picture(self, standing: Standing, change: Change, done: reports.WindowDone) -> str | None:
        grids = done.waiting.window.grids
        if not standing.settings.snapshot or not grids:
            return None
        event = event_of(standing.id, standing.settings, change).id
        try:
            return self._snapshots.save(self._session, event, grids[-1][-1])
        except OSError as error:  # the event is told all the same
            log.error("the picture of event %s is not kept: %s", event, error)
            return None

    def _say(self, standing: Standing, change: Change, sentence: str | None) -> None:
        """What the model says about an event; it is told while that is open, or with its end."""
        if sentence is not None:
            self._noted(standing.settings.query, change.started_s, sentence)
        if standing.describing != change.number:
            return
        standing.describing, standing.sentence = None, sentence
        self._tell_late(standing)
        event = standing.state.open
        if sentence and event and not standing.rule.is_quiet(self._wall()):
            update = Change("update", event.number, event.started_s, None, event.spans)
            self._tell_change(standing, update, None, standing.probability)

    def _finish(self, standing: Standing, now_s: float) -> None:
        standing.describing = None  # there is no more time for it
        self._tell_late(standing)
        standing.state, changes = finish(standing.rule, standing.state, now_s)
        for change in changes:
            self._tell_change(standing, change, None, None)

    def _doubt(self, standing: Standing) -> None:
        if standing.doubted:
            return
        standing.doubted = True
        self._tell(
            wire.WatchUnanswered(
                watch=standing.id,
                query=standing.settings.query,
                question=standing.question,
                answered=standing.answered or 0.0,
            )
        )

    # --- Telling ---

    def _tell_change(
        self,
        standing: Standing,
        change: Change,
        kept: wire.KeptMap | None,
        probability: float | None,
    ) -> None:
        event = event_of(standing.id, standing.settings, change).model_copy(
            update={
                "probability": probability,
                "kept": kept,
                "snapshot": standing.snapshot,
                "sentence": standing.sentence,
            }
        )
        also = self._saving(standing)
        if change.kind == "end" and standing.describing == change.number:
            standing.late = Late(event, also, (standing.judged_s or 0.0) + SENTENCE_S)
        else:
            self._tell(event, also=also)

    def _tell_late(self, standing: Standing) -> None:
        """Tell the end that has waited for its sentence, which may not have come; before anything
        else of the watch goes on file, by which the event would be over there and never end."""
        if late := standing.late:
            standing.late = None
            event = late.event.model_copy(update={"sentence": standing.sentence})
            self._tell(event, also=late.also)

    def _record(self, standing: Standing) -> None:
        self._tell_late(standing)
        event = wire.WatchUpdated(watch=self._described(standing))
        self._tell(event, also=self._saving(standing))

    def _tell_removed(self, watch: str) -> None:
        event = wire.WatchRemoved(watch=watch)
        self._tell(event, also=partial(watch_records.remove, watch=watch))

    def _saving(self, standing: Standing) -> Write:
        return partial(
            watch_records.save,
            session=self._session,
            watch=standing.id,
            settings=standing.settings,
            state=standing.state,
        )

    def _described(self, standing: Standing) -> wire.Watch:
        rule, settings = standing.rule, standing.settings
        return wire.Watch(
            id=standing.id,
            session=self._session,
            query=settings.query,
            kind=settings.kind,
            question=standing.question,
            within_s=standing.asked.within_s,
            threshold=rule.threshold,
            release=rule.release,
            min_s=rule.min_s,
            cooldown_s=rule.cooldown_s,
            update_s=rule.update_s,
            quiet=settings.quiet or [],
            describe=bool(settings.describe),
            snapshot=bool(settings.snapshot),
            state=standing.phase,
            probability=standing.probability,
            count=standing.state.count,
            answered=standing.answered,
            judged_s=standing.judged_s,
            events=standing.state.events,
        )

    async def _judge(self, standing: dict[str, Standing]) -> None:
        """Let the engine judge these from now on."""
        await self._agree({id: one.asked for id, one in standing.items()})
        self._standing = standing

    async def _agree(self, asked: dict[str, Query]) -> None:
        """Returns when the engine has taken these, and raises when it has not."""
        await self._post(Watch(self._session, tuple(asked.items())))

    def _find(self, watch: str) -> Standing:
        if watch not in self._standing:
            raise WatchUnknown(f"there is no watch {watch[:64]!r}")
        return self._standing[watch]


def likely(verdict: Verdict) -> float:
    """The probability of yes against no; where the model says neither, against all it may say: what
    is not answered is no yes."""
    return verdict.yes if verdict.answered >= ANSWERED else verdict.yes * verdict.answered


def ended_unheard(state: State) -> float | None:
    """When the open event ended in quiet hours."""
    event: Open | None = state.open
    return event.ended_s if event else None
