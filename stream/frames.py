"""Decoded frames of PyAV to what windows are made of: RGB pictures and 16 kHz mono sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from stream.clock import SoundPlacer
from stream.window import SAMPLE_RATE, Sound

MAX_SIDE = 448  # default longest side of a picture; towers see fewer pixels than cameras give

# Time stamps in files are rounded (Matroska: to 1 ms) and recorders' jitter; what differs by more
# is a hole in the sound.
_HOLE_S = 0.005


def to_rgb(frame: av.VideoFrame, max_side: int = MAX_SIDE) -> NDArray[np.uint8]:
    """RGB, uint8 [H, W, 3], upright, its longest side at most ``max_side`` (never enlarged).

    Scaling and colour conversion are one pass. A display matrix (phones film sideways) is honoured.
    """
    scale = min(1.0, max_side / max(frame.width, frame.height))
    rgb = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgb24",
        interpolation="AREA" if scale < 1 else "BILINEAR",
    )
    pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 counts
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


class SoundMaker:
    """Turns decoded audio of any rate and layout into 16 kHz mono :class:`Sound` without a seam.

    Sample accounting is exact: the resampler gives out sample k for time k / 16000 after its first
    input, so each block's time follows from that of the frame it came in with. A hole in the
    frames' own time stamps stays a hole of the same length; a slow drift between them and the
    session clock is absorbed (see :class:`stream.clock.SoundPlacer`).
    """

    def __init__(self) -> None:
        self._placer = SoundPlacer()
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._taken = 0  # input samples since the resampler's start
        self._given = 0  # output samples since the resampler's start
        self._expected_s: float | None = None  # the next frame's time stamp where nothing is lost
        self._anchor_s = 0.0  # session time of the resampler's first sample, by the newest frame

    def push(self, frame: av.AudioFrame, at_s: float) -> Iterator[Sound]:
        """Takes a frame whose first sample was captured at ``at_s`` on the session clock.

        ``frame.pts`` says where it lies on the track's own time line; without it the frame is taken
        to follow the one before.
        """
        yield from self._meet(frame)
        rate = frame.sample_rate
        self._anchor_s = at_s - self._taken / rate
        self._taken += frame.samples
        assert self._resampler is not None
        frame.pts = None  # the counting is ours
        for out in self._resampler.resample(frame):
            yield from self._place(out)

    def flush(self) -> Iterator[Sound]:
        """The end of the track, or of a stretch of it: the samples still in the resampler."""
        if self._resampler is not None:
            for out in self._resampler.resample(None):
                yield from self._place(out)
        self._resampler = None
        self._expected_s = None

    def _meet(self, frame: av.AudioFrame) -> Iterator[Sound]:
        """Flushes before a hole or a change of format; starts a resampler where there is none."""
        stamp_s = frame.time if frame.pts is not None else self._expected_s
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        hole_s = 0.0
        if stamp_s is not None and self._expected_s is not None:
            hole_s = stamp_s - self._expected_s
        if abs(hole_s) > _HOLE_S or layout != self._format:
            yield from self.flush()
        if hole_s > _HOLE_S:
            self._placer.skip(hole_s)
        elif hole_s < -_HOLE_S:
            self._placer.restart()
        if self._resampler is None:
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            self._format, self._taken, self._given = layout, 0, 0
        if stamp_s is not None:
            self._expected_s = stamp_s + frame.samples / frame.sample_rate

    def _place(self, out: av.AudioFrame) -> Iterator[Sound]:
        samples: NDArray[np.float32] = out.to_ndarray().reshape(-1).astype(np.float32, copy=False)
        placed = self._placer.place(self._anchor_s + self._given / SAMPLE_RATE, len(samples))
        self._given += len(samples)
        yield Sound(placed.start / SAMPLE_RATE, stretched(samples, placed.count))


def stretched(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """``samples`` [S] as ``count`` samples over the same span, by linear interpolation."""
    if count == len(samples):
        return samples
    positions = np.linspace(0, len(samples) - 1, count)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


def joined(sounds: Iterable[Sound]) -> Iterator[Sound]:
    """The same samples at the same times; sounds that follow each other become one."""
    run: list[Sound] = []
    end = 0
    for sound in sounds:
        first = round(sound.start_s * SAMPLE_RATE)
        if run and first != end:
            yield _one(run)
            run = []
        run.append(sound)
        end = first + len(sound.samples)
    if run:
        yield _one(run)


def _one(run: list[Sound]) -> Sound:
    return Sound(run[0].start_s, np.concatenate([sound.samples for sound in run]))
