"""What the tokens of a rendered stream hold: the labels of the towers, the sieve and the decoder.

A window of 2 s has 68 tokens: two grids of 3 x 3 cells (two frames each), then 50 tokens of sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream.scene import COLOURS, OBJECTS, SHAPES, SOUNDS, SYMBOLS, Scene, Segment

CELLS = 9
GRIDS = 2
VIDEO_TOKENS = GRIDS * CELLS
AUDIO_TOKENS = 50
WINDOW_TOKENS = VIDEO_TOKENS + AUDIO_TOKENS
WINDOW_S = 2.0
TICKS = 4  # frames a window
TOKEN_S = 0.04
UNSURE = -1  # a label that teaches nothing
NO_OBJECT, NO_SOUND, NO_SYMBOL = len(OBJECTS), len(SOUNDS), len(SYMBOLS)
NEAR_S = 0.5  # a sound belongs to the tokens this near to it, within its segment


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """Of each frame [F]: object 0..23, its cell; symbol 0..9 and its cell, -1 where none."""

    object: NDArray[np.int64]
    cell: NDArray[np.int64]
    symbol: NDArray[np.int64]
    symbol_cell: NDArray[np.int64]


def frame_truth(scene: Scene, times_s: NDArray[np.float64]) -> FrameTruth:
    rows = []
    for time_s in times_s:
        segment = scene.segment_at(float(time_s))
        cell, symbol_cell = scene.cells(float(time_s))
        symbol = UNSURE if segment.symbol is None else SYMBOLS.index(segment.symbol)
        rows.append((_object_id(segment), cell, symbol, UNSURE if symbol < 0 else symbol_cell))
    return FrameTruth(*np.array(rows, dtype=np.int64).T)


def cell_labels(truth: FrameTruth) -> NDArray[np.int64]:
    """[G, 9, 3]: colour, shape, symbol in each cell of each pair of frames, 0 for none (else + 1).

    Where the two frames of a pair show different objects in one cell the label is -1.
    """
    pairs = len(truth.object) // 2
    labels = np.zeros((pairs, CELLS, 3), np.int64)
    for frame in (0, 1):
        obj, cell = truth.object[frame::2], truth.cell[frame::2]
        symbol, symbol_cell = truth.symbol[frame::2], truth.symbol_cell[frame::2]
        for g in range(pairs):
            _put(labels[g], int(cell[g]), (1 + obj[g] // len(SHAPES), 1 + obj[g] % len(SHAPES)))
            if symbol[g] >= 0:
                at = labels[g, symbol_cell[g], 2:]
                at[:] = 1 + symbol[g] if at[0] in (0, 1 + symbol[g]) else UNSURE
    return labels


def _put(cells: NDArray[np.int64], cell: int, colour_shape: tuple[int, int]) -> None:
    old = tuple(cells[cell, :2])
    cells[cell, :2] = colour_shape if old in ((0, 0), colour_shape) else UNSURE


def sound_labels(scene: Scene, start_s: float, tokens: int) -> NDArray[np.int64]:
    """[tokens] of 40 ms from ``start_s``: sound + 1, 0 where it is silent."""
    labels = np.zeros(tokens, np.int64)
    for segment in scene.segments(start_s, start_s + tokens * TOKEN_S):
        if segment.sound is not None:
            first = round((segment.sound_start_s - start_s) / TOKEN_S)
            last = round((segment.sound_end_s - start_s) / TOKEN_S)
            labels[max(0, first) : max(0, last)] = 1 + SOUNDS.index(segment.sound)
    return labels


def salient_sound(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """At most three tokens of every run: near its beginning, its middle, near its end."""
    salient = np.zeros(len(labels), bool)
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    for first, end in pairwise(edges):
        if labels[first]:
            last = end - 1
            salient[[min(first + 1, last), (first + last) // 2, max(last - 1, first)]] = True
    return salient


@dataclass(frozen=True, slots=True)
class TokenTruth:
    """Of each token of each window [W, 68]: the segment it shows (index into the scene), the sound
    and the symbol near it (NO_SOUND, NO_SYMBOL where none), and whether it is worth keeping."""

    segment: NDArray[np.int32]
    sound: NDArray[np.int8]
    symbol: NDArray[np.int8]
    salient: NDArray[np.bool_]


def token_truth(
    scene: Scene, offset_s: float, frames: FrameTruth, times_s: NDArray[np.float64]
) -> TokenTruth:
    """Labels of all windows of a stream that began at scene second ``offset_s``; ``times_s`` [F]
    are the scene seconds of its frames."""
    windows = len(times_s) // TICKS
    labels = cell_labels(frames)  # [2 W, 9, 3]
    present = (labels != 0).any(-1).reshape(windows, VIDEO_TOKENS)
    sounds = sound_labels(scene, offset_s, windows * AUDIO_TOKENS)
    heard = salient_sound(sounds).reshape(windows, AUDIO_TOKENS)
    times = np.concatenate(
        [
            _cell_times(frames, times_s).reshape(windows, VIDEO_TOKENS),
            offset_s + (np.arange(windows * AUDIO_TOKENS).reshape(windows, -1) + 0.5) * TOKEN_S,
        ],
        axis=1,
    )
    segment, sound, symbol = _around(scene, times)
    return TokenTruth(segment, sound, symbol, np.concatenate([present, heard], axis=1))


def _cell_times(frames: FrameTruth, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """[G, 9]: when a cell's content is seen: in the first frame, or else in the second."""
    times = np.repeat(times_s[0::2, None], CELLS, axis=1)
    for cells in (frames.cell, frames.symbol_cell):
        for g in np.flatnonzero((cells[0::2] != cells[1::2]) & (cells[1::2] >= 0)):
            times[g, cells[2 * g + 1]] = times_s[2 * g + 1]
    return times


def _around(
    scene: Scene, times_s: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int8]]:
    """Segment, sound and symbol at each time, which come in any shape."""
    segments = scene.segments(float(times_s.min()), float(times_s.max()) + 1e-6)
    starts = np.array([s.start_s for s in segments])
    which = np.searchsorted(starts, times_s, side="right") - 1
    begin = np.array([s.sound_start_s for s in segments])[which] - NEAR_S
    end = np.array([s.sound_end_s for s in segments])[which] + NEAR_S
    names = np.array([NO_SOUND if s.sound is None else SOUNDS.index(s.sound) for s in segments])
    symbols = np.array([NO_SYMBOL if s.symbol is None else int(s.symbol) for s in segments])
    sound = np.where((times_s >= begin) & (times_s < end), names[which], NO_SOUND)
    index = np.array([s.index for s in segments])[which]
    return index.astype(np.int32), sound.astype(np.int8), symbols[which].astype(np.int8)


def _object_id(segment: Segment) -> int:
    return list(COLOURS).index(segment.colour) * len(SHAPES) + SHAPES.index(segment.shape)
