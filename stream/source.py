"""Where frames and sounds come from: files and the synthetic world; live ones are in stream.rtc."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stream.frames import MAX_SIDE, SoundMaker, to_rgb
from stream.merge import in_thread
from stream.window import SAMPLE_RATE, Frame, Item, Sound, Ticks, Window
from stream.windower import Windower

log = logging.getLogger(__name__)

Decoded = av.VideoFrame | av.AudioFrame

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
HOLD_THEIR_LENGTH = (MP4, "matroska,webm", "avi")
SIZE = 336  # pixels of a scene's side
_INSTANT_S = 1e-6
_BATCH = 16  # items fetched by one visit to the decoding thread
_CHUNK_SAMPLES = 320  # 20 ms
_FILE_LATENESS_S = 10.0  # containers interleave their tracks within a few seconds
_INTERLEAVED_S = 1.0  # how far apart the tracks of a file lie at most, in libav's order
_SHORT_S = 1.0  # tracks need not end together, nor does a file end with its last frame
_SEEK_MARGIN_S = 2.0  # decoders of sound need a moment to be right


class MediaError(Exception):
    """A file that cannot be used; the text says which, what is wrong, and what would be right."""


class CutError(MediaError):
    """Media that end before the end they say they have."""


class NotInstalledError(MediaError):
    """A library that is not there; the text says how it is installed."""


class Source(Protocol):
    """Items in order of capture, per track; times are seconds from the start of the stream."""

    @property
    def has_audio(self) -> bool:
        """Whether sounds will come."""
        ...

    @property
    def has_video(self) -> bool:
        """Whether frames will come."""
        ...

    def __aiter__(self) -> AsyncIterator[Item]:
        """Starts the stream."""
        ...


class SceneLike(Protocol):
    """What :class:`SceneSource` needs of :class:`stream.world.scene.Scene`."""

    def frame(self, time_s: float, size: int = 84) -> NDArray[np.uint8]:
        """The picture at ``time_s``, uint8 [size, size, 3]."""
        ...

    def sound(self, start_s: float, samples: int) -> NDArray[np.float32]:
        """``samples`` samples from ``start_s`` on, float32, 16 kHz mono."""
        ...


class FileSource:
    """The first video and audio track of a media file, from time 0, as fast as it decodes.

    ``fps``: convert only the frames that stand for a tick; None: all of them. ``max_side``: the
    longest side of the pictures. Broken packets are passed over and counted in ``broken``. Iterated
    over, it raises MediaError at the end where it could not be read as far as it says it goes;
    ``items`` leaves that to ``damage`` or ``check_whole``.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = None, max_side: int = MAX_SIDE
    ) -> None:
        """Opens the file once to look at it. Raises MediaError."""
        self._path = Path(path)
        self._fps = fps
        self._max_side = max_side
        self.broken = 0
        self._read_s = 0.0  # how far it could be read
        self._torn = False  # the container itself broke off
        with _opened(self._path) as container:
            video, audio = tracks_of(container, self._path)
            self._has_video, self._has_audio = video is not None, audio is not None
            length = container.duration
            self._promised_s = length_s(container, [t for t in (video, audio) if t is not None])
        self.duration_s: float | None = None if length is None else length / av.time_base

    @property
    def has_audio(self) -> bool:
        """Whether the file has a sound track."""
        return self._has_audio

    @property
    def has_video(self) -> bool:
        """Whether the file has a picture track."""
        return self._has_video

    def check_reaches(self, time_s: float) -> None:
        """Raises MediaError where the file says that it ends before."""
        if self.duration_s is not None and time_s > self.duration_s:
            raise MediaError(f"the file ends at {self.duration_s:.1f} s, before {time_s:g} s")

    def items(self, from_s: float = 0.0) -> Generator[Item]:
        """All items that end after ``from_s``, synchronously; what lies well before is not decoded.
        Raises MediaError where nothing of the file can be decoded."""
        with _opened(self._path) as container:
            seek(container, from_s)
            yield from in_order(self._decoded(container, from_s))

    async def __aiter__(self) -> AsyncIterator[Item]:
        """All items, decoded in a thread. Raises MediaError, see `check_whole`."""
        async with aclosing(in_thread(self.items(), _BATCH)) as items:
            async for item in items:
                yield item
        self.check_whole()

    @property
    def damage(self) -> str | None:
        """Once it has been read to its end: up to where, if that is not the end it says it has."""
        if self._promised_s is None and self._torn:
            return f"{self._path}: damaged: after {self._read_s:.1f} s it cannot be read"
        return shortfall(self._path, self._read_s, self._promised_s)

    def check_whole(self) -> None:
        """Once it has been read to its end: raises CutError with `damage`. What was passed over
        before is logged."""
        if damage := self.damage:
            raise CutError(damage)
        if self.broken:
            log.warning("%s: %d broken parts of it were passed over", self._path, self.broken)

    def _decoded(self, container: InputContainer, from_s: float) -> Iterator[Item]:
        video, audio = tracks_of(container, self._path)
        tracks = [track for track in (video, audio) if track is not None]
        start_s = min((_start_s(track) for track in tracks), default=0.0)
        pictures = Pictures(self._fps, self._max_side)
        sounds = SoundMaker()
        decoded = 0
        for frame in self._frames(container, tracks):
            decoded += 1
            if frame.time is None:
                continue
            end_s = _end_s(frame) - start_s
            self._read_s = max(self._read_s, end_s)
            if end_s <= from_s:
                continue
            if isinstance(frame, av.VideoFrame):
                yield from pictures.push(frame, start_s)
            elif isinstance(frame, av.AudioFrame):
                yield from sounds.push(frame, frame.time - start_s)
        if not decoded:
            raise MediaError(f"{self._path}: nothing in it can be decoded; the file is damaged")
        yield from sounds.flush()

    def _frames(
        self, container: InputContainer, tracks: list[VideoStream | AudioStream]
    ) -> Iterator[Decoded]:
        """Decoded frames in the order of the file; what cannot be read is counted."""
        packets = container.demux(tracks)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the container itself is cut or damaged from here on
                self.broken += 1
                self._torn = True
                return
            try:
                for frame in packet.decode():
                    if isinstance(frame, av.VideoFrame | av.AudioFrame):
                        yield frame
            except av.FFmpegError:
                self.broken += 1


