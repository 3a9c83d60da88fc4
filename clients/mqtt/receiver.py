"""The other end: the events that a bridge tells of, each once, over restarts of everything between.

    async for event in EventReceiver(BrokerSettings(host="broker"), "my-logger"):
        print(event.type, event.name, event.after.query)

A broker that is killed can lose what it had acknowledged, and a bridge that is killed tells again
what it had not noted. So whenever the bridge says `online`, what came after the last number is
asked for, and what was there already is dropped by its key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import BaseModel, TypeAdapter, ValidationError

from clients.mqtt.dial import Dial
from clients.mqtt.mapping import EventMessage
from clients.mqtt.replaying import Replays
from clients.mqtt.replies import ErrorReply, OkReply
from clients.mqtt.requests import Replay
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import ONLINE
from clients.sdk.backoff import BACKOFF, Backoff
from session import wire

log = logging.getLogger("echosieve")

MOST_KEYS = 8_192
FOR_GOOD = frozenset({"forbidden", "malformed", "retained"})  # refused today as tomorrow
_END: TypeAdapter[OkReply | ErrorReply] = TypeAdapter(OkReply | ErrorReply)


class Known(BaseModel):
    """How far a session's events have come: `number` is the highest, `whole` that up to which none
    is missing. On a new connection an event can come before those that a broker lost; so `whole`
    goes on with what is replayed, and to the highest only behind a connection on which all that was
    missing was `replayed`."""

    session: str
    number: int = 0
    whole: int = 0
    replayed: bool = False

    def cut(self) -> None:
        """The connection is another, or the bridge's is."""
        if self.replayed:
            self.whole = self.number
        self.replayed = False


class EventReceiver:
    """Iterate over it. `again` counts the messages that came more than once."""

    def __init__(
        self, settings: BrokerSettings, identifier: str, *, backoff: Backoff = BACKOFF
    ) -> None:
        """`identifier`: of this receiver, the same whenever it comes back; a broker knows it by it.
        Raises EchoSieveError for a password or a certificate that cannot be read."""
        self.again = 0
        self._settings = settings
        self._dial = Dial.of(settings)
        self._identifier = identifier
        self._backoff = backoff
        self._known: dict[str, Known] = {}  # by name
        self._keys: set[str] = set()
        self._order: deque[str] = deque()

    async def __aiter__(self) -> AsyncGenerator[EventMessage]:
        """Every event of the sessions there are, from their first on. Does not end.
        Raises TakenOver."""
        failures = 0
        while True:
            try:
                async with (
                    self._dial.client(self._identifier) as client,
                    beside(Replays(partial(self._ask, client), self._backoff)) as replays,
                ):
                    failures = 0
                    for known in self._known.values():
                        known.cut()
                    await self._subscribe(client)
                    async for message in client.messages:
                        if event := self._take(replays, message):
                            yield event
            except aiomqtt.MqttError as error:
                failures += 1
                wait_s = self._backoff.wait_s(failures)
                log.info("the broker is gone: %s; back in %.1f s", error, wait_s)
                await asyncio.sleep(wait_s)

    @property
    def _replies(self) -> str:
        return f"{self._identifier}/replayed"

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        topics = self._settings.topics
        for topic in (self._replies, topics.events, topics.of("+", "state"), topics.available):
            await client.subscribe(topic, qos=1)

    def _take(self, replays: Replays, message: aiomqtt.Message) -> EventMessage | None:
        """An event that was not there before."""
        topic, payload = message.topic.value, message.payload
        if topic == self._settings.topics.available:
            if payload == ONLINE.encode():
                for name, known in self._known.items():
                    known.cut()
                    if not (message.retain and replays.has_begun(name)):  # it was there before us
                        replays.want(name)
            return None
        if topic.endswith("/state"):
            self._learn(replays, topic.split("/")[-2], payload)
            return None
        asked = getattr(message.properties, "CorrelationData", b"").decode(errors="replace")
        name, _, session = asked.partition("/")
        asked_of = self._known.get(name)
        if topic == self._replies and asked_of is not None and asked_of.session == session:
            return self._replayed(replays, name, payload)
        event = event_of(payload)
        return event if event is not None and self._is_new(event) else None

    def _replayed(self, replays: Replays, name: str, payload: Any) -> EventMessage | None:
        """A piece of what was asked for, or its end."""
        if isinstance(end := end_of(payload), OkReply):
            replays.ends(name, again=False)
            self._known[name].replayed = True
        elif end is not None:
            replays.ends(name, again=end.error.type not in FOR_GOOD)
        elif (event := event_of(payload)) is not None:
            replays.goes_on(name)
            is_new, known = self._is_new(event), self._known_of(event)
            if known is not None and event.number is not None:
                known.whole = max(known.whole, event.number)
            return event if is_new else None
        return None

    def _learn(self, replays: Replays, name: str, payload: Any) -> None:
        """A session there is; what it told before is asked for."""
        try:
            session = wire.Session.model_validate_json(payload).id
        except ValidationError:
            return  # of another program
        if name not in self._known or self._known[name].session != session:
            self._known[name] = Known(session=session)
            replays.want(name)

    async def _ask(self, client: aiomqtt.Client, name: str) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = self._replies
        known = self._known[name]
        properties.CorrelationData = f"{name}/{known.session}".encode()
        replay = Replay(after=known.whole).model_dump_json()
        topic = self._settings.topics.of(name, "replay")
        await client.publish(topic, replay, qos=1, properties=properties)

    def _is_new(self, event: EventMessage) -> bool:
        known, number = self._known_of(event), event.number
        came = known is not None and number is not None and number <= known.whole
        if came or event.key in self._keys:
            self.again += 1
            return False
        self._remember(event.key)
        if known is not None and number is not None:
            known.number = max(known.number, number)
        return True

    def _known_of(self, event: EventMessage) -> Known | None:
        known = self._known.get(event.name)
        return known if known is not None and known.session == event.session else None

    def _remember(self, key: str) -> None:
        self._keys.add(key)
        self._order.append(key)
        if len(self._order) > MOST_KEYS:
            self._keys.discard(self._order.popleft())


def event_of(payload: Any) -> EventMessage | None:
    """None where it is of another program."""
    try:
        return EventMessage.model_validate_json(payload)
    except ValidationError:
        return None


def end_of(payload: Any) -> OkReply | ErrorReply | None:
    """Of a replay; None where this is a piece of it."""
    try:
        return _END.validate_json(payload)
    except ValidationError:
        return None


@asynccontextmanager
async def beside(replays: Replays) -> AsyncIterator[Replays]:
    running = asyncio.create_task(replays.run())
    try:
        yield replays
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
