"""What may be seen and heard of a media file for a question, on a clock that starts with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sieve.eval.benchmarks.item import Unusable
from sieve.tokens import RawWindow
from sieve.train.backbone.media import raw_window
from stream.source import FileSource
from stream.window import SAMPLE_RATE, Frame, Item, Sound, Window
from stream.windower import Windower

Tracks = Literal["both", "video", "audio", "none"]

LATENESS_S = 10.0  # containers interleave their tracks within a few seconds
SHORT_S = 1.0  # tracks need not end together, nor does a file end with its last frame
_MAX_SIDE = 1920  # pictures are scaled to the model's size later, once


@dataclass(frozen=True, slots=True)
class Watch:
    """A media file from ``start_s`` on, at ``fps`` pictures a second, with some of its tracks."""

    media: Path
    start_s: float
    fps: int
    tracks: Tracks


class Recording:
    """Gives out the items of a :class:`Watch` up to ever later moments, each once.

    Times are seconds from its start. Tracks are interleaved loosely in files: what one track is
    ahead is kept for later.
    """

    def __init__(self, watch: Watch) -> None:
        """Raises MediaError for a file that cannot be read, Unusable where it has no such track or
        ends before the start."""
        self._source = FileSource(watch.media, fps=watch.fps, max_side=_MAX_SIDE)
        self.has_video = watch.tracks in ("both", "video") and self._source.has_video
        self.has_audio = watch.tracks in ("both", "audio") and self._source.has_audio
        if watch.tracks != "none" and not (self.has_video or self.has_audio):
            raise Unusable(f"{watch.media} has no {watch.tracks} track")
        length_s = self._source.duration_s
        self.length_s = None if length_s is None else length_s - watch.start_s
        if self.length_s is not None and self.length_s <= 0:
            raise Unusable(
                f"{watch.media} ends at {length_s:.1f} s; {watch.start_s:g} s and what follows are "
                "asked about"
            )
        self.newest_s = 0.0  # the end of what was given out
        self._read_s = 0.0  # the end of what was read of any track
        self._start_s = watch.start_s
        self._raw = self._source.items(watch.start_s) if self.has_video or self.has_audio else None
        self._ahead: deque[Item] = deque()

    def until(self, moment_s: float | None) -> Iterator[Item]:
        """What lies before ``moment_s`` (None: the end) and was not given out yet.

        Raises MediaError, and Unusable for a file that is damaged before that moment.
        """
        end_s = float("inf") if moment_s is None else moment_s
        waiting, self._ahead = self._ahead, deque()
        for item in waiting:
            yield from self._before(item, end_s)
        for item in self._items():
            yield from self._before(item, end_s)
            if _begin_of(item) >= end_s + LATENESS_S:
                break
        else:
            self._check_whole(end_s)

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()

    def _items(self) -> Iterator[Item]:
        """The wanted tracks from the start on, on the clock that begins there."""
        for raw in self._raw or ():
            self._read_s = max(self._read_s, _end_of(raw) - self._start_s)
            wanted = self.has_video if isinstance(raw, Frame) else self.has_audio
            if wanted and (item := _from(raw, self._start_s)) is not None:
                yield item

    def _before(self, item: Item, end_s: float) -> Iterator[Item]:
        """The part of ``item`` before ``end_s``; the rest waits."""
        first, rest = _cut(item, end_s)
        if rest is not None:
            self._ahead.append(rest)
        if first is not None:
            self.newest_s = max(self.newest_s, _end_of(first))
            yield first

    def _check_whole(self, end_s: float) -> None:
        """A file that has ended should be as long as it says, whichever of its tracks are wanted: a
        benchmark is then scored on the same files with sound and without."""
        if self.length_s is None or self._raw is None:
            return
        needed_s = min(end_s, self.length_s)
        if self._read_s < needed_s - SHORT_S:
            raise Unusable(
                f"the file is damaged or cut: {self._read_s:.1f} s of {needed_s:.1f} s can be read"
            )


class Windows:
    """The windows of a recording, as a live stream would bring them."""

    def __init__(self, recording: Recording, fps: int) -> None:
        self._recording = recording
        self._now_s = 0.0
        self._windower = Windower(
            fps=fps,
            lateness_s=LATENESS_S,
            has_audio=recording.has_audio,
            has_video=recording.has_video or not recording.has_audio,  # nothing comes of none
        )

    def until(self, moment_s: float | None) -> Iterator[RawWindow]:
        """The windows that have closed by ``moment_s`` (None: the end) and did not come before.

        Raises MediaError, Unusable.
        """
        for item in self._recording.until(moment_s):
            self._windower.push(item)
            yield from self._closed()
        newest_s = self._recording.newest_s
        self._now_s = newest_s if moment_s is None else min(moment_s, newest_s)
        self._windower.advance(self._now_s + LATENESS_S)
        yield from self._closed()

    def opened(self) -> RawWindow | None:
        """What there is then of the window that is still open."""
        window = self._windower.open_window(self._now_s)
        return raw_window(window) if window and _holds_something(window) else None

    def _closed(self) -> Iterator[RawWindow]:
        while window := self._windower.pop():
            if _holds_something(window):
                yield raw_window(window)


def _holds_something(window: Window) -> bool:
    return bool(window.grids) or (window.samples is not None and len(window.samples) > 0)


def _from(item: Item, start_s: float) -> Item | None:
    """An item on the clock that begins at ``start_s``, without what lies before; None: nothing."""
    if isinstance(item, Frame):
        return replace(item, time_s=item.time_s - start_s) if item.time_s >= start_s else None
    skipped = max(0, round((start_s - item.start_s) * SAMPLE_RATE))
    if skipped >= len(item.samples):
        return None
    return Sound(item.start_s + skipped / SAMPLE_RATE - start_s, item.samples[skipped:])


def _cut(item: Item, at_s: float) -> tuple[Item | None, Item | None]:
    """What of an item lies before ``at_s``, and what from there on."""
    if _begin_of(item) >= at_s:
        return None, item
    if isinstance(item, Frame) or _end_of(item) <= at_s:
        return item, None
    samples = round((at_s - item.start_s) * SAMPLE_RATE)
    return (
        Sound(item.start_s, item.samples[:samples]),
        Sound(item.start_s + samples / SAMPLE_RATE, item.samples[samples:]),
    )


def _begin_of(item: Item) -> float:
    return item.time_s if isinstance(item, Frame) else item.start_s


def _end_of(item: Item) -> float:
    if isinstance(item, Frame):
        return item.time_s
    return item.start_s + len(item.samples) / SAMPLE_RATE
