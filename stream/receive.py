"""The receive layer over aiortc, with the guards aiortc lacks.

aiortc 1.16 decodes in a thread per track and leaves frames in unlimited queues, with time stamps
that start at zero for every track. Here each receiver gets

* a jitter buffer that gives out frames as soon as they are complete (stream.jitter),
* a bounded queue before its decoder (the oldest goes; a key frame is asked for),
* RTP time stamps that are kept as they are, and sender reports that are noted, so that both tracks
  can be laid on one session clock (stream.clock),
* a decoder that, still in its thread, converts just the frames that can be in a window, and hands
  only these to the event loop (stream.decode).

All this reaches into private attributes (here and in stream.connection only) and says so clearly
when a version of aiortc has moved them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiortc
from aiortc import RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from stream.clock import OPUS_DELAY_S, SenderClock
from stream.connection import IncompatibleAiortcError, mangled, private, set_private
from stream.decode import Decoder, DecoderQueue, Pictures, Sounds, TimeLine, ignore
from stream.frames import MAX_SIDE
from stream.jitter import FrameBuffer, PictureBuffer, SoundBuffer
from stream.window import Frame, Item

# "__x" is the private name RTCRtpReceiver.__x.
_NEEDED = (
    "_handle_rtp_packet",
    "_handle_rtcp_packet",
    "__codecs",
    "__decoder_queue",
    "__decoder_error",
    "__timestamp_mapper",
    "__jitter_buffer",
)
_DECODER_LIMIT = {"audio": 100, "video": 45}  # encoded frames waiting: 2 s and 1.5 s
_RATE = {"audio": 48_000, "video": 90_000}  # Opus; all video


@dataclass(frozen=True, slots=True)
class ReceiveConfig:
    """``fps``: frames converted a second; ``max_side``: of pictures; ``unread_bytes``: how much may
    wait for the consumer before the oldest goes."""

    fps: float = 2.0
    max_side: int = MAX_SIDE
    unread_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class ReceiveCounts:
    """What came, and what of it has been dropped, and why."""

    packets: int = 0
    lost_packets: int = 0  # did not come, or too late
    dropped_before_decoder: int = 0  # the decoder was too slow
    dropped_unread: int = 0  # the consumer was too slow
    dropped_untimely: int = 0  # left over from before the sender's RTP time jumped


class ItemQueue:
    """Items between the tracks and the one consumer; bounded in bytes, the oldest goes first.

    Belongs to one event loop. Iterating ends when the queue has been closed and emptied.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.dropped = 0
        self._limit = limit_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, item: Item) -> None:
        """Adds an item; drops and counts the oldest ones beyond the limit."""
        if self._closed:
            return
        self._items.append(item)
        self._bytes += _size(item)
        while self._bytes > self._limit and len(self._items) > 1:
            self._bytes -= _size(self._items.popleft())
            self.dropped += 1
        self._changed.set()

    def close(self) -> None:
        """Nothing will come any more."""
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            while self._items:
                item = self._items.popleft()
                self._bytes -= _size(item)
                yield item
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()


