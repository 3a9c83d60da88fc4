"""How a broker is reached: everything that each of its clients says when it connects."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from typing import Any, Self

import aiomqtt
import paho.mqtt.client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from clients.mqtt.settings import BrokerSettings, password_of, tls_context

log = logging.getLogger("echosieve")


class Client(aiomqtt.Client):
    """One that does not keep to itself what a broker refuses (PUBACK, MQTT 5, 3.4.2.1): aiomqtt
    takes it for an acknowledgement."""

    _refused: ReasonCode | None = None

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
    ) -> Client:
        """One that the broker keeps messages for while it is away (MQTT 5, 3.1.2.11.2)."""
        host, port = self.settings.address
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self.settings.session_s
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
