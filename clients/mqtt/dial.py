"""How a broker is reached: everything that each of its clients says when it connects."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from clients.mqtt.settings import BrokerSettings, password_of, tls_context


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
    ) -> aiomqtt.Client:
        """One that the broker keeps messages for while it is away (MQTT 5, 3.1.2.11.2)."""
        host, port = self.settings.address
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self.settings.session_s
        return aiomqtt.Client(
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
