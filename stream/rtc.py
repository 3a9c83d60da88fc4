"""One WebRTC peer that sends a stream here: an offer in, an answer out, then frames and sounds.

peer, answer = await Peer.answer(offer_sdp)
async for item in peer: ...          # Frame | Sound on the session clock
await peer.close()
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiortc import (
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from stream.connection import Connection, Loopback
from stream.receive import ReceiveConfig, ReceiveCounts, Reception
from stream.sdp import Offer, SdpError, UnsupportedMedia, check_offer
from stream.window import Item

__all__ = [
    "Channel",
    "ChannelClosedError",
    "CloseReason",
    "Peer",
    "PeerConfig",
    "SdpError",
    "UnsupportedMedia",
]

log = logging.getLogger(__name__)

CloseReason = Literal["local", "remote", "timeout", "silent", "failed"]

_CODECS = {"audio": ("audio/opus",), "video": ("video/vp8", "video/h264", "video/rtx")}


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Limits and surroundings of a peer.

    ``connect_s``: how long connecting may take; ``silence_s``: how long a connected peer may send
    nothing at all, neither media nor reports, before it is taken for gone; ``ice_servers``: STUN
    and TURN, none by default; ``loopback``: whether 127.0.0.1 is offered to the other side.
    """

    receive: ReceiveConfig = field(default_factory=ReceiveConfig)
    connect_s: float = 10.0
    silence_s: float = 8.0
    ice_servers: tuple[RTCIceServer, ...] = ()
    loopback: Loopback = "auto"


class ChannelClosedError(Exception):
    """The data channel is not open any more."""


