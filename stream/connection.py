"""What every connection needs beyond what aiortc 1.16 and aioice 0.13 do, sending or receiving."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender
from aiortc.rtp import RtcpSrPacket

log = logging.getLogger(__name__)

_PEER_REFLEXIVE_PRIORITY = 110 << 24 | 65535 << 8 | 255  # RFC 8445, section 5.1.2.1

Loopback = Literal["auto", "always", "never"]


class IncompatibleAiortcError(RuntimeError):
    """This version of aiortc lacks internals that this project relies upon."""


def mangled(owner: object, name: str) -> str:
    """The attribute that the code of ``owner``'s class calls ``name``, with ``__`` or without."""
    return f"_{type(owner).__name__}{name}" if name.startswith("__") else name


def private(owner: object, name: str) -> Any:
    """A private attribute of one of aiortc's objects."""
    return getattr(owner, mangled(owner, name))


def set_private(owner: object, name: str, value: object) -> None:
    """Replaces a private attribute of one of aiortc's objects."""
    setattr(owner, mangled(owner, name), value)


def restore(owner: object, *names: str) -> None:
    """Gives one of aiortc's objects back its own private methods."""
    for name in names:
        vars(owner).pop(mangled(owner, name), None)


class Connection:
    """One of aiortc's peer connections, ``pc``, that can be closed for certain."""

    def __init__(self, ice_servers: Sequence[RTCIceServer] = ()) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=list(ice_servers)))
        self._connecting: set[asyncio.Task[Any]] = set()
        self._track_connecting()

    def prepare_ice(self, loopback: Loopback) -> None:
        """Two repairs to the ICE transports, to be made before candidates are gathered.

        aioice never offers 127.0.0.1: it is added where there is no other address ("auto"), or
        always. And it needs every STUN request to have a PRIORITY, which not all senders write.
        """
        for transport in self._ice_transports():
            agent = private(transport, "_connection")
            _offer_loopback(agent, loopback)
            _tolerate_missing_priority(agent)

    def take_media_for_consent(self) -> None:
        """Does not ask the sender whether it wants to go on; that its media comes tells as much.

        aioice asks every 5 s and closes after 6 questions without an answer (RFC 7675), but some
        senders, ffmpeg among them, never answer while they send. Whoever calls this must close the
        connection when nothing comes any more. Raises IncompatibleAiortcError.
        """
        for transport in self._ice_transports():
            agent = private(transport, "_connection")
            if not asyncio.iscoroutinefunction(getattr(agent, "query_consent", None)):
                raise IncompatibleAiortcError(
                    "this aioice lacks Connection.query_consent; install aioice==0.13.*"
                )
            agent.query_consent = _ask_nothing

    async def close(self, patience_s: float = 3.0) -> None:
        """Closes the connection and leaves no task and no thread behind.

        aiortc's own close does not stop a connection that is just being made, which then starts
        threads that nobody ends; and it can fail or hang half way when the other side has sent
        nonsense. Then the parts are stopped one by one.
        """
        for task in self._connecting:
            task.cancel()
        if self._connecting:
            await asyncio.wait(self._connecting)
        try:
            async with asyncio.timeout(patience_s):
                await self.pc.close()
        except Exception as error:
            log.warning("closing a connection failed (%r); stopping its parts", error)
            await self._stop_parts(patience_s)
        self._cut_cycles()

    def _track_connecting(self) -> None:
        """Keeps hold of the tasks in which aiortc connects, which it starts and forgets."""
        connect = private(self.pc, "__connect")

        async def tracked() -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            await connect()

        set_private(self.pc, "__connect", tracked)

    def _ice_transports(self) -> list[Any]:
        dtls = [transceiver.receiver.transport for transceiver in self.pc.getTransceivers()]
        if self.pc.sctp is not None:
            dtls.append(self.pc.sctp.transport)
        return list({id(transport.transport): transport.transport for transport in dtls}.values())

    def _cut_cycles(self) -> None:
        """Lets the parts be freed as soon as nobody holds the connection.

        They refer to each other, also by what was replaced in them, and would otherwise wait for
        a full garbage collection, which a quiet service may not see for hours.
        """
        for transceiver in self.pc.getTransceivers():
            restore(transceiver.receiver, "_handle_rtp_packet", "_handle_rtcp_packet")
            restore(transceiver.sender, "_next_encoded_frame", "_send_rtcp")
            transceiver.receiver.transport.remove_all_listeners()
        if self.pc.sctp is not None:
            self.pc.sctp.transport.remove_all_listeners()
        for transport in self._ice_transports():
            transport.remove_all_listeners()
            transport.iceGatherer.remove_all_listeners()
            agent = private(transport, "_connection")
            restore(agent, "get_component_candidates", "check_incoming", "query_consent")
            private(agent, "_check_list").clear()
        restore(self.pc, "__connect")
        self.pc.remove_all_listeners()

    async def _stop_parts(self, patience_s: float) -> None:
        parts: list[Any] = []
        for transceiver in self.pc.getTransceivers():
            parts += [transceiver.sender, transceiver.receiver, transceiver.receiver.transport]
        if self.pc.sctp is not None:
            parts += [self.pc.sctp, self.pc.sctp.transport]
        for part in [*parts, *self._ice_transports()]:
            try:
                async with asyncio.timeout(patience_s):
                    await part.stop()
            except Exception as error:
                log.warning("could not stop %s: %r", type(part).__name__, error)


async def _ask_nothing() -> None:
    """Stands in for the consent checks of an ICE agent."""


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