class Rest:
    """A file from its time ``from_s`` on, which is the time 0 of this."""

    def __init__(self, file: FileSource, from_s: float) -> None:
        self.has_audio, self.has_video = file.has_audio, file.has_video
        self._file = file
        self._from_s = from_s

    async def __aiter__(self) -> AsyncIterator[Item]:
        """What is left, decoded in a thread. Raises MediaError."""
        async with aclosing(in_thread(self._file.items(self._from_s), _BATCH)) as items:
            async for item in items:
                yield from_zero(moved(item, -self._from_s))
        self._file.check_whole()


def in_order(items: Iterator[Item]) -> Generator[Item]:
    """All items by time: in a file a second of one track may lie before the same of the other,
    which would be sent, and be taken for captured, so much later."""
    waiting: list[tuple[float, int, Item]] = []
    newest_s = -math.inf
    try:
        for number, item in enumerate(items):
            time_s = time_of(item)
            heapq.heappush(waiting, (time_s, number, item))
            newest_s = max(newest_s, time_s)
            while waiting[0][0] < newest_s - _INTERLEAVED_S:
                yield heapq.heappop(waiting)[2]
    except MediaError:
        yield from (item for _, _, item in sorted(waiting))  # all that came before it broke
        raise
    yield from (item for _, _, item in sorted(waiting))


def time_of(item: Item) -> float:
    return item.time_s if isinstance(item, Frame) else item.start_s


def moved(item: Item, by_s: float) -> Item:
    """The same, so much later."""
    if isinstance(item, Frame):
        return replace(item, time_s=item.time_s + by_s)
    return replace(item, start_s=item.start_s + by_s)


def from_zero(item: Item) -> Item:
    """Without what lies before the time 0; of a picture, which has no length, nothing does."""
    if isinstance(item, Frame):
        return replace(item, time_s=max(0.0, item.time_s))
    before = max(0, round(-item.start_s * SAMPLE_RATE))
    return Sound(max(0.0, item.start_s), item.samples[before:])


class SceneSource:
    """``duration_s`` seconds of a synthetic scene, from its time ``start_s`` on."""

    has_audio = True
    has_video = True

    def __init__(
        self,
        scene: SceneLike,
        duration_s: float,
        *,
        start_s: float = 0.0,
        fps: float = 10.0,
        size: int = SIZE,
    ) -> None:
        self._scene = scene
        self._duration_s = duration_s
        self._start_s = start_s
        self._fps = fps
        self._size = size

    def items(self) -> Iterator[Item]:
        """All items, synchronously: 20 ms of sound after the frames that begin in them."""
        frames = sounds = 0
        while sounds < self._duration_s * SAMPLE_RATE:
            end_s = min((sounds + _CHUNK_SAMPLES) / SAMPLE_RATE, self._duration_s)
            while frames / self._fps < end_s:
                time_s = frames / self._fps
                yield Frame(time_s, self._scene.frame(self._start_s + time_s, self._size))
                frames += 1
            count = round(end_s * SAMPLE_RATE) - sounds
            start_s = sounds / SAMPLE_RATE
            yield Sound(start_s, self._scene.sound(self._start_s + start_s, count))
            sounds += _CHUNK_SAMPLES

    async def __aiter__(self) -> AsyncIterator[Item]:
        """All items; gives way to other tasks after each."""
        for item in self.items():
            yield item
            await asyncio.sleep(0)


