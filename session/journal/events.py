"""The numbered events of one session: into the journal first, then to those who listen.

A number means that the event is on file: it is told only after its commit, and comes again to
whoever returns with the number before it. What cannot be recorded is told without a number.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from session import wire
from session.errors import JournalBehind
from session.journal import records
from session.journal.journal import Job, Journal

log = logging.getLogger(__name__)

PAGE = 256  # events read from the journal at once
BACKLOG = 1_024  # events of a session that may wait for the journal

Also = Callable[[sqlite3.Connection], None]
"""What is written in one transaction with an event."""


@dataclass(frozen=True, slots=True)
class Past:
    """An event as it was told once, perhaps by an older version of the service."""

    type: str
    body: str

    def model_dump_json(self) -> str:
        return self.body


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in the session's record; 0 for one that is not recorded."""

    id: int
    event: wire.Event | Past

    def sse(self) -> str:
        """The event as text/event-stream (HTML Living Standard, 9.2)."""
        number = f"id: {self.id}\n" if self.id else ""
        return f"{number}event: {self.event.type}\ndata: {self.event.model_dump_json()}\n\n"


class Subscription:
    """One listener. It holds at most `limit` events; when one more comes it is let go.

    One that comes back from long ago reads the journal first, page by page, as fast as it is read
    itself, and listens from where that ends: every number once, in order. So does one that finds a
    number left out.
    """

    def __init__(self, hub: Hub, limit: int, after_id: int | None) -> None:
        self._hub = hub
        self._waiting: deque[Numbered] = deque()
        self._limit = limit
        self._last_id = hub.last_id if after_id is None else after_id
        self._catching_up = after_id is not None
        self._news = asyncio.Event()
        self._over = False
        self._gone = False  # let go before the end

    def offer(self, numbered: Numbered) -> bool:
        """Hand an event over. False when the listener lags too far behind: it is let go."""
        if self._gone or self._catching_up or 0 < numbered.id <= self._last_id:
            return True  # it reads, or has read, this in the journal
        if numbered.id > self._last_id + 1:  # what came before could not be told in its turn
            self._catching_up = True
            self._news.set()
            return True
        if len(self._waiting) >= self._limit:
            self.let_go(f"more than {self._limit} events were waiting to be read")
            return False
        self._take(numbered)
        self._news.set()
        return True

    def let_go(self, reason: str) -> None:
        """Nothing more is read but the reason."""
        self._waiting.clear()
        self._waiting.append(Numbered(0, wire.EventsDropped(reason=reason)))
        self._gone = True
        self.end()

    def end(self) -> None:
        """What waits is still read; then the iteration ends."""
        self._over = True
        self._news.set()

    async def next(self) -> Numbered | None:
        """The next event, None at the end. Raises JournalBehind, JournalFailed where events of
        long ago cannot be read."""
        while not self._waiting:
            if self._catching_up and not self._gone:
                await self._catch_up()
                continue
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def __aiter__(self) -> AsyncIterator[Numbered]:
        while (numbered := await self.next()) is not None:
            yield numbered

    async def _catch_up(self) -> None:
        """One page nearer to what happens now."""
        held = self._hub.held(self._last_id)
        if held is None:
            held = await self._hub.read(self._last_id)
        else:
            self._catching_up = False
        if not self._gone:  # meanwhile
            for numbered in held:
                self._take(numbered)

    def _take(self, numbered: Numbered) -> None:
        self._waiting.append(numbered)
        if isinstance(numbered.event, wire.EventsMissed):
            self._last_id = numbered.event.next_id - 1
        self._last_id = numbered.id or self._last_id


@dataclass(slots=True)
class _Telling:
    """An event on its way to the listeners; `number` is None until the journal has settled it.
    `lost` says why it could not be recorded."""

    event: wire.Event
    number: int | None = None
    lost: str | None = None

    def give_up(self, error: Exception) -> None:
        self.number, self.lost = 0, str(error)


