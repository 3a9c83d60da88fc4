"""The receive layer over aiortc, with the guards aiortc lacks.

aiortc 1.16 decodes in a thread per track and leaves frames in unlimited queues, with time stamps
that start at zero for every track. Here each receiver gets

* a jitter buffer that gives out frames as soon as they are complete (stream.jitter),
* a bounded queue before its decoder (the oldest goes; a key frame is asked for),
* RTP time stamps that are kept as they are, and sender reports that are noted, so that both tracks
  can be laid on one session clock (stream.clock),
* a decoder that, still in its thread, converts just the frames that can be in a window, and hands
  only these to the event loop.

All this reaches into private attributes (here and in stream.connection only) and says so clearly
when a version of aiortc has moved them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import aiortc
import av
from aiortc import RTCRtpReceiver
from aiortc.codecs import get_decoder
from aiortc.codecs.h264 import H264Decoder
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from stream.clock import OPUS_DELAY_S, SenderClock, TrackClock, Unwrapper, ntp_seconds
from stream.connection import IncompatibleAiortcError, mangled, private, set_private
from stream.frames import MAX_SIDE, SoundMaker, joined, to_rgb
from stream.jitter import FrameBuffer, PictureBuffer, SoundBuffer
from stream.window import Frame, Item, Sound, Ticks

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
        self._queues: list[_DecoderQueue] = []
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
        line = _TimeLine(
            self._sender.track(_RATE[kind], OPUS_DELAY_S if kind == "audio" else 0.0),
            self._lock,
            self.now,
        )
        ask_for_keyframe = private(receiver, "__decoder_error")
        converter = _Pictures(self.config) if kind == "video" else _Sounds()
        decoder = _Decoder(converter, line, self, ask_for_keyframe)
        queue = _DecoderQueue(_DECODER_LIMIT[kind], ask_for_keyframe, decoder.handle)
        set_private(receiver, "__decoder_queue", queue)
        set_private(receiver, "__timestamp_mapper", line)
        set_private(receiver.track, "_queue", decoder)
        self._queues.append(queue)
        self._live += 1
        self._listen(receiver, line, queue)

    def close(self) -> None:
        """Nothing will come any more; what has come can still be read."""
        self.items.close()
        self._on_end = _ignore  # it and the queues refer back to here
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

    def _listen(self, receiver: RTCRtpReceiver, line: _TimeLine, queue: _DecoderQueue) -> None:
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


def _ignore(_: object) -> None:
    """For what comes after the end."""


class _TimeLine:
    """The time of one track: fed on the event loop, asked in the decoder's thread.

    Stands in for aiortc's timestamp mapper, whose zero-based times relate to no other track.
    """

    def __init__(self, clock: TrackClock, lock: threading.Lock, now: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = lock
        self.now = now
        self._unwrapper = Unwrapper()
        self._ssrc: int | None = None

    def arrive(self, ssrc: int, timestamp: int) -> None:
        with self._lock:
            self._ssrc = ssrc
            self._clock.arrive(self._unwrapper.map(timestamp), self.now())

    def report(self, ssrc: int, ntp: int, timestamp: int) -> None:
        if ssrc == self._ssrc:  # retransmissions have reports of their own
            with self._lock:
                self._clock.report(ntp_seconds(ntp), self._unwrapper.near(timestamp))

    def map(self, timestamp: int) -> int:
        """The extended time stamp, which becomes the pts of the decoded frame."""
        return self._unwrapper.near(timestamp)

    def seconds(self, rtp: int) -> float:
        with self._lock:
            return self._clock.seconds(rtp)


class _DecoderQueue:
    """Encoded frames on their way into the decoder's thread; the oldest goes when it is full."""

    def __init__(
        self, limit: int, ask_for_keyframe: threading.Event, handle: Callable[[Any], None]
    ) -> None:
        self.dropped = 0
        self._limit = limit
        self._ask_for_keyframe = ask_for_keyframe
        self._handle = handle
        self._tasks: deque[Any] = deque()
        self._filled = threading.Condition()

    def put(self, task: Any) -> None:
        """A task, or None: the end, before which nothing that waits is decoded any more."""
        with self._filled:
            if task is None:
                self._tasks.clear()
            elif len(self._tasks) >= self._limit:
                self._tasks.popleft()
                self.dropped += 1
                self._ask_for_keyframe.set()
            self._tasks.append(task)
            self._filled.notify()

    def get(self) -> None:
        """For aiortc's decoder thread: handles every task right here, and gives it only the end.

        The thread would wake the event loop for every frame; few of them are wanted there.
        """
        while (task := self._next()) is not None:
            self._handle(task)

    def detach(self) -> None:
        """Handles nothing any more."""
        self._handle = _ignore

    def _next(self) -> Any:
        with self._filled:
            while not self._tasks:
                self._filled.wait()
            return self._tasks.popleft()


