"""The bridge between a real service (around a fake engine) and a real broker."""

from __future__ import annotations

from pathlib import Path

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import set_watches
from clients.mqtt.mapping import SourceState
from session import wire
from tests.clients.mqtt.bridging import bridged, devices, known, texts, watched
from tests.clients.mqtt.mosquitto import payload, receiving
from tests.clients.sdk.conftest import Line
from tests.session.api.test_watches import shown


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
    first, last = receiver.json("es/events")
    assert first["before"] is None
    assert last["before"] == first["after"]
    assert first["key"] != last["key"]
    lamps = [payload(m) for m in receiver.on("es/kitchen/watch/is-it-there-since-4-until-8/state")]
    assert lamps == [b"OFF", b"ON", b"OFF"]
    picture = receiver.on("es/kitchen/snapshot")[0]
    assert payload(picture).startswith(b"\xff\xd8")
    assert picture.properties is not None
    assert vars(picture.properties)["ContentType"] == "image/jpeg"


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
