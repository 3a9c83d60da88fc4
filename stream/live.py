"""A stream by its address: RTSP, HLS, MPEG-TS over TCP, a V4L2 device; cut, it comes back."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import aclosing
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from stream.frames import MAX_SIDE, SoundMaker
from stream.merge import in_thread
from stream.source import (
    MP4,
    CutError,
    Decoded,
    MediaError,
    Pictures,
    in_order,
    length_s,
    seek,
    shortfall,
    tracks_of,
)
from stream.window import Item

log = logging.getLogger(__name__)

FPS = 10.0  # of what is sent; windows need less
OPEN_S = 10.0
SILENCE_S = 10.0  # a stream that brings nothing for so long is opened anew
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
MOST_STUCK = 5  # connections in a row that bring nothing new of a recording
GO_ON = ("hls", "dash", "mpjpeg")  # formats of which a server tells a size that is no film's
FASTSTART = "ffmpeg -i FILM.mp4 -c copy -movflags +faststart NEW.mp4"


class BrokenOffError(MediaError):
    """A connection that stood, and brought what it could."""


class LiveSource:
    """The first video and audio track of what an address brings, at its own pace.

    What ends by itself (a recorded HLS list, a film on a web server) begins at its time ``from_s``,
    and ends, with CutError where it was to be longer; anything else that ends or falls silent is
    opened again, for as long as it takes, and its time goes on. A recording whose connection breaks
    goes on where it was, until so many connections in a row brought nothing new: then CutError.
    Times count from the start.

    A film that a web server sends in chunks, without a size, and that is cut between two of them
    looks as if it had come to its end: FFmpeg does not tell whether the last chunk came. That is
    noticed where the film says how long it is.
    """

    def __init__(
        self,
        address: str,
        *,
        format: str | None = None,
        fps: float | None = FPS,
        max_side: int = MAX_SIDE,
        first_wait_s: float = FIRST_WAIT_S,
        from_s: float = 0.0,
    ) -> None:
        """Opens it once to look at it. ``format`` names one that cannot be told from the address.
        Raises MediaError; CutError for an MP4 of which nothing can be reached."""
        self._address = address
        self._format = format
        self._fps = fps
        self._max_side = max_side
        self._first_wait_s = first_wait_s
        self._first_s: float | None = None  # the stream's own time of what came first
        self._read_s = 0.0  # from there on
        self._seeks = True  # whether it can begin in the middle, as far as is known
        self._passed_s = -math.inf  # up to where it was read, also if passed over
        self.came_s = time.monotonic()  # when something of it came last that had not come before
        with self._opened() as container:
            video, audio = tracks_of(container, shown(address))
            tracks = [track for track in (video, audio) if track is not None]
            self.has_video, self.has_audio = video is not None, audio is not None
            self._ends = _has_an_end(container)
            self._promised_s = length_s(container, tracks)
            if self._ends and container.format.name == MP4:
                self._check_index(container, tracks)
            if self._ends and from_s > 0:
                self._first_s = (container.start_time or 0) / av.time_base
                self._read_s = from_s

    async def __aiter__(self) -> AsyncIterator[Item]:
        began_s, wait_s, stuck = time.monotonic(), self._first_wait_s, 0
        while True:
            before_s = self._read_s
            try:
                coming = self._items(began_s)
                ordered = in_order(coming) if self._ends else coming
                async with aclosing(in_thread(ordered, 1)) as items:
                    async for item in items:
                        wait_s = self._first_wait_s
                        yield item
                if self._ends:
                    break
                log.warning("%s ended; back in %.1f s", shown(self._address), wait_s)
            except MediaError as error:
                if self._read_s > before_s:
                    stuck = 0
                elif self._ends and isinstance(error, BrokenOffError):
                    stuck += 1  # a server that is away is not counted: it may come back
                if stuck == MOST_STUCK:
                    raise CutError(self._standstill()) from None
                log.warning("%s; back in %.1f s", error, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if missing := shortfall(shown(self._address), self._read_s, self._promised_s):
            raise CutError(missing)

    def _check_index(
        self, container: InputContainer, tracks: list[VideoStream | AudioStream]
    ) -> None:
        """Where it is at the end of an MP4, it leads back to where many a server cannot begin."""
        try:
            next(container.demux(tracks), None)
        except (av.FFmpegError, OSError) as error:
            raise CutError(
                f"{shown(self._address)}: nothing of this MP4 can be reached ({error.strerror}): "
                "where its index (moov) is at its end, the server must take requests for a Range. "
                f"Let it, or put the index first: {FASTSTART}"
            ) from None

    def _standstill(self) -> str:
        promised = "" if self._promised_s is None else f" of its {self._promised_s:.1f} s"
        return (
            f"{shown(self._address)} breaks off after {self._read_s:.1f} s{promised}, at the same "
            f"place {MOST_STUCK} times: is it whole, and does its server send all of it?"
        )

    def _items(self, began_s: float) -> Generator[Item]:
        """The items of one connection. Raises MediaError where it cannot be made, or breaks."""
        pictures, sounds = Pictures(self._fps, self._max_side), SoundMaker()
        reached_s = self._reached_s
        zero_s: float | None = None  # when the stream's own time 0 was, on our clock
        for frame in self._frames_from(reached_s):
            if frame.time is None:
                continue
            if frame.time > self._passed_s or not self._ends:
                self._passed_s, self.came_s = frame.time, time.monotonic()
            if frame.time <= reached_s:
                continue
            if zero_s is None:
                zero_s = time.monotonic() - began_s - frame.time
            if self._first_s is None or not self._ends:
                self._first_s = frame.time
            self._read_s = max(self._read_s, frame.time - self._first_s)
            if isinstance(frame, av.VideoFrame):
                yield from pictures.push(frame, -zero_s)
            else:
                yield from sounds.push(frame, zero_s + frame.time)
        yield from sounds.flush()

    def _frames_from(self, reached_s: float) -> Iterator[Decoded]:
        """From shortly before `reached_s` where that can be found, else from the beginning: a web
        server need not know how to begin in the middle, and then what was sought comes too late, or
        nothing does."""
        if self._seeks and math.isfinite(reached_s):
            with self._opened() as container:
                seek(container, reached_s - (self._first_s or 0.0))
                frames = self._frames(container)
                first = self._first_of(frames)
                if first is not None and (first.time or 0.0) <= reached_s:
                    self._seeks = False  # where it breaks off at once, that may be why
                    yield first
                    for frame in frames:
                        self._seeks = self._seeks or (frame.time or 0.0) > reached_s
                        yield frame
                    self._seeks = True
                    return
            self._seeks = False
        with self._opened() as container:
            yield from self._frames(container)

    def _first_of(self, frames: Iterator[Decoded]) -> Decoded | None:
        try:
            return next(frames, None)
        except MediaError:
            return None

    @property
    def _reached_s(self) -> float:
        """Up to where, by the stream's own time, earlier connections brought a recording."""
        if not self._ends or self._first_s is None:
            return -math.inf
        return self._first_s + self._read_s

    def _frames(self, container: InputContainer) -> Iterator[Decoded]:
        """Decoded frames; a broken packet is passed over, a broken stream raises MediaError."""
        tracks = [track for track in tracks_of(container, shown(self._address)) if track]
        try:
            for packet in container.demux(tracks):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                yield from (f for f in frames if isinstance(f, av.VideoFrame | av.AudioFrame))
        except (av.FFmpegError, OSError) as error:
            raise BrokenOffError(f"{shown(self._address)} broke off ({error.strerror})") from None

    def _opened(self) -> InputContainer:
        # RTSP over TCP: a lost packet of UDP costs a picture, and firewalls let TCP through.
        options = {"rtsp_transport": "tcp"} if self._address.startswith("rtsp") else {}
        try:
            return av.open(
                self._address,
                format=self._format,
                options=options,
                timeout=(OPEN_S, SILENCE_S),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(self._refusal(error)) from None

    def _refusal(self, error: Exception) -> str:
        """Why it cannot be opened, and what would be right."""
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, av.error.ExitError):
            reason = f"nothing came within {OPEN_S:g} s"
        if self._format is not None:
            return (
                f"{self._address} cannot be used as a camera ({reason}): is it one, and may this "
                "user use it (the group `video`)?"
            )
        return (
            f"{shown(self._address)} cannot be opened ({reason}): is the address right, and does "
            "something send there?"
        )


def _has_an_end(container: InputContainer) -> bool:
    """Whether it is a recording. Where the length is at the end of a film, and the server cannot
    begin there, that it has a size tells it."""
    lasts = container.duration is not None and container.duration > 0
    return lasts or (container.size > 0 and container.format.name not in GO_ON)


def shown(address: str) -> str:
    """The address as it may be shown: without user and password."""
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