class _Converter(Protocol):
    def convert(self, frame: Any, at_s: float) -> Iterator[Item]: ...
    def flush(self) -> Iterator[Item]: ...


class _Pictures:
    """Decoded pictures to frames, those that stand for a tick."""

    def __init__(self, config: ReceiveConfig) -> None:
        self._ticks = Ticks(config.fps)
        self._max_side = config.max_side

    def convert(self, frame: av.VideoFrame, at_s: float) -> Iterator[Item]:
        if self._ticks.wants(at_s):
            yield Frame(at_s, to_rgb(frame, self._max_side))

    def flush(self) -> Iterator[Item]:
        return iter(())


class _Sounds:
    """Decoded sound to 16 kHz mono, a few packets at a time.

    Resampling the packets one by one would cost five times as much, nearly all of it for code and
    tables that have left the processor's cache since the packet before.
    """

    BATCH_S = 0.1

    def __init__(self) -> None:
        self._maker = SoundMaker()
        self._waiting: list[tuple[av.AudioFrame, float]] = []
        self._waiting_s = 0.0

    def convert(self, frame: av.AudioFrame, at_s: float) -> Iterator[Item]:
        self._waiting.append((frame, at_s))
        self._waiting_s += frame.samples / frame.sample_rate
        if self._waiting_s < self.BATCH_S - 1e-6:
            return iter(())
        return joined(self._convert_waiting())

    def flush(self) -> Iterator[Item]:
        return joined(chain(self._convert_waiting(), self._maker.flush()))

    def _convert_waiting(self) -> Iterator[Sound]:
        waiting, self._waiting, self._waiting_s = self._waiting, [], 0.0
        for frame, at_s in waiting:
            yield from self._maker.push(frame, at_s)


class _Decoder:
    """Decodes and converts one track, in the thread that aiortc runs for it."""

    def __init__(
        self,
        converter: _Converter,
        line: _TimeLine,
        reception: Reception,
        ask_for_keyframe: threading.Event,
    ) -> None:
        self._converter = converter
        self._line = line
        self._reception = reception
        self._ask_for_keyframe = ask_for_keyframe
        self._loop = asyncio.get_running_loop()
        self._codec = ""
        self._decoder: Any = None
        self._error: Exception | None = None

    def handle(self, task: Any) -> None:
        """One encoded frame; what comes of it is handed to the event loop."""
        if self._error is not None:
            return
        try:
            items = [item for frame in self._decoded(*task) for item in self._items(frame)]
        except Exception as error:  # must reach the peer: an exception would only end the thread
            self._error = error
            self._loop.call_soon_threadsafe(self._reception.failed, error)
            return
        if items:
            self._loop.call_soon_threadsafe(self._reception.deliver, items)

    async def put(self, end: None) -> None:
        """Stands in for the queue of decoded frames, of which aiortc only sees the end."""
        if self._error is None:
            self._reception.deliver(list(self._converter.flush()))
        self._decoder = None
        self._reception.ended()

    def _decoded(self, codec: Any, encoded: JitterFrame) -> list[Any]:
        if codec.name != self._codec:
            self._codec, self._decoder = codec.name, _single_threaded(get_decoder(codec))
        try:
            return list(self._decoder.decode(encoded))
        except av.FFmpegError:
            self._ask_for_keyframe.set()
            return []

    def _items(self, frame: Any) -> Iterator[Item]:
        at_s = self._line.seconds(frame.pts)
        if at_s > self._line.now():
            self._reception.untimely()
            return iter(())
        return self._converter.convert(frame, at_s)


def _single_threaded(decoder: Any) -> Any:
    """libav would start threads for every stream; the streams keep the cores busy as it is."""
    if isinstance(decoder, (H264Decoder, Vp8Decoder)):
        decoder.codec.thread_count = 1
    return decoder


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
