"""The connection to an MQTT 5 broker, which comes back by itself.

Sent is what the broker has acknowledged. QoS 1 is enough for that: the sender is a reader of the
journal and sends again what was not acknowledged, and a receiver knows a message by its key. QoS 2
would not help, as a broker that is killed forgets the handshakes it was in.

The broker keeps our subscriptions, and what comes for them, for `session_s` while we are away.

Of two with one prefix the later stays. `available` bears the mark of who said it, as some brokers
(mosquitto 2.0.11) do not tell a client that another was let in in its place. Who comes back would
throw that one out in turn; so it first looks, under another name, whose mark is there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from clients.mqtt.dial import Dial, TakenOver
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import OFFLINE, ONLINE, Message
from clients.sdk.backoff import BACKOFF, Backoff
from clients.sdk.errors import EchoSieveError

log = logging.getLogger("echosieve")

CONNECT_S = 5.0  # to connect, and for an acknowledgement
LOOK_S = 0.5  # for what is retained to come
MOST_WAITING = 256  # messages that came in and are not yet taken
# What is sent to be retained says so also when it comes at once (MQTT 5, 3.8.3.1).
AS_SENT = SubscribeOptions(qos=1, retainAsPublished=True)


class BrokerUnreachable(EchoSieveError):
    """The broker is not there, or does not let us in; the text says which broker, and why."""


@dataclass(frozen=True, slots=True)
class Received:
    """What came in; `retained`: its sender wants it to be; `respond_to`, `correlation` and
    `expiry_s` (what is left of it) are the sender's too (MQTT 5, 4.10)."""

    topic: str
    payload: bytes
    retained: bool
    respond_to: str | None = None
    correlation: bytes | None = None
    expiry_s: int | None = None


@dataclass(slots=True)
class Link:
    """One connection, until it is gone."""

    client: aiomqtt.Client
    gone: asyncio.Event


