"""From frames and sounds on the session clock to windows of two seconds. Pure: no wall clock.

Windows lie at [2 i, 2 i + 2) and tile the time line: every sample and every frame that came in time
is in exactly one of them, and what did not come is recorded as a gap. Three limits keep the memory
of a :class:`Windower` bounded, whatever is pushed into it:

* at most ``MAX_OPEN`` windows are open at once; one more closes the oldest;
* at most ``MAX_READY`` closed windows wait for :meth:`Windower.pop`; one more drops the oldest;
* where nothing arrives for long (a paused camera, a laptop asleep, a clock that jumped hours), the
  first ``MAX_EMPTY`` windows still come, empty and marked as gaps, so that everyone downstream
  notices; then none until something arrives. The gap in the next window then starts where the last
  window ended, so windows and gaps together still tile the time line.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream.window import (
    LOOKAHEAD_SAMPLES,
    SAMPLE_RATE,
    TIME_EPSILON_S,
    WINDOW_S,
    WINDOW_SAMPLES,
    Frame,
    Gap,
    Grid,
    Item,
    Sound,
    Window,
)

MAX_OPEN = 16
MAX_READY = 32
MAX_EMPTY = 2
MAX_SOUND_S = 20.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What did not make it into a window since the start."""

    late_frames: int = 0  # their window had closed
    late_samples: int = 0
    doubled_samples: int = 0  # a sample of that time was there already; the first one stays
    dropped_windows: int = 0  # closed, but never popped


class _Open:
    """A window still taking items. ``samples`` [32000] and which of them came, ``came`` [32000]."""

    __slots__ = ("came", "frames", "newest_s", "samples")

    def __init__(self) -> None:
        self.samples = np.zeros(WINDOW_SAMPLES, np.float32)
        self.came = np.zeros(WINDOW_SAMPLES, np.bool_)
        self.frames: dict[int, Frame] = {}  # by tick within the window

    def write(self, offset: int, samples: NDArray[np.float32]) -> int:
        """Fills what had not come yet; returns how many samples were there already."""
        end = offset + len(samples)
        new = ~self.came[offset:end]
        self.samples[offset:end][new] = samples[new]
        self.came[offset:end] = True
        return len(samples) - int(new.sum())

    @property
    def heard(self) -> int:
        """One past the last sample that came, relative to the window."""
        return int(WINDOW_SAMPLES - np.argmax(self.came[::-1])) if self.came.any() else 0