class Reception:
    """What one peer sends: its tracks, laid on the session clock, in one bounded queue.

    ``now`` gives session seconds. ``on_end(error)`` is called on the event loop when the last track
    has ended (None), or when frames cannot be converted (the error).
    """

    def __init__(
        self,
        config: ReceiveConfig,
        now: Callable[[], float],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self.config = config
        self.now = now
        self.items = ItemQueue(config.unread_bytes)
        self.heard_s = now()  # when something last came
        self._on_end = on_end
        self._counts = ReceiveCounts()
        self._sender = SenderClock()
        self._lock = threading.Lock()  # decoder threads ask the clock that the event loop feeds
        self._live = 0
        self._queues: list[DecoderQueue] = []
        self._buffers: list[FrameBuffer] = []

    @property
    def counts(self) -> ReceiveCounts:
        """What came and what was dropped so far."""
        self._counts.dropped_unread = self.items.dropped
        self._counts.lost_packets = sum(buffer.lost for buffer in self._buffers)
        self._counts.dropped_before_decoder = sum(queue.dropped for queue in self._queues)
        return self._counts

    def attach(self, receiver: RTCRtpReceiver) -> None:
        """Takes over a receiver; to be called before media starts, when its track is announced.

        Raises IncompatibleAiortcError where aiortc's internals have changed.
        """
        _check(receiver)
        kind = receiver.track.kind
        line = TimeLine(
            self._sender.track(_RATE[kind], OPUS_DELAY_S if kind == "audio" else 0.0),
            self._lock,
            self.now,
        )
        ask_for_keyframe = private(receiver, "__decoder_error")
        converter = Pictures(self.config.fps, self.config.max_side) if kind == "video" else Sounds()
        decoder = Decoder(converter, line, self, ask_for_keyframe)
        queue = DecoderQueue(_DECODER_LIMIT[kind], ask_for_keyframe, decoder.handle)
        set_private(receiver, "__decoder_queue", queue)
        set_private(receiver, "__timestamp_mapper", line)
        set_private(receiver.track, "_queue", decoder)
        self._queues.append(queue)
        self._live += 1
        self._listen(receiver, line, queue)

    def close(self) -> None:
        """Nothing will come any more; what has come can still be read."""
        self.items.close()
        self._on_end = ignore  # it and the queues refer back to here
        for queue in self._queues:
            queue.detach()

    def deliver(self, items: list[Item]) -> None:
        """From a track, on the event loop: items in order."""
        for item in items:
            self.items.put(item)

    def untimely(self) -> None:
        """From a track: a frame whose time cannot be right has been dropped."""
        self._counts.dropped_untimely += 1

    def ended(self) -> None:
        """From a track, on the event loop: it is over."""
        self._live -= 1
        if self._live <= 0:
            self._on_end(None)

    def failed(self, error: Exception) -> None:
        """From a track, on the event loop: it cannot be decoded or converted."""
        self._on_end(error)

    def _listen(self, receiver: RTCRtpReceiver, line: TimeLine, queue: DecoderQueue) -> None:
        """Notes arrivals and sender reports on their way into the receiver.

        Of the frames that a packet completes, the receiver takes the first; the others follow it.
        """
        buffer = PictureBuffer() if receiver.track.kind == "video" else SoundBuffer()
        set_private(receiver, "__jitter_buffer", buffer)
        self._buffers.append(buffer)
        handle_rtp = private(receiver, "_handle_rtp_packet")
        handle_rtcp = private(receiver, "_handle_rtcp_packet")
        codecs = private(receiver, "__codecs")

        current: Any = None

        async def on_rtp(packet: RtpPacket, arrival_time_ms: int) -> None:
            nonlocal current
            self.heard_s = self.now()
            self._counts.packets += 1
            codec = codecs.get(packet.payload_type)
            # Retransmissions and empty packets carry time stamps that mean nothing here.
            if codec is not None and packet.payload and codec.name.lower() != "rtx":
                line.arrive(packet.ssrc, packet.timestamp)
                current = codec
            await handle_rtp(packet, arrival_time_ms)
            for frame in buffer.frames():
                frame.timestamp = line.map(frame.timestamp)
                queue.put((current, frame))

        async def on_rtcp(packet: AnyRtcpPacket) -> None:
            self.heard_s = self.now()
            if isinstance(packet, RtcpSrPacket):
                info = packet.sender_info
                line.report(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)
            await handle_rtcp(packet)

        set_private(receiver, "_handle_rtp_packet", on_rtp)
        set_private(receiver, "_handle_rtcp_packet", on_rtcp)


def _check(receiver: RTCRtpReceiver) -> None:
    missing = [name for name in _NEEDED if not hasattr(receiver, mangled(receiver, name))]
    if not hasattr(receiver.track, "_queue"):
        missing.append("track._queue")
    if missing:
        raise IncompatibleAiortcError(
            f"aiortc {aiortc.__version__} lacks {', '.join(missing)}; install aiortc==1.16.0"
        )


def _size(item: Item) -> int:
    return item.rgb.nbytes if isinstance(item, Frame) else item.samples.nbytes