async def windows(source: Source, *, fps: float = 2.0) -> AsyncIterator[Window]:
    """All windows of a source that ends (a file), in order and at the speed of its consumer."""
    windower = Windower(
        fps=fps,
        lateness_s=_FILE_LATENESS_S,
        has_audio=source.has_audio,
        has_video=source.has_video,
    )
    newest_s = 0.0
    async for item in source:
        windower.push(item)
        newest_s = max(newest_s, time_of(item))
        windower.advance(newest_s)
        while (window := windower.pop()) is not None:
            yield window
    windower.finish()
    while (window := windower.pop()) is not None:
        yield window


class Pictures:
    """Frames of one video track, chosen and converted."""

    def __init__(self, fps: float | None, max_side: int) -> None:
        self._ticks = None if fps is None else Ticks(fps)
        self._max_side = max_side

    def push(self, frame: av.VideoFrame, start_s: float) -> Iterator[Frame]:
        assert frame.time is not None
        time_s = frame.time - start_s
        if self._ticks is None or self._ticks.wants(time_s):
            yield Frame(time_s, to_rgb(frame, self._max_side))


def seek(container: InputContainer, to_s: float) -> None:
    """To a key frame well before ``to_s``; a file that cannot do that is read from its start."""
    wanted_s = to_s - _SEEK_MARGIN_S
    if wanted_s <= 0:
        return
    with suppress(av.FFmpegError):
        container.seek(int(wanted_s * av.time_base) + (container.start_time or 0))


def _start_s(track: VideoStream | AudioStream) -> float:
    if track.start_time is None or track.time_base is None:
        return 0.0
    return float(track.start_time * track.time_base)


def shortfall(name: object, read_s: float, promised_s: float | None) -> str | None:
    """What is to be said of media that ended at ``read_s``, if it was to be longer."""
    if promised_s is None or read_s >= promised_s - _SHORT_S:
        return None
    return (
        f"{name}: damaged or cut: {read_s:.1f} s of its {promised_s:.1f} s could be read, the rest "
        "cannot"
    )


def length_s(container: InputContainer, tracks: list[VideoStream | AudioStream]) -> float | None:
    """How long the tracks are, where the file holds that: other formats leave it to be estimated,
    and where it is held for the whole, other tracks (subtitles) may be what is longest."""
    if container.duration is None or container.format.name not in HOLD_THEIR_LENGTH:
        return None
    whole_s = container.duration / av.time_base
    ends = [
        _start_s(t) + float(t.duration * t.time_base) for t in tracks if t.duration and t.time_base
    ]
    if len(ends) == len(tracks):
        return min(whole_s, max(ends) - min(_start_s(track) for track in tracks))
    return whole_s if len(container.streams) == len(tracks) else None


def _end_s(frame: Decoded) -> float:
    """A picture ends where it begins: when the next one comes is not known."""
    assert frame.time is not None
    if isinstance(frame, av.AudioFrame):
        return frame.time + frame.samples / frame.sample_rate
    return frame.time + _INSTANT_S


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path), mode="r")
    except FileNotFoundError:
        raise MediaError(f"{path}: there is no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from None
    except av.FFmpegError as error:
        raise MediaError(f"{path}: not a media file, or damaged ({error.strerror})") from None


def tracks_of(
    container: InputContainer, name: object
) -> tuple[VideoStream | None, AudioStream | None]:
    """The first track of each kind that can be decoded; cover pictures are no video.

    Raises MediaError, with the ``name`` of what has none.
    """
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    audios = list(container.streams.audio)
    usable_videos = [s for s in videos if s.codec_context is not None]
    usable_audios = [s for s in audios if s.codec_context is not None]
    if not usable_videos and not usable_audios:
        if videos or audios:
            raise MediaError(f"{name}: no decoder for any of its tracks")
        raise MediaError(f"{name}: has neither a video nor an audio track")
    return next(iter(usable_videos), None), next(iter(usable_audios), None)
