"""Decoding and converting one track, in the thread that aiortc runs for it.

Frames come by a :class:`DecoderQueue`, their times by a :class:`TimeLine`; what can be in a window
goes to a :class:`Listener` on the event loop. ``stream.receive`` puts them into aiortc's places.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Protocol

import av
from aiortc.codecs import get_decoder
from aiortc.codecs.h264 import H264Decoder
from aiortc.codecs.vpx import Vp8Decoder
from aiortc.jitterbuffer import JitterFrame

from stream.clock import TrackClock, Unwrapper, ntp_seconds
from stream.frames import SoundMaker, joined, to_rgb
from stream.window import Frame, Item, Sound, Ticks


class Listener(Protocol):
    """Who is told on the event loop what comes of a track; ``untimely`` in the track's thread."""

    def deliver(self, items: list[Item]) -> None:
        """Items in order."""

    def untimely(self) -> None:
        """A frame whose time cannot be right has been dropped."""

    def ended(self) -> None:
        """The track is over."""

    def failed(self, error: Exception) -> None:
        """The track cannot be decoded or converted."""


class TimeLine:
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


class DecoderQueue:
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
        self._handle = ignore

    def _next(self) -> Any:
        with self._filled:
            while not self._tasks:
                self._filled.wait()
            return self._tasks.popleft()


class Converter(Protocol):
    def convert(self, frame: Any, at_s: float) -> Iterator[Item]: ...
    def flush(self) -> Iterator[Item]: ...


class Pictures:
    """Decoded pictures to frames, those that stand for a tick."""

    def __init__(self, fps: float, max_side: int) -> None:
        self._ticks = Ticks(fps)
        self._max_side = max_side

    def convert(self, frame: av.VideoFrame, at_s: float) -> Iterator[Item]:
        if self._ticks.wants(at_s):
            yield Frame(at_s, to_rgb(frame, self._max_side))

    def flush(self) -> Iterator[Item]:
        return iter(())


class Sounds:
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


class Decoder:
    """Decodes and converts one track, in the thread that aiortc runs for it."""

    def __init__(
        self,
        converter: Converter,
        line: TimeLine,
        listener: Listener,
        ask_for_keyframe: threading.Event,
    ) -> None:
        self._converter = converter
        self._line = line
        self._listener = listener
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
            self._loop.call_soon_threadsafe(self._listener.failed, error)
            return
        if items:
            self._loop.call_soon_threadsafe(self._listener.deliver, items)

    async def put(self, end: None) -> None:
        """Stands in for the queue of decoded frames, of which aiortc only sees the end."""
        if self._error is None:
            self._listener.deliver(list(self._converter.flush()))
        self._decoder = None
        self._listener.ended()

    def _decoded(self, codec: Any, encoded: JitterFrame) -> list[Any]:
        if codec.name != self._codec:
            self._codec, self._decoder = codec.name, single_threaded(get_decoder(codec))
        try:
            return list(self._decoder.decode(encoded))
        except av.FFmpegError:
            self._ask_for_keyframe.set()
            return []

    def _items(self, frame: Any) -> Iterator[Item]:
        at_s = self._line.seconds(frame.pts)
        if at_s > self._line.now():
            self._listener.untimely()
            return iter(())
        return self._converter.convert(frame, at_s)


def single_threaded(decoder: Any) -> Any:
    """libav would start threads for every stream; the streams keep the cores busy as it is."""
    if isinstance(decoder, (H264Decoder, Vp8Decoder)):
        decoder.codec.thread_count = 1
    return decoder


def ignore(_: object) -> None:
    """For what comes after the end."""
