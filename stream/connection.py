"""What every connection needs beyond what aiortc 1.16 and aioice 0.13 do, sending or receiving."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from typing import Any, Literal

from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.rtp import RtcpSrPacket

log = logging.getLogger(__name__)

_PEER_REFLEXIVE_PRIORITY = 110 << 24 | 65535 << 8 | 255  # RFC 8445, section 5.1.2.1

Loopback = Literal["auto", "always", "never"]


def mangled(owner: object, name: str) -> str:
    """The attribute that the code of ``owner``'s class calls ``name``, with ``__`` or without."""
    return f"_{type(owner).__name__}{name}" if name.startswith("__") else name


def private(owner: object, name: str) -> Any:
    """A private attribute of one of aiortc's objects."""
    return getattr(owner, mangled(owner, name))


def set_private(owner: object, name: str, value: object) -> None:
    """Replaces a private attribute of one of aiortc's objects."""
    setattr(owner, mangled(owner, name), value)


def prepare_ice(connection: RTCPeerConnection, loopback: Loopback) -> None:
    """Two repairs to the ICE transports of a connection, before it gathers its candidates.

    aioice never offers 127.0.0.1: it is added where there is no other address ("auto"), or always.
    And it needs every STUN request to have a PRIORITY, which not all senders write.
    """
    for transport in _ice_transports(connection):
        agent = private(transport, "_connection")
        _offer_loopback(agent, loopback)
        _tolerate_missing_priority(agent)


def _ice_transports(connection: RTCPeerConnection) -> list[Any]:
    dtls = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        dtls.append(connection.sctp.transport)
    return list({id(transport.transport): transport.transport for transport in dtls}.values())


def _offer_loopback(agent: Any, loopback: Loopback) -> None:
    gather = agent.get_component_candidates

    async def with_loopback(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109
        usable = [a for a in addresses if not ipaddress.ip_address(a).is_loopback]
        if loopback == "always" or (loopback == "auto" and not usable):
            usable = [*usable, "127.0.0.1"]
        return await gather(component=component, addresses=usable, timeout=timeout)

    agent.get_component_candidates = with_loopback


def _tolerate_missing_priority(agent: Any) -> None:
    check = agent.check_incoming

    def with_priority(message: Any, addr: tuple[str, int], protocol: Any) -> None:
        message.attributes.setdefault("PRIORITY", _PEER_REFLEXIVE_PRIORITY)
        check(message, addr, protocol)

    agent.check_incoming = with_priority


async def close_connection(connection: RTCPeerConnection, patience_s: float = 3.0) -> None:
    """Closes a connection for certain. aiortc's own close can fail or hang half way when the other
    side has sent nonsense; then its parts are stopped one by one."""
    try:
        await asyncio.wait_for(connection.close(), patience_s)
    except Exception as error:
        log.warning("closing a connection failed (%r); stopping its parts", error)
        await _stop_parts(connection, patience_s)


async def _stop_parts(connection: RTCPeerConnection, patience_s: float) -> None:
    parts: list[Any] = []
    for transceiver in connection.getTransceivers():
        parts += [transceiver.sender, transceiver.receiver, transceiver.receiver.transport]
    if connection.sctp is not None:
        parts += [connection.sctp, connection.sctp.transport]
    for part in [*parts, *_ice_transports(connection)]:
        try:
            await asyncio.wait_for(part.stop(), patience_s)
        except Exception as error:
            log.warning("could not stop %s: %r", type(part).__name__, error)


def report_capture_times(sender: RTCRtpSender, captured_s: Callable[[int], float]) -> None:
    """Makes the sender reports of a track tell when its media was captured.

    aiortc writes when it was sent, which is later by the time that encoding took, and differently
    so for sound and pictures. ``captured_s`` gives the Unix time of capture of a time stamp, in the
    units of the RTP clock and as the encoder was given it. RFC 3550, section 6.4.1.
    """
    encode, send = private(sender, "_next_encoded_frame"), private(sender, "_send_rtcp")
    newest = 0

    async def next_encoded_frame(codec: Any) -> Any:
        nonlocal newest
        encoded = await encode(codec)
        if encoded is not None:
            newest = encoded.timestamp
        return encoded

    async def send_rtcp(packets: list[Any]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and packet.sender_info.ntp_timestamp:
                packet.sender_info.ntp_timestamp = _ntp(captured_s(newest))
        await send(packets)

    set_private(sender, "_next_encoded_frame", next_encoded_frame)
    set_private(sender, "_send_rtcp", send_rtcp)


def _ntp(unix_s: float) -> int:
    """A 64-bit NTP time stamp: seconds since 1900, 32.32 fixed point (RFC 3550, section 4)."""
    return int((unix_s + 2_208_988_800) * 2**32)
