"""The bridge between a real service (around a fake engine) and a real broker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import Bridge
from clients.mqtt.broker import Broker
from clients.mqtt.mapping import SourceState, Story
from clients.mqtt.places import Places
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import Message
from session import wire
from tests.clients.mqtt.bridging import bridged, devices, known, texts, watched
from tests.clients.mqtt.mosquitto import Receiver, payload, receiving
from tests.clients.mqtt.recorded import Journal, happened, info
from tests.clients.sdk.conftest import Line
from tests.clients.sdk.test_restarts import attach
from tests.session.api.test_watches import SEEN_FROM_4_TO_8, shown
from tests.session.fakes import eventually


async def test_an_event_is_told_with_an_alert_a_lamp_and_a_picture(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, peer = await watched(line)
    await broker.listening()
    async with receiving(broker.port) as receiver, bridged(broker, tmp_path, session):
        await shown(line.house, session.id, peer, 14.0)
        await receiver.until(lambda: len(receiver.on("es/alerts")) == 2)
        await receiver.until(lambda: receiver.on("es/kitchen/snapshot"))
        await receiver.until(lambda: len(receiver.on("es/kitchen/watch/+/state")) == 3)
    new, end = receiver.json("es/alerts")
    assert (new["type"], end["type"], end["ended_s"]) == ("new", "end", 8.0)
    assert (new["name"], new["session"], new["query"]) == ("kitchen", session.id, SEEN_FROM_4_TO_8)
    first, last = receiver.json("es/events")
    assert first["after"]["id"] == new["key"].partition("/")[0]
    assert first["before"] is None
    assert last["before"] == first["after"]
    assert first["key"] != last["key"]
    lamps = [payload(m) for m in receiver.on("es/kitchen/watch/is-it-there-since-4-until-8/state")]
    assert lamps == [b"OFF", b"ON", b"OFF"]
    picture = receiver.on("es/kitchen/snapshot")[0]
    assert payload(picture).startswith(b"\xff\xd8")
    assert picture.properties is not None
    assert vars(picture.properties)["ContentType"] == "image/jpeg"
    kept = await line.house.http.get(first["after"]["snapshot"])
    assert payload(picture) == kept.content
    async with receiving(broker.port) as later:
        await later.until(lambda: later.on("es/kitchen/snapshot"))
        assert payload(later.on("es/kitchen/snapshot")[0]) == kept.content


async def test_who_comes_later_finds_the_state_the_settings_and_the_device(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await watched(line)
    await session.update(instruction="watch the lid")
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await receiver.until(lambda: receiver.json("es/kitchen/watches/state"))
        await receiver.until(lambda: b"watch the lid" in texts(receiver, "instruction/state"))
        assert b"online" in [payload(m) for m in receiver.on("es/available")]
        assert receiver.json("es/kitchen/state")[-1]["id"] == session.id
        await receiver.until(lambda: devices(receiver) and len(devices(receiver)[-1]) == 6)
        await receiver.until(lambda: receiver.on("es/stats"))
    lamp = devices(receiver)[-1]["watch_is-it-there-since-4-until-8"]
    assert lamp["p"] == "binary_sensor"
    assert lamp["stat_t"] == "es/kitchen/watch/is-it-there-since-4-until-8/state"


async def test_home_assistant_is_told_again_when_it_starts(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await receiver.until(lambda: devices(receiver))
        before = len(devices(receiver))
        await (await receiver.connected()).publish("homeassistant/status", "online", qos=1)
        await receiver.until(lambda: len(devices(receiver)) > before)


async def test_a_bridge_that_starts_anew_goes_on_where_it_was(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, peer = await watched(line)
    await broker.listening()
    async with receiving(broker.port) as receiver:
        async with bridged(broker, tmp_path, session):
            await shown(line.house, session.id, peer, 6.0)
            await receiver.until(lambda: len(receiver.on("es/alerts")) == 1)
        await receiver.until(lambda: payload(receiver.on("es/available")[-1]) == b"offline")
        await shown(line.house, session.id, peer, 14.0)
        async with bridged(broker, tmp_path, session):
            await receiver.until(lambda: len(receiver.on("es/alerts")) == 2)
            await receiver.until(lambda: len(receiver.on("es/events")) == 2)
    assert [one["type"] for one in receiver.json("es/alerts")] == ["new", "end"]
    assert receiver.json("es/events")[1]["before"]["ended_s"] is None


async def test_the_last_will_says_offline_when_the_bridge_is_cut_off(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session) as bridge, receiving(broker.port) as receiver:
        await known(receiver)
        link = bridge._broker._link
        assert link is not None
        link.client._client.socket().shutdown(2)  # type: ignore[union-attr]
        await receiver.until(lambda: payload(receiver.on("es/available")[-1]) == b"offline")
        await receiver.until(lambda: payload(receiver.on("es/available")[-1]) == b"online")


async def test_a_broker_that_forgot_what_was_retained_is_told_it_again(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await watched(line)
    async with bridged(broker, tmp_path, session) as bridge:
        bridge.turn("kitchen", SourceState(status="up", since=0.0))
        async with receiving(broker.port) as receiver:
            await receiver.until(lambda: receiver.on("es/kitchen/source"))
            await receiver.until(lambda: receiver.on("es/kitchen/watch/+/state"))
        broker.kill()
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        broker.start()
        await broker.listening()
        async with receiving(broker.port) as receiver:
            for topic in ("state", "source", "watches/state", "retention/state", "watch/+/state"):
                await receiver.until(lambda topic=topic: receiver.on(f"es/kitchen/{topic}"))
        assert bridge._broker.connections == 2


# --- What is retained is the newest ---------------------------------------------------------------


async def test_a_session_that_was_opened_again_is_told_as_live_by_a_bridge_that_comes_after(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    await session.close()
    await attach(line.house, session.id)
    await broker.listening()
    async with receiving(broker.port) as receiver, bridged(broker, tmp_path, session):
        await receiver.until(lambda: len(states(receiver)) == 5)
    course = [state for _, state in states(receiver)]
    assert course == ["connecting", "live", "ended", "connecting", "live"]
    assert (await session.refresh()).state == "live"


async def test_what_a_broker_forgot_while_the_bridge_was_away_is_told_again(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await watched(line)
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await receiver.until(lambda: receiver.on("es/kitchen/watch/+/state"))
        await receiver.until(lambda: states(receiver)[-1][1] == "live")
    broker.kill()
    (tmp_path / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    await broker.listening()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        for topic in ("state", "watches/state", "retention/state", "watch/+/state"):
            await receiver.until(lambda topic=topic: receiver.on(f"es/kitchen/{topic}"))
        await receiver.until(lambda: devices(receiver))
        assert states(receiver) == [(session.id, "live")]


async def test_what_is_told_late_of_an_earlier_session_of_the_name_does_not_stand_for_the_new_one(
    broker: Mosquitto,
) -> None:
    """The broker was away while one meeting ended and the next began."""
    earlier, later = Journal("ses_1"), Journal("ses_2")
    earlier.write(happened(1, "new"))
    await broker.listening()
    places = Places(":memory:")
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    async with Bridge(settings, places) as bridge:
        following = [asyncio.create_task(bridge.follow(earlier.session, "kitchen"))]
        await eventually(lambda: number(places, "ses_1") == 2)
        following.append(asyncio.create_task(bridge.follow(later.session, "kitchen")))
        await eventually(lambda: number(places, "ses_2") == 1)
        ended = wire.SessionClosed(session="ses_1", reason="the sender left")
        earlier.write(happened(1, "end"), ended)
        await following[0]
        following[1].cancel()
        await asyncio.wait(following)
    assert number(places, "ses_1") == 4
    async with receiving(broker.port) as receiver:
        await known(receiver)
        await receiver.until(lambda: receiver.on("es/kitchen/watch/+/state"))
    assert states(receiver) == [("ses_2", "live")]
    assert texts(receiver, "watch/a-red-circle-appears/state") == [b"OFF"]
    places.close()


class Slow:
    """A broker whose first acknowledgement comes when the others have come."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self._begun = False

    async def publish(self, message: Message) -> None:
        first, self._begun = not self._begun, True
        for _ in range(100 if first else 0):
            await asyncio.sleep(0)  # the others go on meanwhile
        self.sent.append(message)


