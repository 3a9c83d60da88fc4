"""Bridges, and receivers that ask them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiomqtt.client import Properties

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.bridge import Bridge
from clients.mqtt.places import Places
from clients.mqtt.settings import BrokerSettings
from clients.sdk import Backoff, Session
from tests.clients.mqtt.mosquitto import Receiver, payload
from tests.clients.sdk.conftest import Line
from tests.session.api.test_watches import SEEN_FROM_4_TO_8
from tests.session.fakes import FakePeer

QUICK = Backoff(first_s=0.02, most_s=0.1)
PUBLISH = 3


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


def texts(receiver: Receiver, topic: str) -> list[bytes]:
    return [payload(message) for message in receiver.on(f"es/kitchen/{topic}")]


def devices(receiver: Receiver) -> list[dict[str, dict[str, str]]]:
    return [one["cmps"] for one in receiver.json("homeassistant/device/es_kitchen/config")]


async def known(receiver: Receiver) -> None:
    """Wait until the session is there."""
    await receiver.until(lambda: receiver.on("es/kitchen/state"))


async def ask(receiver: Receiver, question: bytes, correlation: bytes) -> None:
    await request(receiver, "kitchen/ask", question, correlation)


async def request(
    receiver: Receiver,
    topic: str,
    sent: bytes,
    correlation: bytes,
    *,
    to: str = "answers/me",
    retain: bool = False,
) -> None:
    properties = Properties(PUBLISH)
    properties.ResponseTopic = to
    properties.CorrelationData = correlation
    client = await receiver.connected()
    await client.publish(f"es/{topic}", sent, qos=1, retain=retain, properties=properties)


def by_correlation(receiver: Receiver, correlation: bytes) -> list[dict[str, dict[str, str]]]:
    return [
        json.loads(payload(message))
        for message in receiver.on("answers/me")
        if vars(message.properties).get("CorrelationData") == correlation
    ]


def answers(receiver: Receiver, type: str) -> list[dict[str, dict[str, str]]]:
    return [reply for reply in receiver.json("answers/me") if reply["type"] == type]
