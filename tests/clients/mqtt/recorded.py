"""A session whose events a test writes down, in the place of the service's journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
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
    """The events of one session, numbered from 1 on."""

    def __init__(self) -> None:
        self.id = "ses_1"
        self.written: list[wire.Event] = [wire.SessionCreated(session=info())]
        self._more = asyncio.Event()

    def write(self, *events: wire.Event) -> None:
        self.written += events
        self._more.set()

    @property
    def session(self) -> Session:
        return cast(Session, self)  # as much of one as a bridge needs to follow it

    def follow(self, *, after: int | None = None) -> Reading:
        return Reading(self, after or 0)

    def events(self, *, after: int | None = None) -> Reading:
        return Reading(self, after or 0, to_its_end=True)

    async def grown(self, beyond: int) -> None:
        while len(self.written) <= beyond:
            self._more.clear()
            await self._more.wait()


class Reading:
    """One reader of the journal."""

    def __init__(self, journal: Journal, after: int, *, to_its_end: bool = False) -> None:
        self.last_id = after
        self._journal = journal
        self._to_its_end = to_its_end

    async def __aiter__(self) -> AsyncGenerator[wire.Event]:
        while True:
            await self._journal.grown(self.last_id)
            event = self._journal.written[self.last_id]
            self.last_id += 1
            yield event
            if self._to_its_end and isinstance(event, wire.SessionClosed):
                return