class Windower:
    """Collects items and gives out windows in order.

    ``fps`` is a whole number of ticks a second; the first frame at or after a tick and before the
    next represents it. A window closes when all of its samples, the 40 that follow it and a frame
    of the time after it have come, or ``lateness_s`` after its end by :meth:`advance`. Frames of a
    stream are expected in order; sounds may come in any order within the lateness.
    """

    def __init__(
        self,
        *,
        fps: float = 2.0,
        lateness_s: float = 0.3,
        has_audio: bool = True,
        has_video: bool = True,
        start_s: float = 0.0,
    ) -> None:
        """``start_s``: where the stream begins; what was captured earlier is late.

        Raises ValueError where fps is not a whole number from 1 to 30, or there is no track.
        """
        if not (1 <= fps <= 30 and float(fps).is_integer()):
            raise ValueError(f"fps must be a whole number from 1 to 30, not {fps}")
        if not (has_audio or has_video):
            raise ValueError("a stream needs an audio or a video track")
        if not (math.isfinite(start_s) and start_s >= 0 and lateness_s >= 0):
            raise ValueError("start_s and lateness_s must be finite and not negative")
        self._fps = int(fps)
        self._ticks = int(WINDOW_S * fps)  # per window
        self._lateness_s = lateness_s
        self._has_audio = has_audio
        self._has_video = has_video
        self._open: dict[int, _Open] = {}
        self._ready: deque[Window] = deque()
        self._next = int(start_s // WINDOW_S)  # the oldest window that is not closed
        self._tiled_s = self._next * WINDOW_S  # windows and gaps have told of all before it
        self._empty_run = MAX_EMPTY  # nothing is told before the first item
        self._newest_frame_s = -math.inf
        self._finished = False
        self._losses = Losses()

    @property
    def losses(self) -> Losses:
        """What came too late, twice, or was not fetched."""
        return self._losses

    def push(self, item: Item) -> None:
        """Takes one item. Raises ValueError where it is malformed or the stream has ended."""
        if self._finished:
            raise ValueError("the stream has been finished; start a new Windower")
        if isinstance(item, Frame):
            self._push_frame(item)
        else:
            self._push_sound(item)
        while len(self._open) > MAX_OPEN:
            self._close_up_to(min(self._open))
        while self._next in self._open and self._passed(self._next):
            self._close_up_to(self._next)

    def advance(self, now_s: float) -> None:
        """The clock: closes every window whose end lies ``lateness_s`` or more before ``now_s``."""
        settled_s = now_s - self._lateness_s + TIME_EPSILON_S
        due = math.floor(settled_s / WINDOW_S) - 1  # the last one that is due
        if due >= self._next:
            self._close_up_to(due)

    def pop(self) -> Window | None:
        """The next closed window, or None."""
        return self._ready.popleft() if self._ready else None

    def open_window(self, now_s: float) -> Window | None:
        """The oldest window still open, as far as it has come by ``now_s``; changes nothing.

        None where nothing has come in it. Just after an even second that may still be the window
        before: it is the one that directly follows what :meth:`pop` gave.
        """
        index = min(self._open, default=None)
        if index is None or index * WINDOW_S > now_s:
            return None
        window = self._build(index, self._open[index])
        heard = self._open[index].heard
        audio_s = window.start_s + heard / SAMPLE_RATE
        video_s = now_s // window.grid_s * window.grid_s
        samples = None if window.samples is None else window.samples[:heard]
        return replace(_missing_until(window, audio_s, video_s), samples=samples)

    def finish(self, end_s: float | None = None) -> None:
        """The end of the stream: what is open becomes windows, padded with silence.

        Where it is known to have ended at ``end_s``, the last window ends there, nothing is missing
        after it, and no window begins there or later.
        """
        self._finished = True
        begun = [i for i in self._open if end_s is None or i * WINDOW_S < end_s]
        if begun:
            self._close_up_to(max(begun))
            if end_s is not None:
                self._ready[-1] = _ended(self._ready[-1], end_s)
        self._open.clear()

    def _push_frame(self, frame: Frame) -> None:
        if frame.rgb.dtype != np.uint8 or frame.rgb.ndim != 3 or frame.rgb.shape[2] != 3:
            raise ValueError(f"a frame is uint8 [H, W, 3], not {frame.rgb.dtype} {frame.rgb.shape}")
        if not self._has_video:
            raise ValueError("a frame came, but the stream was declared without video")
        tick = math.floor((_finite(frame.time_s) + TIME_EPSILON_S) * self._fps)
        index, slot = divmod(tick, self._ticks)
        if index < self._next:
            self._count(late_frames=1)
            return
        self._newest_frame_s = max(self._newest_frame_s, frame.time_s)
        frames = self._window(index).frames
        if slot not in frames or frame.time_s < frames[slot].time_s:
            frames[slot] = frame

    def _push_sound(self, sound: Sound) -> None:
        if sound.samples.dtype != np.float32 or sound.samples.ndim != 1:
            shape = f"{sound.samples.dtype} {sound.samples.shape}"
            raise ValueError(f"a sound is float32 [S], not {shape}")
        if not self._has_audio:
            raise ValueError("a sound came, but the stream was declared without audio")
        if len(sound.samples) > MAX_SOUND_S * SAMPLE_RATE:
            raise ValueError(f"a sound is at most {MAX_SOUND_S:g} s long; cut it into pieces")
        first = round(_finite(sound.start_s) * SAMPLE_RATE)
        for index, offset, piece in _cut(first, sound.samples):
            if index < self._next:
                self._count(late_samples=len(piece))
            else:
                self._count(doubled_samples=self._window(index).write(offset, piece))

    def _window(self, index: int) -> _Open:
        if index not in self._open:
            self._open[index] = _Open()
        return self._open[index]

    def _passed(self, index: int) -> bool:
        """Whether all that can belong to the window has come."""
        if self._has_video and self._newest_frame_s + TIME_EPSILON_S < (index + 1) * WINDOW_S:
            return False
        if not self._has_audio:
            return True
        follower = self._open.get(index + 1)
        return (
            follower is not None
            and bool(follower.came[:LOOKAHEAD_SAMPLES].all())
            and bool(self._open[index].came.all())
        )

    def _close_up_to(self, last: int) -> None:
        """Closes all windows up to ``last``; of a long empty stretch only the first few."""
        while self._next <= last:
            content = self._open.get(self._next)
            if content is None and self._empty_run >= MAX_EMPTY:
                self._next = min((i for i in self._open if i <= last), default=last + 1)
                continue
            self._empty_run = 0 if content is not None else self._empty_run + 1
            self._emit(self._build(self._next, content if content is not None else _Open()))
            self._open.pop(self._next, None)
            self._next += 1

    def _emit(self, window: Window) -> None:
        self._tiled_s = window.end_s
        self._ready.append(window)
        if len(self._ready) > MAX_READY:
            self._ready.popleft()
            self._count(dropped_windows=1)

    def _build(self, index: int, content: _Open) -> Window:
        start_s = index * WINDOW_S
        grids = tuple(self._grids(start_s, content))
        samples = content.samples.copy() if self._has_audio else None
        times = [frame.time_s for frame in content.frames.values()]
        return Window(
            index=index,
            start_s=start_s,
            end_s=start_s + WINDOW_S,
            grids=grids,
            grid_s=2 / self._fps,
            newest_frame_s=max(times, default=None),
            samples=samples,
            lookahead=self._lookahead(index) if self._has_audio else None,
            gaps=tuple(self._gaps(start_s, grids, content)),
        )

    def _grids(self, start_s: float, content: _Open) -> Iterator[Grid]:
        for slot in range(0, self._ticks, 2):
            pair = [content.frames[s] for s in (slot, slot + 1) if s in content.frames]
            if not pair:
                continue
            if pair[0].rgb.shape != pair[-1].rgb.shape:  # the sender changed its picture size
                pair = pair[-1:]
            pixels = np.stack([pair[0].rgb, pair[-1].rgb])
            yield Grid(start_s + slot / self._fps, pixels)

    def _lookahead(self, index: int) -> NDArray[np.float32]:
        follower = self._open.get(index + 1)
        if follower is None:
            return np.zeros(LOOKAHEAD_SAMPLES, np.float32)
        return follower.samples[:LOOKAHEAD_SAMPLES].copy()

    def _gaps(self, start_s: float, grids: tuple[Grid, ...], content: _Open) -> Iterator[Gap]:
        if self._has_video:
            periods = self._ticks // 2
            seen = np.zeros(periods, np.bool_)
            for grid in grids:
                seen[round((grid.time_s - start_s) / WINDOW_S * periods)] = True
            for a, b in self._missing(start_s, seen):
                yield Gap("video", a, b)
        if self._has_audio:
            for a, b in self._missing(start_s, content.came):
                yield Gap("audio", a, b)

    def _missing(self, start_s: float, came: NDArray[np.bool_]) -> Iterator[tuple[float, float]]:
        """The runs of False in ``came`` as session time, with a skipped stretch before them."""
        edges = np.flatnonzero(np.diff(np.concatenate(([True], came, [True]))))
        runs = [
            (start_s + a * WINDOW_S / len(came), start_s + b * WINDOW_S / len(came))
            for a, b in edges.reshape(-1, 2).tolist()
        ]
        if self._tiled_s < start_s:
            end_s = runs.pop(0)[1] if runs and runs[0][0] == start_s else start_s
            runs.insert(0, (self._tiled_s, end_s))
        return iter(runs)

    def _count(self, **more: int) -> None:
        totals = {name: getattr(self._losses, name) + n for name, n in more.items()}
        self._losses = replace(self._losses, **totals)


def _ended(window: Window, end_s: float) -> Window:
    """The last window of a stream; a grid that had only begun is not missing."""
    told = _missing_until(window, end_s, end_s // window.grid_s * window.grid_s)
    return replace(told, end_s=min(window.end_s, end_s))


def _missing_until(window: Window, audio_s: float, video_s: float) -> Window:
    """The window without what its gaps tell of later times."""
    until_s = {"audio": audio_s, "video": video_s}
    gaps = tuple(
        replace(gap, end_s=min(gap.end_s, until_s[gap.kind]))
        for gap in window.gaps
        if gap.start_s < until_s[gap.kind]
    )
    return replace(window, gaps=gaps)


def _finite(time_s: float) -> float:
    if not math.isfinite(time_s):
        raise ValueError(f"a time on the session clock is a finite number, not {time_s}")
    return time_s


def _cut(
    first: int, samples: NDArray[np.float32]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Cuts at window boundaries: (window index, offset inside it, samples [<= 32000])."""
    done = 0
    while done < len(samples):
        index, offset = divmod(first + done, WINDOW_SAMPLES)
        piece = samples[done : done + WINDOW_SAMPLES - offset]
        yield index, offset, piece
        done += len(piece)
