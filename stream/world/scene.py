"""A synthetic audio-visual world without an end: shapes, symbols, sounds, and the truth about them.

One seed and one plot make one world: a chain of segments in which things are visible, a digit may
appear and sounds may be heard. Any frame and any stretch of sound can be rendered in any order: the
same seed and time always give the same pixels and samples. The world asks questions about itself
whose answers it knows. It serves the training of the built-in model, the demonstration, the
evaluation and the tests.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from stream.world.draw import CELL, NATIVE_SIZE, Cells, Look, cells, choose_look, draw
from stream.world.plot import FIRST_WORLD, Plot
from stream.world.questions import KINDS, Question, ask
from stream.world.segment import (
    COLOURS,
    OBJECTS,
    SHAPES,
    SOUNDS,
    SYMBOLS,
    Segment,
    Sound,
    Symbol,
    Thing,
)
from stream.world.tones import SAMPLE_RATE, add, noise, waveform

__all__ = [
    "CELL",
    "COLOURS",
    "KINDS",
    "NATIVE_SIZE",
    "OBJECTS",
    "SAMPLE_RATE",
    "SHAPES",
    "SOUNDS",
    "SYMBOLS",
    "Question",
    "Scene",
    "Segment",
    "Sound",
    "Symbol",
    "Thing",
]


class Scene:
    """An endless world."""

    def __init__(self, seed: int, plot: Plot = FIRST_WORLD) -> None:
        if seed < 0:
            raise ValueError(f"a scene's seed must be 0 or more, not {seed}")
        self.seed = seed
        self.plot = plot
        self._segments: list[Segment] = []
        self._ends: list[float] = []
        self._look_cache: tuple[int, Look] | None = None
        self._noise_level = float(np.random.default_rng([seed, 1]).uniform(0.001, 0.01))

    def segment_at(self, time_s: float) -> Segment:
        """The segment that is visible at ``time_s``."""
        self._grow(time_s)
        return self._segments[bisect_right(self._ends, time_s)]

    def segments(self, start_s: float, end_s: float) -> tuple[Segment, ...]:
        """The segments that overlap [start_s, end_s), in order."""
        self._grow(max(start_s, end_s))
        first = bisect_right(self._ends, start_s)
        found = self._segments[first : bisect_right(self._ends, end_s) + 1]
        return tuple(segment for segment in found if segment.start_s < end_s)

    def cells(self, time_s: float) -> Cells:
        """The cells (row-major, 3 x 3) in use at ``time_s``."""
        segment = self.segment_at(time_s)
        return cells(segment, self._look(segment), time_s)

    def frame(self, time_s: float, size: int = NATIVE_SIZE) -> NDArray[np.uint8]:
        """The picture at ``time_s``: RGB u8 [size, size, 3], size a multiple of 84."""
        if size <= 0 or size % NATIVE_SIZE:
            raise ValueError(f"a frame's size must be a multiple of {NATIVE_SIZE}, not {size}")
        segment = self.segment_at(time_s)
        image = draw(segment, self._look(segment), time_s, self.seed)
        scale = size // NATIVE_SIZE
        return image if scale == 1 else image.repeat(scale, 0).repeat(scale, 1)

    def sound(self, start_s: float, samples: int) -> NDArray[np.float32]:
        """``samples`` of sound from ``start_s``, 16 kHz mono f32; exact for any cut."""
        if samples < 0:
            raise ValueError(f"the number of samples must be 0 or more, not {samples}")
        first = round(start_s * SAMPLE_RATE)
        last = first + samples
        out = noise(first, samples, self._noise_level)
        for segment in self.segments(start_s, last / SAMPLE_RATE + 1e-9):
            for place, sound in enumerate(segment.sounds):
                if sound.start_s < last / SAMPLE_RATE and sound.end_s > first / SAMPLE_RATE:
                    wave = self._waveform(segment, place)
                    add(out, wave, round(sound.start_s * SAMPLE_RATE) - first)
        return out

    def questions(
        self,
        now_s: float,
        since_s: float,
        rng: np.random.Generator,
        kinds: Collection[str] | None = None,
    ) -> list[Question]:
        """What can be asked at ``now_s`` about [since_s, now_s): at most one question of each of
        the plot's kinds, or of those of them that are among ``kinds``.

        Nothing is asked whose truth hangs on an edge of the span. Raises ValueError for an empty
        one.
        """
        if now_s <= since_s:
            raise ValueError(f"an empty span: now {now_s} s is not after {since_s} s")
        wanted = [kind for kind in self.plot.kinds if kinds is None or kind in kinds]
        return ask(self.segments(since_s, now_s), since_s, now_s, rng, wanted)

    def _grow(self, time_s: float) -> None:
        if time_s < 0:
            raise ValueError(f"a scene begins at 0 s; there is nothing at {time_s} s")
        while not self._ends or self._ends[-1] <= time_s:
            segment = self.plot.next(self.seed, self._segments)
            self._segments.append(segment)
            self._ends.append(segment.end_s)

    def _waveform(self, segment: Segment, place: int) -> NDArray[np.float32]:
        sound = segment.sounds[place]
        source = [self.seed, 4, segment.index, place] if place else [self.seed, 4, segment.index]
        samples = round((sound.end_s - sound.start_s) * SAMPLE_RATE)
        return waveform(sound.name, samples, np.random.default_rng(source))

    def _look(self, segment: Segment) -> Look:
        if self._look_cache is None or self._look_cache[0] != segment.index:
            rng = np.random.default_rng([self.seed, 5, segment.index])
            self._look_cache = (segment.index, choose_look(segment, rng))
        return self._look_cache[1]
