"""Exactly the standing queries that are wanted stand in a session, or those that stood before."""

from __future__ import annotations

from itertools import count

import pytest

from clients.mqtt.wanted import MOST_WATCHES, set_watches
from clients.sdk import Session
from clients.sdk.errors import EchoSieveError, Refused, ServiceUnreachable
from session import wire
from session.watch import watches
from tests.clients.sdk.conftest import Line


async def test_exactly_the_watches_that_are_wanted_stand(line: Line) -> None:
    session, _ = await line.join()
    for _ in range(2):
        await session.watches.create("is it there since 0", threshold=0.9, cooldown_s=60.0)
    await set_watches(session, [wire.WatchCreate(query="is it there since 0", cooldown_s=5.0)])
    (watch,) = await session.watches.list()
    assert (watch.threshold, watch.cooldown_s) == (0.8, 5.0)


async def test_counters_are_wanted_beside_events_of_the_same_words(line: Line) -> None:
    session, _ = await line.join()
    wanted = [
        wire.WatchCreate(query="windows", kind="count", threshold=0.7),
        wire.WatchCreate(query="windows"),
    ]
    for _ in range(2):
        await set_watches(session, wanted)
    standing = {watch.kind: watch.threshold for watch in await session.watches.list()}
    assert standing == {"count": 0.7, "event": 0.8}


def asked(count: int, what: str) -> list[wire.WatchCreate]:
    return [wire.WatchCreate(query=f"is it there since 0 {what} {n}") for n in range(count)]


async def stand(session: Session) -> list[tuple[str, str, float, float | None]]:
    found = await session.watches.list()
    return [(one.kind, one.query, one.threshold, one.within_s) for one in found]


def test_a_client_knows_how_many_a_session_has_at_most() -> None:
    assert MOST_WATCHES == watches.MOST_WATCHES


async def test_as_many_as_there_may_be_are_replaced_by_as_many_others(line: Line) -> None:
    session, _ = await line.join()
    for what in ("of these", "of those"):
        await set_watches(session, asked(MOST_WATCHES, what))
    queries = {watch.query for watch in await session.watches.list()}
    assert queries == {one.query for one in asked(MOST_WATCHES, "of those")}


async def test_those_that_stood_before_stand_where_one_is_refused(line: Line) -> None:
    session, _ = await line.join()
    await session.watches.create("is it there since 0", threshold=0.7, within_s=30.0)
    await session.watches.create("is it red", quiet=[wire.QuietHours(start="22:00", end="7:00")])
    await session.watches.count("windows", threshold=0.6)
    before = sorted(await stand(session), key=str)
    unusable = wire.WatchCreate(query="is it blue", threshold=0.5, release=0.9)
    kept = wire.WatchCreate(query="is it there since 0")
    with pytest.raises(Refused):
        await set_watches(session, [kept, *asked(2, "new"), unusable])
    assert sorted(await stand(session), key=str) == before


async def test_that_those_before_could_not_be_put_back_is_told_with_why(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session, _ = await line.join()
    await session.watches.create("is it there since 0")
    listed, times = session.watches.list, count()

    async def once() -> list[wire.Watch]:
        if next(times):
            raise ServiceUnreachable("http://here", "nobody listens")
        return await listed()

    monkeypatch.setattr(session.watches, "list", once)
    unusable = wire.WatchCreate(query="is it blue", threshold=0.5, release=0.9)
    with pytest.raises(EchoSieveError) as raised:
        await set_watches(session, [unusable])
    refused, _, left = str(raised.value).partition("; ")
    assert refused.startswith("422 ")
    why = "could not be put back (nothing answers at http://here (nobody listens))"
    assert left == f"what stood before {why}: set all watches again"
    assert why in caplog.text
