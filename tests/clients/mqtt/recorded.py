"""A session whose events a test writes down, in the place of the service's journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import cast

from clients.sdk import Session
from session import wire
from tests.session.described import session


def info(state: wire.SessionState = "live") -> wire.Session:
    return session(state=state)


def happened(number: int, change: str, snapshot: str | None = None) -> wire.WatchEvent:
    """The event of a watch with this number, in one of its changes."""
    return wire.WatchEvent.model_validate(
        {
            "change": change,
            "id": f"wat_1.{number}",
            "watch": "wat_1",
            "query": "a red circle appears",
            "started_s": 10.0 * number,
            "ended_s": 10.0 * number + 4 if change == "end" else None,
            "probability": 0.9,
            "spans": [],
            "snapshot": snapshot,
        }
    )


class Journal:
    """The events of one session, numbered from 1 on; `now` is how the service describes it."""

    def __init__(self, id: str = "ses_1") -> None:
        self.id = id
        self.now = info().model_copy(update={"id": id})
        self.written: list[wire.Event] = [wire.SessionCreated(session=self.now)]
        self._more = asyncio.Event()

    def write(self, *events: wire.Event) -> None:
        self.written += events
        self._more.set()

    @property
    def session(self) -> Session:
        return cast(Session, self)  # as much of one as a bridge needs to follow it

    def follow(
        self, *, after: int | None = None, goes_on: Callable[[], bool] = lambda: True
    ) -> Reading:
        return Reading(self, after or 0, goes_on)

    async def refresh(self) -> wire.Session:
        return self.now

    async def grown(self, beyond: int) -> None:
        while len(self.written) <= beyond:
            self._more.clear()
            await self._more.wait()


class Reading:
    """One reader of the journal. Where the session has ended and nothing follows, it is asked
    whether it `goes_on`."""

    def __init__(self, journal: Journal, after: int, goes_on: Callable[[], bool]) -> None:
        self.last_id = after
        self._journal = journal
        self._goes_on = goes_on

    async def __aiter__(self) -> AsyncGenerator[wire.Event]:
        while self._more() or self._goes_on():
            await self._journal.grown(self.last_id)
            self.last_id += 1
            yield self._journal.written[self.last_id - 1]

    def _more(self) -> bool:
        read = self.last_id == len(self._journal.written)
        return not (read and isinstance(self._journal.written[-1], wire.SessionClosed))
