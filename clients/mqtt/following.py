"""Reading a session's events from where they were left, and noting how far they have been told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from clients.mqtt.mapping import Story, tell
from clients.mqtt.places import Places
from clients.mqtt.topics import Topics
from clients.sdk import EventStream, Session
from session import wire

LAST_S = 2.0  # to tell what has been begun, when asked to stop

Hear = Callable[[Story, Story, int | None, wire.Event], Coroutine[Any, Any, None]]
"""Given the story before and after an event, and its number, where it is in the journal."""


MISSING = (wire.EventsMissed, wire.JournalResumed)
"""After which a session may stand otherwise than was told."""


async def follow(
    places: Places,
    topics: Topics,
    session: Session,
    name: str,
    hear: Hear,
    goes_on: Callable[[], bool],
) -> None:
    """Every event from the place that was noted on, up to the session's end: the last, as it may
    have been opened again before all of this was told. Beyond that where it `goes_on`. An event
    counts as told when `hear` has returned; killed before, it comes again. Raises EchoSieveError
    where the service gives no more of it."""
    place = places.find(session.id)
    story = place.story if place else Story(name=name, session=session.id)
    number = place.number if place else 0
    stream = session.follow(after=number, goes_on=lambda: goes_on() or not story.closed)
    async with aclosing(_complete(session, stream)) as events:
        async for event in events:
            numbered = stream.last_id != number and not isinstance(event, wire.EventsMissed)
            number = stream.last_id or 0
            before = story
            story, out = tell(topics, before, number, event)
            told = hear(before, story, number if numbered else None, event)
            if out or story is not before:  # the rest may be heard twice; it is not worth a write
                told = _noted(told, places, number, story)
            await to_its_end(told)


async def _complete(session: Session, stream: EventStream) -> AsyncGenerator[wire.Event]:
    """What comes, and where something is missing, how the session stands now."""
    async with aclosing(aiter(stream)) as events:
        async for event in events:
            now = await session.refresh() if isinstance(event, MISSING) else None
            yield event
            if now is not None:
                yield wire.SessionUpdated(session=now)


async def _noted(
    told: Coroutine[Any, Any, None], places: Places, number: int, story: Story
) -> None:
    await told
    places.note(number, story)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Work that is not left half done when its task is cancelled, or not for more than `LAST_S`:
    otherwise every orderly stop would tell something twice."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=LAST_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