class Hub:
    """Records and tells the events of one session. All of it on the event loop's thread.

    `last_id` is the number of the newest event that has been told.
    """

    def __init__(
        self, session: str, journal: Journal, *, ring: int, queue: int, last_id: int = 0
    ) -> None:
        self.last_id = last_id
        self.dropped = 0  # subscribers that were too slow
        self.tap: Callable[[wire.Event], None] | None = None  # the session's own ear
        self._session = session
        self._journal = journal
        self._ring: deque[Numbered] = deque(maxlen=ring)
        self._telling: deque[_Telling] = deque()
        self._subscriptions: set[Subscription] = set()
        self._queue = queue
        self._lost = 0  # events since the journal could record one
        self._closed = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def listening(self) -> int:
        return len(self._subscriptions)

    # --- Telling ---

    def publish(self, event: wire.Event, also: Also | None = None) -> None:
        """Record the event, and what is `also` written with it, then tell it."""
        telling = _Telling(event)
        body = event.model_dump_json()

        def write(db: sqlite3.Connection) -> int:
            if also is not None:
                also(db)
            return records.add_event(db, self._session, event.type, body)

        def settle(number: int, error: Exception | None) -> None:
            if error is None:
                telling.number = number
            else:
                log.warning("an event of session %s is not recorded: %s", self._session, error)
                telling.give_up(error)
            self._flush()

        try:
            self._journal.put(Job(write, settle))
        except JournalBehind as error:
            telling.give_up(error)
        self._queue_up(telling)

    def tell(self, event: wire.Event) -> None:
        """Tell what is not recorded, in its turn."""
        self._queue_up(_Telling(event, 0))

    def _queue_up(self, telling: _Telling) -> None:
        """A disk that hangs must not fill the memory: then only the session itself hears at once;
        the others read it in the journal when the next event is told."""
        if len(self._telling) < BACKLOG:
            self._telling.append(telling)
            self._quiet.clear()
            self._flush()
        elif self.tap is not None:
            self.tap(telling.event)

    def _flush(self) -> None:
        """Tell everything up to the first event that is not on file yet."""
        while self._telling and (number := self._telling[0].number) is not None:
            telling = self._telling.popleft()
            if telling.lost is not None:
                self._lose(telling.lost)
            self._deliver(Numbered(number, telling.event))
            if number and self._lost:
                lost, self._lost = self._lost, 0
                self.publish(wire.JournalResumed(lost=lost))
        if not self._telling:
            self._quiet.set()
            if self._closed:
                self._let_go()

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self._deliver(Numbered(0, wire.JournalPaused(reason=reason)))
        self._lost += 1

    def _deliver(self, numbered: Numbered) -> None:
        if numbered.id:
            if numbered.id > self.last_id + 1:
                self._ring.clear()  # it holds what followed on each other
            self.last_id = numbered.id
            self._ring.append(numbered)
        if self.tap is not None and not isinstance(numbered.event, Past):
            self.tap(numbered.event)
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(numbered):
                self._subscriptions.discard(subscription)
                self.dropped += 1

    async def told(self) -> None:
        """Waits until all that was published has been told."""
        await self._quiet.wait()

    # --- Listening ---

    def subscribe(self, after_id: int | None = None) -> Subscription:
        """Listen from now on, or from the event after `after_id`, as far as it is still held."""
        subscription = Subscription(self, self._queue, after_id)
        self._subscriptions.add(subscription)
        if self._closed and not self._telling:
            self._let_go()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def open(self) -> None:
        """There will be more events."""
        self._closed = False

    def close(self) -> None:
        """No more events; every listener reads what it has and ends."""
        self._closed = True
        self._flush()

    def _let_go(self) -> None:
        self.tap = None
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()

    def held(self, after_id: int) -> list[Numbered] | None:
        """What followed on `after_id`, if all of it is at hand."""
        if after_id > self.last_id:  # a number we never gave: what it belonged to is gone
            return [Numbered(0, wire.EventsMissed(after_id=after_id, next_id=self.last_id + 1))]
        if after_id < self.last_id - len(self._ring):
            return None
        return [numbered for numbered in self._ring if numbered.id > after_id]

    async def read(self, after_id: int) -> list[Numbered]:
        """The next events on file, up to the newest that has been told."""
        up_to = self.last_id
        rows = await self._journal.do(
            lambda db: records.events(db, self._session, after_id, up_to, PAGE)
        )
        found = [Numbered(number, Past(type, body)) for number, type, body in rows]
        first = found[0].id if found else up_to + 1
        if first > after_id + 1:
            missed = wire.EventsMissed(after_id=after_id, next_id=first)
            found.insert(0, Numbered(0, missed))
        return found
