"""How a broker is reached: everything that each of its clients says when it connects."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiomqtt
import paho.mqtt.client
from aiomqtt.types import PahoSocket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from clients.mqtt.settings import BrokerSettings, password_of, tls_context
from clients.sdk.errors import EchoSieveError

log = logging.getLogger("echosieve")

TAKEN_OVER = 0x8E  # the reason a broker gives (MQTT 5, 3.14.2.1)


class TakenOver(EchoSieveError):
    """Another program has come to the broker under the same name; the text says what to change. To
    connect again would throw that one out, and so on for ever."""

    def __init__(self, host: str, port: int, happened: str) -> None:
        super().__init__(
            f"the MQTT broker at {host}:{port}: {happened}: stop one of the two, or let it go by "
            "another name (a monitor by another mqtt.prefix, and mqtt.client_id where it is given; "
            "a receiver by another identifier)"
        )


class Client(aiomqtt.Client):
    """One that does not keep to itself what a broker refuses (PUBACK, MQTT 5, 3.4.2.1): aiomqtt
    takes it for an acknowledgement. Leaving it raises TakenOver where that is how it was lost."""

    _refused: ReasonCode | None = None
    _taken_over = False

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if self._taken_over and isinstance(error, aiomqtt.MqttError):
            happened = f"another program has connected as {self.identifier!r}"
            raise TakenOver(self._hostname, self._port, happened) from error

    def _on_disconnect(
        self,
        client: paho.mqtt.client.Client,
        userdata: Any,
        flags: paho.mqtt.client.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._taken_over = self._taken_over or reason_code.value == TAKEN_OVER
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(
        self, client: paho.mqtt.client.Client, userdata: Any, sock: PahoSocket
    ) -> None:
        """The loop comes to it later, when the socket may be closed, or its number be another's:
        aiomqtt does not look."""

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # however it fails, the connection is lost
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if (number := sock.fileno()) >= 0:
                self._loop.add_writer(number, write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(  # what paho-mqtt calls with a PUBACK
        self,
        client: paho.mqtt.client.Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        if reason_code.is_failure and self._refused is None:  # told once a connection
            self._refused = reason_code
            log.error(
                "the MQTT broker refuses what we tell (%s): its access list must let %s write",
                reason_code,
                self.identifier,
            )
        super()._on_publish(client, userdata, mid, reason_code, properties)


@dataclass(frozen=True, slots=True)
class Dial:
    """Settings with the secrets that they name."""

    settings: BrokerSettings
    password: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, settings: BrokerSettings) -> Self:
        """Raises EchoSieveError for a password or a certificate that cannot be read."""
        return cls(settings, password_of(settings), tls_context(settings))

    def client(
        self,
        identifier: str,
        *,
        will: aiomqtt.Will | None = None,
        timeout_s: float | None = None,
        most_waiting: int | None = None,
        passing: bool = False,
    ) -> Client:
        """One that the broker keeps messages for while it is away (MQTT 5, 3.1.2.11.2), unless
        it is `passing`."""
        host, port = self.settings.address
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if passing else self.settings.session_s
        return Client(
            host,
            port,
            identifier=identifier,
            username=self.settings.username,
            password=self.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            will=will,
            tls_context=self.tls,
            keepalive=self.settings.keepalive_s,
            timeout=timeout_s,
            max_queued_incoming_messages=most_waiting,
        )
