"""Events at a receiver: each once, over restarts of everything between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt import bridge as bridge_module
from clients.mqtt import receiver as receiver_module
from clients.mqtt.bridge import Bridge
from clients.mqtt.dial import TakenOver
from clients.mqtt.mapping import EventMessage, Story, tell
from clients.mqtt.places import Places
from clients.mqtt.receiver import EventReceiver, Known, event_of
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import Topics
from session import wire
from tests.clients.mqtt.bridging import (
    QUICK,
    answers,
    bridged,
    by_correlation,
    request,
    watched,
)
from tests.clients.mqtt.mosquitto import Receiver, receiving
from tests.clients.mqtt.recorded import Journal, happened, info
from tests.clients.sdk.conftest import Line
from tests.session.api.test_watches import shown


async def test_nothing_is_lost_or_doubled_when_the_broker_is_killed(
    broker: Mosquitto, tmp_path: Path
) -> None:
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    journal, events = Journal(), list[EventMessage]()
    clerk = EventReceiver(settings, "clerk", backoff=QUICK)
    collecting = asyncio.create_task(collect(clerk, events))
    async with bridged(broker, tmp_path, journal.session):
        for first in (0, 10, 20):
            write(journal, first)
            await Receiver(broker.port).until(lambda first=first: len(events) > first)
            broker.kill()
            write(journal, first + 3)
            broker.start()
            write(journal, first + 6)
        await Receiver(broker.port).until(lambda: len(events) == 54)
    collecting.cancel()
    await asyncio.wait({collecting})
    told = [(event.after.id, event.type) for event in events]
    assert len(set(told)) == len(told)
    numbers = sorted(int(id.partition(".")[2]) for id, kind in told if kind == "end")
    assert numbers == [first + n for first in (0, 10, 20) for n in range(9)]


async def test_nothing_is_doubled_when_the_bridge_starts_anew_behind_more_than_is_remembered(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "MOST_KEYS", 4)
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    journal, events = Journal(), list[EventMessage]()
    for first in (0, 3, 6, 9):
        write(journal, first)
    clerk = EventReceiver(settings, "clerk", backoff=QUICK)
    collecting = asyncio.create_task(collect(clerk, events))
    until = Receiver(broker.port).until
    async with bridged(broker, tmp_path, journal.session):
        await until(lambda: len(events) == 24 and clerk._known["kitchen"].replayed)
    async with bridged(broker, tmp_path, journal.session):
        write(journal, 12)
        await until(lambda: len(events) == 30)
        await until(lambda: clerk._known["kitchen"].replayed)
    collecting.cancel()
    await asyncio.wait({collecting})
    told = [(event.after.id, event.type) for event in events]
    assert len(set(told)) == len(told) == 30


async def test_more_sources_than_are_told_at_once_are_all_told(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes later asks for the past of each."""
    monkeypatch.setattr(bridge_module, "MOST_AT_ONCE", 1)
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    journals = {f"room{number}": Journal(f"ses_{number}") for number in range(6)}
    for number, journal in enumerate(journals.values()):
        journal.write(*(happened(number, change) for change in ("new", "end")))
    places, events = Places(":memory:"), list[EventMessage]()
    async with Bridge(settings, places, backoff=QUICK) as bridge:
        following = [
            asyncio.create_task(bridge.follow(journal.session, name))
            for name, journal in journals.items()
        ]
        await Receiver(broker.port).until(
            lambda: all(noted(places, journal.id) == 3 for journal in journals.values())
        )
        clerk = EventReceiver(settings, "clerk", backoff=QUICK)
        collecting = asyncio.create_task(collect(clerk, events))
        await Receiver(broker.port).until(lambda: len(events) == 12)
        for task in (collecting, *following):
            task.cancel()
        await asyncio.wait({collecting, *following})
    places.close()


CONNACK, TAKEN_OVER = b"\x20\x03\x00\x00\x00", b"\xe0\x02\x8e\x00"