class Channel:
    """Messages over the data channel of a connection, bounded in both directions: texts are sent;
    what comes is handed on as it came, for whoever reads it to say what is wrong with it.

    There is always a Channel; it opens when (and if) the other side has made a data channel.
    """

    MAX_MESSAGES = 256  # waiting to be read; further ones are dropped
    MAX_MESSAGE_CHARS = 64 * 1024  # of a longer one (or of bytes) comes one more than that
    HIGH_WATER_BYTES = 1024 * 1024  # waiting to be sent; above, send() waits

    def __init__(self) -> None:
        self.dropped = 0  # messages from the other side, as there were too many
        self._raw: RTCDataChannel | None = None
        self._messages: deque[str | bytes] = deque()
        self._changed = asyncio.Event()  # a message came, or it opened, drained or closed
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent now."""
        return not self._closed and self._raw is not None and self._raw.readyState == "open"

    async def send(self, text: str) -> None:
        """Sends a message; waits until the channel is open and not congested.

        Raises ChannelClosedError.
        """
        while not self.is_open or self._buffered() > self.HIGH_WATER_BYTES:
            if self._closed:
                raise ChannelClosedError("the data channel is closed")
            await self._change()
        assert self._raw is not None
        self._raw.send(text)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages of the other side, until the channel closes."""
        while True:
            while self._messages:
                yield self._messages.popleft()
            if self._closed:
                return
            await self._change()

    def bind(self, raw: RTCDataChannel) -> None:
        """Takes the data channel that the two sides have agreed upon; the first one counts."""
        if self._raw is not None or self._closed:
            raw.close()
            return
        self._raw = raw
        raw.bufferedAmountLowThreshold = self.HIGH_WATER_BYTES // 2
        raw.on("message", self._receive)
        raw.on("open", self._changed.set)
        raw.on("bufferedamountlow", self._changed.set)
        raw.on("close", self.close)
        self._changed.set()

    def close(self) -> None:
        """Nothing will be sent or come any more; what has come can still be read."""
        self._closed = True
        self._changed.set()

    def _receive(self, message: str | bytes) -> None:
        if len(self._messages) >= self.MAX_MESSAGES:
            self.dropped += 1
            return
        self._messages.append(message[: self.MAX_MESSAGE_CHARS + 1])
        self._changed.set()

    def _buffered(self) -> int:
        return 0 if self._raw is None else self._raw.bufferedAmount

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Peer:
    """A peer connection that receives. Make it with :meth:`answer`; it is a :class:`Source`."""

    def __init__(self, offer: Offer, config: PeerConfig, now: Callable[[], float]) -> None:
        self.channel = Channel()
        self.now = now  # the session clock, seconds
        self._offer = offer
        self._config = config
        self._reception = Reception(config.receive, now, self._media_ended)
        self._connection = Connection(config.ice_servers)
        self._connected = asyncio.Event()
        self._reason: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()
        self._closing: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def answer(
        cls,
        offer_sdp: str,
        *,
        config: PeerConfig | None = None,
        clock: Callable[[], float] | None = None,
    ) -> tuple[Peer, str]:
        """Takes an SDP offer; returns the peer, connecting, and the SDP answer for it.

        ``clock`` gives the seconds of the session, and never goes back; by default it starts at
        zero now. Raises SdpError (HTTP 400) or UnsupportedMedia (406).
        """
        config = config or PeerConfig()
        offer = check_offer(offer_sdp, allow_loopback=config.loopback != "never")
        peer = cls(offer, config, clock or _clock_from_zero())
        try:
            return peer, await peer._negotiate()
        except BaseException:
            await peer.close()
            raise

    @property
    def has_audio(self) -> bool:
        """Whether the offer brings a sound track."""
        return self._offer.has_audio

    @property
    def has_video(self) -> bool:
        """Whether the offer brings a picture track."""
        return self._offer.has_video

    @property
    def counts(self) -> ReceiveCounts:
        """What came and what was dropped so far."""
        return self._reception.counts

    def __aiter__(self) -> AsyncIterator[Item]:
        """Frames and sounds as they come, in order per track, until the peer is closed."""
        return aiter(self._reception.items)

    async def connected(self) -> bool:
        """Waits for the connection; False where the peer was closed before it came about."""
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._connected.wait())
        try:
            await asyncio.wait([waiting, self._reason], return_when=asyncio.FIRST_COMPLETED)
            return self._connected.is_set()
        finally:
            waiting.cancel()

    async def closed(self) -> CloseReason:
        """Waits until the peer is closed, by whichever side, and tells why."""
        return await asyncio.shield(self._reason)

    async def close(self) -> None:
        """Ends the connection; may be called at any time, any number of times."""
        await self._close("local")

    async def _negotiate(self) -> str:
        pc = self._connection.pc
        for kind, wanted in (("audio", self.has_audio), ("video", self.has_video)):
            if wanted:
                transceiver = pc.addTransceiver(kind, direction="recvonly")
                transceiver.setCodecPreferences(_preferred(kind))
        pc.on("track", self._track)
        pc.on("datachannel", self.channel.bind)
        pc.on("connectionstatechange", self._state_changed)
        try:
            await self._agree()
        except OSError:  # the trouble is here, not in the offer
            raise
        except Exception as error:  # aiortc raises whatever its code runs into
            text = f"{type(error).__name__} {error}".strip()
            raise SdpError(f"WebRTC does not accept this offer ({text})") from error
        self._watch = asyncio.create_task(self._watchdog())
        return str(pc.localDescription.sdp)

    async def _agree(self) -> None:
        pc = self._connection.pc
        await pc.setRemoteDescription(RTCSessionDescription(sdp=self._offer.sdp, type="offer"))
        self._connection.prepare_ice(self._config.loopback)
        self._connection.take_media_for_consent()  # the watchdog notices when none comes
        await pc.setLocalDescription(await pc.createAnswer())

    def _track(self, track: MediaStreamTrack) -> None:
        self._reception.attach(_receiver_of(self._connection.pc, track))

    def _state_changed(self) -> None:
        state = self._connection.pc.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            self._start_closing("failed" if state == "failed" else "remote")

    def _media_ended(self, error: Exception | None) -> None:
        if error is not None:
            log.error("a track cannot be converted", exc_info=error)
        self._start_closing("remote" if error is None else "failed")

    async def _watchdog(self) -> None:
        """Closes a peer that does not connect, or that has fallen silent."""
        try:
            async with asyncio.timeout(self._config.connect_s):
                await self._connected.wait()
        except TimeoutError:
            return self._start_closing("timeout")
        await self._fall_silent()
        return self._start_closing("silent")

    async def _fall_silent(self) -> None:
        """Until nothing came for ``silence_s``. Waits are counted, not time: while this process was
        held up or the machine slept, nobody listened."""
        step_s, silent_s, heard_s = self._config.silence_s / 8, 0.0, self._reception.heard_s
        while silent_s < self._config.silence_s:
            await asyncio.sleep(step_s)
            silent_s += step_s
            if heard_s != self._reception.heard_s:
                silent_s, heard_s = 0.0, self._reception.heard_s

    def _start_closing(self, reason: CloseReason) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut_down(reason))

    async def _close(self, reason: CloseReason) -> None:
        self._start_closing(reason)
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def _shut_down(self, reason: CloseReason) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None  # its traceback refers to this peer
        self.channel.close()
        await self._connection.close()
        self._reception.close()
        self._reason.set_result(reason)


def _receiver_of(connection: RTCPeerConnection, track: MediaStreamTrack) -> RTCRtpReceiver:
    return next(r for r in connection.getReceivers() if r.track is track)


def _preferred(kind: str) -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities(kind)
    assert capabilities is not None
    return [c for c in capabilities.codecs if c.mimeType.lower() in _CODECS[kind]]


def _clock_from_zero() -> Callable[[], float]:
    began_s = time.monotonic()
    return lambda: time.monotonic() - began_s
