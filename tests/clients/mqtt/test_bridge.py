"""The bridge between a real service (around a fake engine) and a real broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Unpack

import pytest
from aiomqtt.client import Properties

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import Bridge, set_watches
from clients.mqtt.broker import Broker, BrokerUnreachable, Received
from clients.mqtt.mapping import EventMessage, SourceState
from clients.mqtt.places import Places
from clients.mqtt.receiver import EventReceiver, Known
from clients.mqtt.replies import Reply
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import Message
from clients.sdk import Backoff, Session
from clients.sdk.session import Settings
from session import wire
from tests.clients.mqtt.mosquitto import Receiver, mosquitto, payload, receiving
from tests.clients.mqtt.recorded import Journal, happened, info
from tests.clients.sdk.conftest import Line, served
from tests.session.api.test_watches import SEEN_FROM_4_TO_8, shown
from tests.session.fakes import FakePeer

QUICK = Backoff(first_s=0.02, most_s=0.1)
PUBLISH = 3


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as line:
        yield line
    assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def bridged(broker: Mosquitto, folder: Path, session: Session) -> AsyncIterator[Bridge]:
    """A bridge that follows a session as `kitchen`."""
    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    places = Places(folder / "places.db")
    try:
        async with Bridge(settings, places, stats_s=0.05, backoff=QUICK) as bridge:
            following = asyncio.create_task(bridge.follow(session, "kitchen"))
            try:
                yield bridge
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
    finally:
        places.close()


async def watched(line: Line) -> tuple[Session, FakePeer]:
    session, peer = await line.join()
    await session.watches.create(SEEN_FROM_4_TO_8, snapshot=True)
    return session, peer


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


def texts(receiver: Receiver, topic: str) -> list[bytes]:
    return [payload(message) for message in receiver.on(f"es/kitchen/{topic}")]


def devices(receiver: Receiver) -> list[dict[str, dict[str, str]]]:
    return [one["cmps"] for one in receiver.json("homeassistant/device/es_kitchen/config")]


async def test_home_assistant_is_told_again_when_it_starts(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await receiver.until(lambda: devices(receiver))
        before = len(devices(receiver))
        await (await receiver.connected()).publish("homeassistant/status", "online", qos=1)
        await receiver.until(lambda: len(devices(receiver)) > before)


async def test_a_question_is_answered_in_pieces_under_its_correlation(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await ask(receiver, b"what do you see?", b"first")
        await ask(receiver, json.dumps({"question": "and now?"}).encode(), b"second")
        await receiver.until(lambda: len(answers(receiver, "done")) == 2)
    for correlation, question in ((b"first", "what do you see?"), (b"second", "and now?")):
        replies = by_correlation(receiver, correlation)
        text = "".join(one["delta"] for one in replies if one["type"] == "delta")
        assert text == replies[-1]["answer"]["text"]
        assert replies[-1]["answer"]["question"] == question
        assert len(replies) > 2


async def test_a_question_whose_time_is_up_is_given_up(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    question = wire.AskRequest(question="tell slowly", max_tokens=256)
    async with bridged(broker, tmp_path, session) as bridge, receiving(broker.port) as receiver:
        await Reply(bridge._broker, "answers/me", b"late", expiry_s=0.05).answer(session, question)
        await receiver.until(lambda: answers(receiver, "error"))
        assert answers(receiver, "error")[0]["error"]["type"] == "expired"
        await receiver.until(lambda: not line.house.engine.branches)


NO_REQUESTS = [
    ("kitchen/ask", b"", "question_empty"),
    ("kitchen/ask", b"{not json", "malformed"),
    ("kitchen/ask", b"\xff\xfe", "malformed"),
    ("kitchen/ask", b"x" * 70_000, "malformed"),
    ("kitchen/retention/set", b"many", "malformed"),
    ("kitchen/watches/set", b'[{"threshold": 0.5}]', "malformed"),
    ("kitchen/instruction/set", b"this is too long", "setting_invalid"),
    ("kitchen/replay", b"yesterday", "malformed"),
    ("cellar/ask", b"who is there?", "session_unknown"),
]


async def test_what_is_no_request_is_answered_with_what_is_wrong(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        for place, (topic, sent, _) in enumerate(NO_REQUESTS):
            await request(receiver, topic, sent, bytes([place]))
            await receiver.until(lambda place=place: by_correlation(receiver, bytes([place])))
        await ask(receiver, b"still there?", b"after")
        await receiver.until(lambda: answers(receiver, "done"))
    for place, (_, _, said) in enumerate(NO_REQUESTS):
        (reply,) = by_correlation(receiver, bytes([place]))
        assert (reply["error"]["type"], bool(reply["error"]["message"])) == (said, True)


async def test_settings_are_made_and_shown(line: Line, broker: Mosquitto, tmp_path: Path) -> None:
    session, _ = await line.join()
    await session.watches.create("is it there since 0")
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/instruction/set", b"watch the door", b"1")
        await request(receiver, "kitchen/retention/set", b"0.1", b"2")
        wanted = json.dumps([{"query": "is it there since 2", "threshold": 0.8}]).encode()
        await request(receiver, "kitchen/watches/set", wanted, b"3")
        await receiver.until(lambda: len(answers(receiver, "ok")) == 3)
        await receiver.until(lambda: b"watch the door" in texts(receiver, "instruction/state"))
        await receiver.until(lambda: b"0.1" in texts(receiver, "retention/state"))
        (watch,) = await session.watches.list()
    assert (watch.query, watch.threshold) == ("is it there since 2", 0.8)


async def test_what_was_set_last_stands_last(
    line: Line, broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the service takes longer for what was sent first."""
    session, _ = await line.join()
    update, made = session.update, list[str | None]()

    async def slowly(**settings: Unpack[Settings]) -> wire.Session:
        if settings.get("instruction") == "first":
            await asyncio.sleep(0.2)
        made.append(settings.get("instruction"))
        return await update(**settings)

    monkeypatch.setattr(session, "update", slowly)
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/instruction/set", b"first", b"1")
        await request(receiver, "kitchen/instruction/set", b"last", b"2")
        await receiver.until(lambda: len(answers(receiver, "ok")) == 2)
    assert made == ["first", "last"]