async def takes_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A broker that lets somebody in, and then another of the same name in its place."""
    await reader.read(1_024)
    writer.write(CONNACK + TAKEN_OVER)
    await writer.drain()
    writer.close()


async def test_a_receiver_in_whose_place_another_is_let_in_ends() -> None:
    async with await asyncio.start_server(takes_another, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = BrokerSettings(host="127.0.0.1", port=port, prefix="es")
        with pytest.raises(TakenOver, match="another program has connected as 'clerk'"):
            await collect(EventReceiver(settings, "clerk", backoff=QUICK), [])


def noted(places: Places, session: str) -> int:
    """Of the last event that counts as told."""
    place = places.find(session)
    return place.number if place else 0


def write(journal: Journal, first: int) -> None:
    """Three events that begin and end."""
    for number in range(first, first + 3):
        journal.write(happened(number, "new"), happened(number, "end"))


async def collect(receiver: EventReceiver, into: list[EventMessage]) -> None:
    async for event in receiver:
        into.append(event)  # noqa: PERF401 - looked at while it grows


async def test_a_receiver_that_was_away_asks_for_what_it_missed(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, peer = await watched(line)
    async with bridged(broker, tmp_path, session) as bridge, receiving(broker.port) as receiver:
        await shown(line.house, session.id, peer, 14.0)
        await receiver.until(lambda: len(receiver.on("es/events")) == 2)
        first, last = receiver.json("es/events")
        await receiver.until(lambda: noted(bridge._places, session.id) >= last["number"])
        await request(receiver, "kitchen/replay", b'{"after": %d}' % first["number"], b"r")
        await receiver.until(lambda: len(by_correlation(receiver, b"r")) == 2)
        again, ok = by_correlation(receiver, b"r")
    assert (again["key"], again["type"], ok["type"]) == (last["key"], "end", "ok")


async def test_a_replay_goes_beyond_an_end_after_which_the_session_was_opened_again(
    broker: Mosquitto, tmp_path: Path
) -> None:
    journal = Journal()
    ended = wire.SessionClosed(session=journal.id, reason="the sender left")
    journal.write(happened(1, "new"), ended, wire.SessionReopened(session=info()))
    journal.write(happened(1, "end"))
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    places = Places(":memory:")
    async with receiving(broker.port) as receiver, Bridge(settings, places) as bridge:
        going_on = bridge.follow(journal.session, "kitchen", goes_on=lambda: True)
        following = asyncio.create_task(going_on)
        await receiver.until(lambda: (place := places.find("ses_1")) and place.number == 5)
        await request(receiver, "kitchen/replay", b'{"after": 1}', b"r")
        await receiver.until(lambda: answers(receiver, "ok"))
        following.cancel()
        await asyncio.wait({following})
    replayed = [one["type"] for one in by_correlation(receiver, b"r")]
    assert replayed == ["new", "end", "ok"]
    places.close()


async def test_what_a_broker_lost_is_asked_for_though_later_events_came_first() -> None:
    """The receiver's connection is new; event 3 overtook the loss of event 2."""
    known = Known(session="ses_1", number=1, replayed=True)
    known.cut()
    known.number = 3
    assert known.whole == 1
    known.cut()  # before what is missing was replayed
    assert known.whole == 1
    known.replayed = True
    known.cut()
    assert known.whole == 3


def test_an_event_up_to_which_nothing_is_missing_is_not_given_out_again() -> None:
    """Also where its key is forgotten."""
    clerk = EventReceiver(BrokerSettings(host="127.0.0.1"), "clerk")
    clerk._known["kitchen"] = Known(session="ses_1", number=9, whole=7)
    story = Story(name="kitchen", session="ses_1")
    for number, is_new in ((7, False), (8, True), (8, False)):
        _, out = tell(Topics("es"), story, number, happened(1, "new"))
        (event,) = (event_of(one.payload) for one in out if one.topic == "es/events")  # type: ignore[union-attr]
        assert event is not None
        assert clerk._is_new(event) is is_new
    assert clerk.again == 2
