"""Media files as a session would see them: decoded, laid on the clock, cut into windows."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sieve.tokens import RawWindow
from sieve.train.backbone.viewing import Footage
from stream.source import FileSource, MediaError
from stream.window import SAMPLE_RATE, WINDOW_SAMPLES, Frame, Item, Sound, Window
from stream.windower import Windower

_LATENESS_S = 10.0  # containers interleave their tracks within a few seconds
_SHORT_S = 1.0  # a file need not end with its last frame
_SHORTEST_TAIL = SAMPLE_RATE // 10  # tracks need not end together: less sound alone is no window


@dataclass(frozen=True, slots=True)
class Media:
    """A clip's files: pictures, and sound from another file or (``audio`` None) from the same.
    ``start_s`` to ``end_s`` of them (None: to the end)."""

    video: Path | None
    audio: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None


def read_footage(media: Media, fps: float) -> Footage:
    """The windows of a clip. Raises MediaError for what cannot be read or holds nothing."""
    sources = _sources(media, fps)
    windower = Windower(
        fps=fps,
        lateness_s=_LATENESS_S,
        has_audio=any(audio for _, _, audio in sources),
        has_video=any(video for _, video, _ in sources),
    )
    windows: list[Window] = []
    heard_s = 0.0
    for item in heapq.merge(*(_items(media, *source) for source in sources), key=_begin_s):
        windower.push(item)
        heard_s = max(heard_s, _end_s(item)) if isinstance(item, Sound) else heard_s
        windows += _popped(windower)
    windower.finish()
    windows += _popped(windower)
    return _footage(windows, heard_s, media)


def duration_s(media: Media) -> float | None:
    """Seconds of a clip, where its files tell. Raises MediaError for what is no media file."""
    lengths = [s.duration_s for s, _, _ in _sources(media, None) if s.duration_s is not None]
    ends = [*lengths, *([media.end_s] if media.end_s is not None else [])]
    return min(ends) - media.start_s if ends else None


def _sources(media: Media, fps: float | None) -> list[tuple[FileSource, bool, bool]]:
    """Each with whether its pictures and its sound are wanted."""
    sources = []
    if media.video is not None:
        source = FileSource(media.video, fps=fps)
        sources.append((source, source.has_video, source.has_audio and media.audio is None))
        if not source.has_video and media.audio is not None:
            raise MediaError(f"{media.video}: has no pictures")
    if media.audio is not None:
        source = FileSource(media.audio, fps=fps)
        if not source.has_audio:
            raise MediaError(f"{media.audio}: has no sound")
        sources.append((source, False, True))
    return sources


def _items(media: Media, source: FileSource, video: bool, audio: bool) -> Iterator[Item]:
    """What lies in the clip, at the clip's own time. Raises MediaError where the file is cut."""
    newest_s = media.start_s
    for item in source.items(media.start_s):
        if media.end_s is not None and _begin_s(item) >= media.end_s + _LATENESS_S:
            return
        newest_s = max(newest_s, _end_s(item))
        if isinstance(item, Sound):
            cut = _cut(item, media) if audio else None
            if cut is not None:
                yield cut
        elif video and _inside(item.time_s, media):
            yield Frame(item.time_s - media.start_s, item.rgb)
    _check_whole(media, source, newest_s)


def _check_whole(media: Media, source: FileSource, newest_s: float) -> None:
    """A file that has ended should be as long as it says: the rest of a cut one is not there."""
    ends = [end_s for end_s in (source.duration_s, media.end_s) if end_s is not None]
    needed_s = min(ends, default=0.0)
    if needed_s > media.start_s and newest_s < needed_s - _SHORT_S:
        raise MediaError(
            f"{media.video or media.audio}: damaged or cut: it ends at {newest_s:.1f} s of "
            f"{needed_s:.1f} s"
        )


def _inside(time_s: float, media: Media) -> bool:
    return time_s >= media.start_s and (media.end_s is None or time_s < media.end_s)


def _cut(sound: Sound, media: Media) -> Sound | None:
    """What of a sound lies in the clip."""
    first = max(0, round((media.start_s - sound.start_s) * SAMPLE_RATE))
    last = len(sound.samples)
    if media.end_s is not None:
        last = min(last, round((media.end_s - sound.start_s) * SAMPLE_RATE))
    if last <= first:
        return None
    start_s = sound.start_s - media.start_s + first / SAMPLE_RATE
    return Sound(start_s, sound.samples[first:last])


def _begin_s(item: Item) -> float:
    return item.time_s if isinstance(item, Frame) else item.start_s


def _end_s(item: Item) -> float:
    if isinstance(item, Frame):
        return item.time_s
    return item.start_s + len(item.samples) / SAMPLE_RATE


def _popped(windower: Windower) -> Iterator[Window]:
    while (window := windower.pop()) is not None:
        yield window


def _footage(windows: list[Window], heard_s: float, media: Media) -> Footage:
    held = [window for window in windows if window.grids or window.samples is not None]
    if len(held) > 1 and not held[-1].grids and _heard(held[-1], heard_s) < _SHORTEST_TAIL:
        held.pop()
    if not held:
        raise MediaError(f"{media.video or media.audio}: nothing lies in the span asked for")
    return Footage(tuple(raw_window(window) for window in held), _heard(held[-1], heard_s))


def _heard(last: Window, heard_s: float) -> int:
    samples = round((heard_s - last.start_s) * SAMPLE_RATE)
    return max(0, min(WINDOW_SAMPLES, samples))


def raw_window(window: Window) -> RawWindow:
    """The arrays of a window as the sieve takes them."""
    return RawWindow(
        start_s=window.start_s,
        grids=tuple(grid.pixels for grid in window.grids),
        grid_times_s=tuple(grid.time_s for grid in window.grids),
        grid_s=window.grid_s,
        samples=window.samples,
        lookahead=window.lookahead,
    )


class MediaShelf:
    """Footage that was read lately, up to a number of bytes: clips come back in every epoch."""

    def __init__(self, fps: float, most_bytes: int) -> None:
        self._fps, self._most_bytes = fps, most_bytes
        self._held: OrderedDict[Media, Footage] = OrderedDict()
        self._bytes = 0

    def read(self, media: Media) -> Footage:
        """As ``read_footage``. Raises MediaError."""
        if media in self._held:
            self._held.move_to_end(media)
            return self._held[media]
        footage = read_footage(media, self._fps)
        self._held[media] = footage
        self._bytes += _bytes_of(footage)
        while self._bytes > self._most_bytes and len(self._held) > 1:
            self._bytes -= _bytes_of(self._held.popitem(last=False)[1])
        return footage


def _bytes_of(footage: Footage) -> int:
    pictures = sum(pair.nbytes for window in footage.windows for pair in window.grids)
    sounds = sum(w.samples.nbytes for w in footage.windows if w.samples is not None)
    return pictures + sounds