class Broker:
    """Use as `async with`. `take` is given what comes in; `greeting` is sent first on every
    connection, `online` (retained) before it; `offline` is the Last Will and the farewell."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        subscriptions: Iterable[str],
        take: Callable[[Received], Awaitable[None]],
        greeting: Callable[[], Iterable[Message]] = tuple,
        backoff: Backoff = BACKOFF,
    ) -> None:
        """Raises EchoSieveError for a password or a certificate that cannot be read."""
        self.connections = 0
        self._settings = settings
        self._dial = Dial.of(settings)
        self._subscriptions = tuple(subscriptions)
        self._take = take
        self._greeting = greeting
        self._backoff = backoff
        self._mark = b"%020d" % time.time_ns()  # who has come later has a greater one
        self._marked = False  # what bears another is no longer of an earlier run
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Broker:
        """Raises BrokerUnreachable, TakenOver: what is wrong at first is for the user."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep(first), name="mqtt")
        try:
            await asyncio.wait({first, self._keeping}, return_when=asyncio.FIRST_COMPLETED)
            if self._keeping.done():
                self._keeping.result()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    @property
    def connected(self) -> bool:
        return self._link is not None

    async def ended(self) -> None:
        """Wait for what should never come: an error within, TakenOver. Raises it."""
        if self._keeping is not None:
            await asyncio.shield(self._keeping)

    async def publish(self, message: Message) -> None:
        """Returns when the broker has it (see `Message` for what is dropped instead)."""
        while message.qos or self._link:
            await self._linked.wait()
            link = self._link
            if link is not None and (await self._sent(link, message) or message.once):
                return
            if message.qos == 0:
                return

    async def _sent(self, link: Link, message: Message) -> bool:
        """Whether it was acknowledged on this connection."""
        sending = asyncio.create_task(_publish(link.client, message))
        gone = asyncio.create_task(link.gone.wait())
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            return sending.done() and sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _keep(self, first: asyncio.Future[None]) -> None:
        failures = 0
        while True:
            try:
                if self._marked:
                    await self._look()
                async with self._connected() as client:
                    if failures:
                        log.warning(
                            "the MQTT broker at %s:%d: we are back", *self._settings.address
                        )
                    failures = 0
                    if not first.done():
                        first.set_result(None)
                    async for message in client.messages:
                        await self._hear(client, received(message))
            except aiomqtt.MqttError as error:
                if not first.done():
                    raise BrokerUnreachable(self._complaint(error)) from error
                said = self._complaint(error, lost=not failures)
                failures += 1
                wait_s = self._backoff.wait_s(failures)
                log.warning("%s; back in %.1f s", said, wait_s)
                await asyncio.sleep(wait_s)

    async def _hear(self, client: aiomqtt.Client, message: Received) -> None:
        """Raises TakenOver where another has come with our prefix."""
        topics, (host, port) = self._settings.topics, self._settings.address
        if message.topic != topics.available:
            await self._take(message)
        elif (mark := message.correlation or b"") == self._mark:
            self._marked = True
        elif self._marked and message.payload == OFFLINE.encode():  # and we are not
            await _publish(client, self._availability(ONLINE))
        elif self._marked and mark > self._mark:
            happened = f"another monitor has come with the prefix {topics.prefix!r}"
            raise TakenOver(host, port, happened)

    async def _look(self) -> None:
        """Whether another came while we were away: then it is who is online. Where the broker does
        not let us look, we come back all the same. Raises TakenOver, MqttError."""
        name, topic = f"{self._settings.identifier}-looks", self._settings.topics.available
        with suppress(MqttConnectError, TimeoutError):
            async with self._dial.client(name, timeout_s=CONNECT_S, passing=True) as client:
                await client.subscribe(topic, qos=1)
                async with asyncio.timeout(LOOK_S):
                    message = received(await anext(client.messages))
                if message.payload == ONLINE.encode():
                    await self._hear(client, message)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        """A new client each time: one that is used again would send by itself what we send."""
        async with self._client() as client:
            link = Link(client, asyncio.Event())
            try:
                await self._greet(client)
                self._link = link
                self._linked.set()
                self.connections += 1
                yield client
            finally:  # however it ends: who says farewell to the broker calls off the Last Will
                self._link = None
                self._linked.clear()
                link.gone.set()
                await _publish(client, self._availability(OFFLINE))

    async def _greet(self, client: aiomqtt.Client) -> None:
        """Raises MqttError."""
        topics = (self._settings.topics.available, *self._subscriptions)
        codes = await client.subscribe([(topic, AS_SENT) for topic in topics])
        for topic, code in zip(topics, codes, strict=True):
            if getattr(code, "is_failure", False):
                raise aiomqtt.MqttError(f"does not let us read {topic} ({code})")
        await _publish_or_raise(client, self._availability(ONLINE))
        for message in self._greeting():
            await _publish_or_raise(client, message)

    def _availability(self, text: str) -> Message:
        topic = self._settings.topics.available
        return Message(
            topic, text.encode(), retain=True, content_type="text/plain", correlation=self._mark
        )

    def _client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        properties.CorrelationData = self._mark
        topic = self._settings.topics.available
        return self._dial.client(
            self._settings.identifier,
            will=aiomqtt.Will(topic, OFFLINE, qos=1, retain=True, properties=properties),
            timeout_s=CONNECT_S,
            most_waiting=MOST_WAITING,
        )

    def _complaint(self, error: aiomqtt.MqttError, *, lost: bool = False) -> str:
        """`lost`: the connection was there. Never with the password."""
        host, port = self._settings.address
        cut = f"the connection is lost ({error.__cause__ or error})"
        said = cut if lost else reason_of(error, self._settings)
        return f"the MQTT broker at {host}:{port}: {said}"


def reason_of(error: aiomqtt.MqttError, settings: BrokerSettings) -> str:
    """What happened, and what would be right where that can be told."""
    text = str(error)
    if isinstance(error, MqttConnectError):
        return f"refuses us ({text}): are mqtt.username and the password right?"
    if "CERTIFICATE_VERIFY_FAILED" in text and "mismatch" in text:
        return f"its certificate is of another host ({text}): is mqtt.host right?"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not trusted ({text}): is mqtt.ca_file right?"
    if settings.tls and settings.cert_file is None:
        return f"{text}: does a broker listen there with TLS, and without mqtt.cert_file of ours?"
    return f"{text}: does a broker listen there, and is mqtt.tls right?"


def received(message: aiomqtt.Message) -> Received:
    """What aiomqtt gives as what it means."""
    payload = message.payload if isinstance(message.payload, bytes) else b""
    properties: Any = message.properties
    return Received(
        topic=message.topic.value,
        payload=payload,
        retained=bool(message.retain),
        respond_to=getattr(properties, "ResponseTopic", None),
        correlation=getattr(properties, "CorrelationData", None),
        expiry_s=getattr(properties, "MessageExpiryInterval", None),
    )


async def _publish(client: aiomqtt.Client, message: Message) -> bool:
    """Whether the broker has it."""
    try:
        await _publish_or_raise(client, message)
    except aiomqtt.MqttError as error:
        log.info("%s was not sent: %s", message.topic, error)
        return False
    return True


async def _publish_or_raise(client: aiomqtt.Client, message: Message) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = message.content_type
    if message.correlation is not None:
        properties.CorrelationData = message.correlation
    await client.publish(
        message.topic,
        message.payload,
        qos=message.qos,
        retain=message.retain,
        properties=properties,
    )