async def test_exactly_the_watches_that_are_wanted_stand(line: Line) -> None:
    session, _ = await line.join()
    for _ in range(2):
        await session.watches.create("is it there since 0", threshold=0.9, cooldown_s=60.0)
    await set_watches(session, [wire.WatchCreate(query="is it there since 0", cooldown_s=5.0)])
    (watch,) = await session.watches.list()
    assert (watch.threshold, watch.cooldown_s) == (0.6, 5.0)


async def test_counters_are_wanted_beside_events_of_the_same_words(line: Line) -> None:
    session, _ = await line.join()
    wanted = [
        wire.WatchCreate(query="windows", kind="count", threshold=0.7),
        wire.WatchCreate(query="windows"),
    ]
    for _ in range(2):
        await set_watches(session, wanted)
    standing = {watch.kind: watch.threshold for watch in await session.watches.list()}
    assert standing == {"count": 0.7, "event": 0.6}


async def test_answers_do_not_go_where_something_is_commanded(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/ask", b"hello?", b"c", to="es/kitchen/instruction/set")
        await receiver.until(lambda: receiver.on("es/kitchen/replies"))
        assert (await session.refresh()).instruction is None


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


def write(journal: Journal, first: int) -> None:
    """Three events that begin and end."""
    for number in range(first, first + 3):
        journal.write(happened(number, "new"), happened(number, "end"))


async def collect(receiver: EventReceiver, into: list[EventMessage]) -> None:
    async for event in receiver:
        into.append(event)  # noqa: PERF401 - looked at while it grows


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


async def test_a_receiver_that_was_away_asks_for_what_it_missed(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, peer = await watched(line)
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await shown(line.house, session.id, peer, 14.0)
        await receiver.until(lambda: len(receiver.on("es/events")) == 2)
        first, last = receiver.json("es/events")
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


async def test_a_broker_that_is_not_there_or_refuses_is_told_at_once(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        await broker.listening()
        wrong = BrokerSettings(
            host="127.0.0.1", port=broker.port, username="me", password_file=secret
        )
        with pytest.raises(BrokerUnreachable, match=r"refuses us .*username") as raised:
            await entered(wrong)
        assert "hush" not in str(raised.value)
    with pytest.raises(BrokerUnreachable, match="does a broker listen there"):
        await entered(BrokerSettings(host="127.0.0.1", port=broker.port))


async def entered(settings: BrokerSettings) -> None:
    places = Places(":memory:")
    try:
        async with Bridge(settings, places):
            pass
    finally:
        places.close()


async def test_a_message_that_the_broker_refuses_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rules").write_text("topic read #\n")
    lines = ("allow_anonymous true", f"acl_file {tmp_path}/rules")
    with mosquitto(tmp_path, *lines) as broker:
        await broker.listening()
        await entered(BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es"))
    (said,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert "its access list must let echosieve-es write" in said


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


async def test_who_stops_while_greeting_is_not_left_online(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    greeting = asyncio.Event()

    def greet() -> Iterator[Message]:
        while True:
            yield Message("es/hello", b"hello")
            greeting.set()

    await broker.listening()
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, prefix="es")
    one = Broker(settings, subscriptions=(), take=never, greeting=greet)
    entering = asyncio.create_task(one.__aenter__())
    await greeting.wait()
    entering.cancel()
    await asyncio.wait({entering})
    async with receiving(broker.port) as receiver:
        await receiver.until(lambda: receiver.on("es/available"))
        assert payload(receiver.on("es/available")[-1]) == b"offline"


async def never(_: Received) -> None:
    raise AssertionError("nothing comes")


# --- What a receiver does -------------------------------------------------------------------------


async def known(receiver: Receiver) -> None:
    """Wait until the session is there."""
    await receiver.until(lambda: receiver.on("es/kitchen/state"))


async def ask(receiver: Receiver, question: bytes, correlation: bytes) -> None:
    await request(receiver, "kitchen/ask", question, correlation)


async def request(
    receiver: Receiver, topic: str, sent: bytes, correlation: bytes, *, to: str = "answers/me"
) -> None:
    properties = Properties(PUBLISH)
    properties.ResponseTopic = to
    properties.CorrelationData = correlation
    client = await receiver.connected()
    await client.publish(f"es/{topic}", sent, qos=1, properties=properties)


def by_correlation(receiver: Receiver, correlation: bytes) -> list[dict[str, dict[str, str]]]:
    return [
        json.loads(payload(message))
        for message in receiver.on("answers/me")
        if vars(message.properties).get("CorrelationData") == correlation
    ]


def answers(receiver: Receiver, type: str) -> list[dict[str, dict[str, str]]]:
    return [reply for reply in receiver.json("answers/me") if reply["type"] == type]