async def test_nothing_that_is_retained_is_overtaken_by_what_came_before_it() -> None:
    settings = BrokerSettings(host="127.0.0.1", prefix="es")
    places, slow = Places(":memory:"), Slow()
    bridge = Bridge(settings, places)
    bridge._broker = cast(Broker, slow)
    journals = [Journal("ses_1"), Journal("ses_2")]
    for journal in journals:
        journal.write(wire.SessionClosed(session=journal.id, reason="the sender left"))
    await asyncio.gather(*(bridge.follow(one.session, "kitchen") for one in journals))
    told = [json.loads(one.payload) for one in slow.sent if one.topic == "es/kitchen/state"]
    assert [(one["id"], one["state"]) for one in told][-2:] == [
        ("ses_2", "live"),
        ("ses_2", "ended"),
    ]
    places.close()


def test_a_session_that_comes_while_a_broker_is_greeted_is_no_trouble() -> None:
    settings = BrokerSettings(host="127.0.0.1", prefix="es")
    places = Places(":memory:")
    bridge = Bridge(settings, places)
    bridge._stories["kitchen"] = Story(name="kitchen", session="ses_1", info=info())
    bridge.turn("kitchen", SourceState(status="up", since=0.0))
    greeting = iter(bridge._retained())
    next(greeting)
    bridge._stories["cellar"] = Story(name="cellar", session="ses_2", info=info())
    told = {message.topic for message in greeting}
    assert {"es/kitchen/state", "es/kitchen/source"} <= told
    places.close()


def states(receiver: Receiver) -> list[tuple[str, str]]:
    """The sessions that went by the name, as they were told."""
    return [(told["id"], told["state"]) for told in receiver.json("es/kitchen/state")]


def number(places: Places, session: str) -> int:
    """Of the last event that was told."""
    place = places.find(session)
    return place.number if place else 0
