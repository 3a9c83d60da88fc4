"""The words of a stream: frames and sounds on the session clock, and windows of two seconds.

Windows lie at [2 i, 2 i + 2); ``stream.windower`` makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 2.0
SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 32_000
LOOKAHEAD_SAMPLES = 40  # the last mel frame of a window reads 2.5 ms of the next one

TIME_EPSILON_S = 1e-6  # a frame at 0.4999999 s belongs to the tick at 0.5 s


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: capture time on the session clock, uint8 [H, W, 3]."""

    time_s: float
    rgb: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sound:
    """A run of samples, float32 [S], 16 kHz mono; the first was captured at ``start_s``."""

    start_s: float
    samples: NDArray[np.float32]


Item = Frame | Sound


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of session time [start_s, end_s) of which nothing came in time."""

    kind: Literal["video", "audio"]
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Two frames, uint8 [2, H, W, 3], that stand for 2 / fps seconds from ``time_s`` on."""

    time_s: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Window:
    """Session time [start_s, end_s), aligned to multiples of 2 s.

    ``grids`` has one entry per ``grid_s`` = 2 / fps seconds in which at least one frame came; where
    one of the two is missing, or has another size, the other is there twice. ``newest_frame_s`` is
    the capture time of the newest frame in ``grids``. ``samples`` is float32 [32000] with silence
    where none came (the open window: [S], so far), ``lookahead`` float32 [40] what follows it;
    both are ``None`` where the stream has no sound track.
    """

    index: int
    start_s: float
    end_s: float
    grids: tuple[Grid, ...]
    grid_s: float
    newest_frame_s: float | None
    samples: NDArray[np.float32] | None
    lookahead: NDArray[np.float32] | None
    gaps: tuple[Gap, ...]


class Ticks:
    """Which frames of a stream in order can be in a window: the first of every 1 / fps seconds.

    For sources, so that they need not convert the others.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._last = -1

    def wants(self, time_s: float) -> bool:
        """Whether a frame of that capture time represents a tick; True once per tick."""
        tick = math.floor((time_s + TIME_EPSILON_S) * self._fps)
        if tick <= self._last:
            return False
        self._last = tick
        return True
