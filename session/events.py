"""The numbered events of one session: a bounded ring to come back to, and its subscribers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from session import wire


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in the session's stream; 0 for those about the stream itself."""

    id: int
    event: wire.Event

    def sse(self) -> str:
        """The event as text/event-stream (HTML Living Standard, 9.2)."""
        number = f"id: {self.id}\n" if self.id else ""
        return f"{number}event: {self.event.type}\ndata: {self.event.model_dump_json()}\n\n"


class Subscription:
    """One listener. It holds at most `limit` events; when one more comes it is let go."""

    def __init__(self, limit: int) -> None:
        self._waiting: deque[Numbered] = deque()
        self._limit = limit
        self._news = asyncio.Event()
        self._over = False

    def offer(self, numbered: Numbered) -> bool:
        """Hand an event over. False when the listener lags too far behind: it is let go."""
        if len(self._waiting) >= self._limit:
            self._waiting.clear()
            reason = f"more than {self._limit} events were waiting to be read"
            self._waiting.append(Numbered(0, wire.EventsDropped(reason=reason)))
            self.end()
            return False
        self._waiting.append(numbered)
        self._news.set()
        return True

    def end(self) -> None:
        """What waits is still read; then the iteration ends."""
        self._over = True
        self._news.set()

    async def next(self) -> Numbered | None:
        """The next event, None at the end."""
        while not self._waiting:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def __aiter__(self) -> AsyncIterator[Numbered]:
        while (numbered := await self.next()) is not None:
            yield numbered


class Hub:
    """Publishes the events of one session. All of it on the event loop's thread."""

    def __init__(self, *, ring: int, queue: int) -> None:
        self._ring: deque[Numbered] = deque(maxlen=ring)
        self._subscriptions: set[Subscription] = set()
        self._queue = queue
        self._last_id = 0
        self._closed = False
        self.dropped = 0  # subscribers that were too slow

    @property
    def listening(self) -> int:
        return len(self._subscriptions)

    def publish(self, event: wire.Event) -> None:
        self._last_id += 1
        numbered = Numbered(self._last_id, event)
        self._ring.append(numbered)
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(numbered):
                self._subscriptions.discard(subscription)
                self.dropped += 1

    def subscribe(self, after_id: int | None = None) -> Subscription:
        """Listen from now on, or from the event after `after_id`, as far as it is still held."""
        missed = [] if after_id is None else self._since(after_id)
        subscription = Subscription(self._queue + len(missed))
        for numbered in missed:
            subscription.offer(numbered)
        if self._closed:
            subscription.end()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """No more events; every listener reads what it has and ends."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()

    def _since(self, after_id: int) -> list[Numbered]:
        held = [numbered for numbered in self._ring if numbered.id > after_id]
        first = held[0].id if held else self._last_id + 1
        if first > after_id + 1:
            missed = wire.EventsMissed(after_id=after_id, next_id=first)
            held.insert(0, Numbered(0, missed))
        return held
