"""The numbered events of a session and those who listen to them."""

from __future__ import annotations

import asyncio

from session import wire
from session.events import Hub, Numbered, Subscription


def delta(text: str) -> wire.AnswerDelta:
    return wire.AnswerDelta(id="ans_1", delta=text)


def texts(numbered: list[Numbered]) -> list[str]:
    return [n.event.delta for n in numbered if isinstance(n.event, wire.AnswerDelta)]


async def rest_of(subscription: Subscription) -> list[Numbered]:
    return [numbered async for numbered in subscription]


async def test_every_listener_hears_every_event_in_order() -> None:
    hub = Hub(ring=4, queue=8)
    one, two = hub.subscribe(), hub.subscribe()
    for text in "abc":
        hub.publish(delta(text))
    hub.close()
    for subscription in (one, two):
        heard = await rest_of(subscription)
        assert texts(heard) == ["a", "b", "c"]
        assert [n.id for n in heard] == [1, 2, 3]


async def test_who_comes_back_gets_what_was_missed() -> None:
    hub = Hub(ring=8, queue=8)
    for text in "abcd":
        hub.publish(delta(text))
    again = hub.subscribe(after_id=2)
    hub.publish(delta("e"))
    hub.close()
    assert texts(await rest_of(again)) == ["c", "d", "e"]


async def test_what_the_ring_does_not_hold_any_more_is_told() -> None:
    hub = Hub(ring=2, queue=8)
    for text in "abcd":
        hub.publish(delta(text))
    hub.close()
    heard = await rest_of(hub.subscribe(after_id=1))
    assert heard[0].event == wire.EventsMissed(after_id=1, next_id=3)
    assert texts(heard) == ["c", "d"]


async def test_a_new_listener_hears_only_what_is_new() -> None:
    hub = Hub(ring=8, queue=8)
    hub.publish(delta("a"))
    new = hub.subscribe()
    hub.publish(delta("b"))
    hub.close()
    assert texts(await rest_of(new)) == ["b"]


async def test_a_slow_listener_is_let_go_with_a_reason_and_the_others_go_on() -> None:
    hub = Hub(ring=64, queue=3)
    slow, quick = hub.subscribe(), hub.subscribe()
    heard = []
    for text in "abcde":
        hub.publish(delta(text))
        heard.append(await quick.next())
    assert (hub.listening, hub.dropped) == (1, 1)
    last = await rest_of(slow)
    assert [n.event.type for n in last] == ["events.dropped"]
    assert [n.id for n in heard if n] == [1, 2, 3, 4, 5]
    back = hub.subscribe(after_id=1)
    hub.close()
    assert texts(await rest_of(back)) == ["b", "c", "d", "e"]


async def test_a_listener_waits_until_something_happens() -> None:
    hub = Hub(ring=8, queue=8)
    subscription = hub.subscribe()
    waiting = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    hub.publish(delta("a"))
    heard = await waiting
    assert heard is not None
    assert texts([heard]) == ["a"]


async def test_who_leaves_is_forgotten() -> None:
    hub = Hub(ring=8, queue=8)
    subscription = hub.subscribe()
    hub.unsubscribe(subscription)
    hub.publish(delta("a"))
    assert hub.listening == 0


def test_an_event_is_written_as_the_standard_wants_it() -> None:
    text = Numbered(7, delta("two\nlines")).sse()
    assert text == (
        "id: 7\nevent: answer.delta\n"
        'data: {"type":"answer.delta","id":"ans_1","delta":"two\\nlines"}\n\n'
    )
    assert not Numbered(0, delta("a")).sse().startswith("id")
