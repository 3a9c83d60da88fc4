"""Events over cuts of the network: none lost, none twice."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from itertools import groupby
from typing import ClassVar

import pytest

from clients.sdk import Backoff, EchoSieve, EventStream, Timeouts, errors
from session import wire
from tests.clients.sdk.conftest import QUICK, Line, served
from tests.clients.sdk.cuts import network
from tests.clients.sdk.test_restarts import attach
from tests.session.fakes import eventually

PATIENT = Timeouts(patience_s=5.0)


async def collected(stream: EventStream) -> list[tuple[int | None, wire.Event]]:
    """The events to the end of the session, each with its number."""
    async with asyncio.timeout(120.0):
        return [(stream.last_id, event) async for event in stream]


def numbers_of(events: list[tuple[int | None, wire.Event]]) -> list[int | None]:
    """Each number once: pieces of an answer have none of their own."""
    return [number for number, _ in groupby(events, key=lambda told: told[0])]


async def test_the_life_of_a_session_is_followed_to_its_end(line: Line) -> None:
    session, _ = await line.join()
    following = asyncio.create_task(collected(session.events(after=0)))
    await session.ask("what now")
    await session.close()
    events = await following
    numbers = numbers_of(events)
    assert numbers == list(range(1, len(numbers) + 1))
    kinds = [event.type for _, event in events]
    assert kinds[:2] == ["session.created", "session.updated"]
    assert kinds[-2:] == ["answer.done", "session.closed"]


async def test_following_can_begin_after_an_event(line: Line) -> None:
    session, _ = await line.join()
    await session.close()
    whole = await collected(session.events(after=0))
    assert await collected(session.events(after=1)) == whole[1:]


@pytest.mark.parametrize(("after", "told"), [(None, []), (50, ["events.missed"])])
async def test_events_of_a_session_that_has_ended_end_at_once(
    line: Line, after: int | None, told: list[str]
) -> None:
    session, _ = await line.join()
    await session.close()
    events = await collected(session.events(after=after))
    assert [event.type for _, event in events] == told


async def test_events_from_the_end_on_go_on_where_the_session_was_opened_again(line: Line) -> None:
    """Also where that happens between two looks at it."""
    session, _ = await line.join()
    await session.close()
    stream = session.events()
    looked = stream._is_over

    async def looked_and_opened() -> bool:
        over = await looked()
        if not line.house.manager.all():
            await attach(line.house, session.id)
        return over

    stream._is_over = looked_and_opened  # type: ignore[method-assign]
    following = asyncio.create_task(collected(stream))
    await eventually(lambda: bool(line.house.manager.all()))
    await line.house.ask(session.id, "what now")
    await line.house.manager.end(session.id, "ended by request")
    kinds = [event.type for _, event in await following]
    assert (kinds[0], kinds[-1]) == ("session.reopened", "session.closed")
    assert "answer.done" in kinds


async def test_a_stream_that_is_ended_in_order_before_its_session_is_begun_again(
    line: Line,
) -> None:
    """As a proxy does that lost the service."""
    session, _ = await line.join()
    hub = line.house.manager.get(session.id).hub
    stream = session.events(after=0)
    following = asyncio.create_task(collected(stream))
    await eventually(lambda: hub.listening == 1 and bool(stream.last_id))
    for subscription in hub._subscriptions:
        subscription.end()
    hub._subscriptions.clear()
    await session.ask("what now")
    await session.close()
    events = await following
    numbers = numbers_of(events)
    assert numbers == list(range(1, len(numbers) + 1))
    assert events[-1][1].type == "session.closed"


async def test_no_event_is_lost_or_doubled_however_the_network_is_cut(line: Line) -> None:
    """Cut a hundred times, at random bytes of the replies."""
    session, _ = await line.join()
    hub = line.house.manager.get(session.id).hub
    chance = random.Random(5)
    told = 0
    async with network(line.url) as net, EchoSieve(net.url, backoff=QUICK) as client:
        stream = (await client.sessions.get(session.id)).events(after=0)
        following = asyncio.create_task(collected(stream))
        await eventually(lambda: bool(stream.last_id))
        while net.connections <= 100 and not following.done():
            if net.budget is None:
                net.budget = chance.randrange(1, 3_000)
            hub.publish(wire.Overload(level="none", reason=str(told), behind_windows=0))
            told += 1
            await asyncio.sleep(0.01)
        net.budget = None
        await session.close()
        events = await following
    numbers = numbers_of(events)
    assert numbers == list(range(1, len(numbers) + 1))
    reasons = [event.reason for _, event in events if isinstance(event, wire.Overload)]
    assert reasons == [str(number) for number in range(told)]


async def test_events_before_the_first_cut_count_also_from_now_on(line: Line) -> None:
    """Following from now on, cut before anything came: what happens meanwhile is not lost."""
    session, _ = await line.join()
    async with network(line.url) as net, EchoSieve(net.url, backoff=QUICK) as client:
        stream = (await client.sessions.get(session.id)).events()
        following = asyncio.create_task(collected(stream))
        await eventually(lambda: stream.last_id is not None)
        net.cut()
        await session.ask("what now")
        await session.close()
        kinds = [event.type for _, event in await following]
    assert kinds[0] == "answer.started"
    assert kinds[-1] == "session.closed"


async def test_a_service_that_is_not_there_at_first_is_an_error(line: Line) -> None:
    session, _ = await line.join()
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(network(line.url))
        client = await stack.enter_async_context(EchoSieve(net.url, backoff=QUICK))
        known = await client.sessions.get(session.id)
        net.close()
        with pytest.raises(errors.ServiceUnreachable, match="echosieve serve"):
            await collected(known.events())


async def test_a_session_that_is_gone_ends_the_following_with_an_error(line: Line) -> None:
    session, _ = await line.join()
    async with (
        served() as other,
        network(line.url) as net,
        EchoSieve(net.url, backoff=QUICK) as client,
    ):
        stream = (await client.sessions.get(session.id)).events(after=0)
        following = asyncio.create_task(collected(stream))
        await eventually(lambda: bool(stream.last_id))
        net.target = other.url  # a service that does not know the session
        net.cut()
        with pytest.raises(errors.NotFound, match="session_unknown"):
            await following


async def test_a_silent_connection_is_given_up_and_made_again(line: Line) -> None:
    session, _ = await line.join()
    async with EchoSieve(line.url, backoff=QUICK, timeouts=Timeouts(silence_s=0.5)) as client:
        stream = (await client.sessions.get(session.id)).events(after=0)
        following = asyncio.create_task(collected(stream))
        await asyncio.sleep(1.7)  # three silences
        await session.close()
        events = await following
    numbers = numbers_of(events)
    assert numbers == list(range(1, len(numbers) + 1))


async def test_an_answer_that_is_cut_tells_what_was_said(line: Line) -> None:
    session, _ = await line.join()
    async with network(line.url) as net, EchoSieve(net.url, backoff=QUICK) as client:
        asking = (await client.sessions.get(session.id)).ask("slowly", max_tokens=256)
        deltas = aiter(asking)
        await anext(deltas)
        net.cut()
        with pytest.raises(errors.ConnectionLost) as cut:
            _ = [delta async for delta in deltas]
    assert cut.value.text.startswith("word ")


async def test_a_kept_connection_that_was_cut_is_made_again(line: Line) -> None:
    await line.join()
    async with network(line.url) as net, EchoSieve(net.url) as client:
        for _ in range(5):
            assert len(await client.sessions.list()) == 1
            net.cut()


class Counted(Backoff):
    """Notes after how many failures in a row somebody waits."""

    failures: ClassVar[list[int]]

    def wait_s(self, failures: int, generator: random.Random | None = None) -> float:
        self.failures.append(failures)
        return 0.001


async def test_a_session_that_has_ended_is_looked_at_less_and_less_often(line: Line) -> None:
    session, _ = await line.join()
    await session.close()
    Counted.failures = []
    async with EchoSieve(line.url, backoff=Counted()) as client:
        stream = (await client.sessions.get(session.id)).follow()
        following = asyncio.create_task(collected(stream))
        await eventually(lambda: len(Counted.failures) >= 5)
        following.cancel()
        await asyncio.wait({following})
    assert Counted.failures[:5] == [1, 2, 3, 4, 5]


async def test_events_after_a_record_that_lost_its_newest_are_handed_out(line: Line) -> None:
    """A power cut can take commits: the numbers that a client knows are given once more."""
    session, _ = await line.join()
    stream = session.events(after=50)
    following = asyncio.create_task(collected(stream))
    await eventually(lambda: stream.last_id != 50)
    await session.ask("what now")
    await session.close()
    kinds = [event.type for _, event in await following]
    assert kinds[0] == "events.missed"
    assert kinds[-2:] == ["answer.done", "session.closed"]


@pytest.mark.parametrize("after", [-1, "7", 1.5, True, 10**15])
async def test_what_is_no_number_of_an_event_is_refused_at_once(line: Line, after: int) -> None:
    session, _ = await line.join()
    with pytest.raises(errors.Unusable, match="after is the number of an event, 0 or above, not"):
        session.events(after=after)


async def test_a_following_that_need_not_go_on_ends_when_all_was_told(line: Line) -> None:
    session, _ = await line.join()
    going_on = True
    stream = session.follow(after=0, goes_on=lambda: going_on)
    following = asyncio.create_task(collected(stream))
    for reason in ("the first end", "the last end"):
        await line.house.manager.end(session.id, reason)
        if reason == "the first end":
            await attach(line.house, session.id)
    going_on = False
    ends = [event.reason for _, event in await following if isinstance(event, wire.SessionClosed)]
    assert ends == ["the first end", "the last end"]


async def test_who_is_let_go_before_the_end_comes_back_also_on_the_last_look(line: Line) -> None:
    session, _ = await line.join()
    hub = line.house.manager.get(session.id).hub
    stream = session.follow(after=0, goes_on=lambda: False)
    following = asyncio.create_task(collected(stream))
    await eventually(lambda: hub.listening == 1 and bool(stream.last_id))
    for subscription in hub._subscriptions:
        subscription.let_go("it did not read")
    await eventually(lambda: not hub._subscriptions or following.done())
    await session.close()
    assert (await following)[-1][1].type == "session.closed"
