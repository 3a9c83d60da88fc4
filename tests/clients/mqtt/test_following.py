"""How a session's events are read to their end, whatever has become of it meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial

from clients.mqtt.following import follow
from clients.mqtt.mapping import Story
from clients.mqtt.places import Places
from clients.mqtt.topics import Topics
from clients.sdk import Session
from session import wire
from tests.clients.mqtt.recorded import Journal, info
from tests.clients.sdk.conftest import Line
from tests.clients.sdk.test_restarts import attach
from tests.session.fakes import eventually

PATIENCE_S = 30.0


async def told(session: Session, places: Places) -> list[str]:
    """The kinds of the events from the noted place to the end."""
    kinds = []

    async def hear(_: Story, __: Story, ___: int | None, event: wire.Event) -> None:
        kinds.append(event.type)

    async with asyncio.timeout(PATIENCE_S):
        await follow(places, Topics("es"), session, "kitchen", hear, lambda: False)
    return kinds


def stands(places: Places, journal: Journal) -> bool:
    """Whether the session was told of as it is now."""
    place = places.find(journal.id)
    return place is not None and place.story.info == journal.now


def noted(places: Places, session: str) -> Story:
    place = places.find(session)
    assert place is not None
    return place.story


async def test_an_end_after_which_the_session_was_opened_again_is_not_the_last(line: Line) -> None:
    session, _ = await line.join()
    await session.close()
    await attach(line.house, session.id)
    await line.house.manager.end(session.id, "the second end")
    places = Places(":memory:")
    kinds = await told(session, places)
    assert kinds.count("session.closed") == 2
    assert (kinds[-1], "session.reopened" in kinds) == ("session.closed", True)
    last = noted(places, session.id).info
    assert last is not None
    assert last.reason == (await session.refresh()).reason == "the second end"
    places.close()


async def test_an_end_that_was_told_is_not_waited_for_again(line: Line) -> None:
    session, _ = await line.join()
    await session.close()
    places = Places(":memory:")
    assert (await told(session, places))[-1] == "session.closed"
    assert await told(session, places) == []
    await attach(line.house, session.id)
    await session.close()
    again = await told(session, places)
    assert (again[0], again[-1]) == ("session.reopened", "session.closed")
    places.close()


async def test_where_events_are_missing_it_is_told_how_the_session_stands() -> None:
    missing = wire.EventsMissed(after_id=2, next_id=9), wire.JournalResumed(lost=3)
    for gap in missing:
        journal, places = Journal(), Places(":memory:")
        journal.write(wire.SessionClosed(session=journal.id, reason="the sender left"), gap)
        journal.now = info("live").model_copy(update={"instruction": "watch the lid"})
        following = asyncio.create_task(told(journal.session, places))
        await eventually(partial(stands, places, journal))
        assert not noted(places, journal.id).closed
        journal.write(wire.SessionClosed(session=journal.id, reason="the sender left"))
        assert (await following)[-2:] == ["session.updated", "session.closed"]
        places.close()
