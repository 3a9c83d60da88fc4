"""What the tokens of a rendered stream hold: the labels of the towers, the sieve and the decoder.

A window of 2 s has 68 tokens: two grids of 3 x 3 cells (two frames each), then 50 tokens of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream.world.questions.span import SHOWN_S
from stream.world.scene import COLOURS, OBJECTS, SHAPES, SOUNDS, SYMBOLS, Scene, Segment, Thing

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
NEAR_S = 0.5  # a sound or a symbol belongs to the tokens this near to it, within its segment


def frame_labels(scene: Scene, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """[F, 9, 3]: colour, shape, symbol in each cell of the frames at ``times_s`` [F], counted from
    1; 0 for none, as in a cell that flickers."""
    labels = np.zeros((len(times_s), CELLS, 3), np.int64)
    for frame, time_s in zip(labels, times_s, strict=True):
        segment, cells = scene.segment_at(float(time_s)), scene.cells(float(time_s))
        for cell, thing in zip(cells.things, segment.things, strict=True):
            frame[cell, :2] = _thing_label(thing)
        if segment.symbol is not None and cells.symbol is not None:
            frame[cells.symbol, 2] = 1 + SYMBOLS.index(segment.symbol.digit)
    return labels


def _thing_label(thing: Thing) -> tuple[int, int]:
    return 1 + list(COLOURS).index(thing.colour), 1 + SHAPES.index(thing.shape)


def cell_labels(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of frames [F, 9, 3] -> of each pair of frames [F / 2, 9, 3], 0 for none.

    Where the two frames of a pair show different things, or different symbols, in one cell the
    label is -1.
    """
    first, second = frames[0::2], frames[1::2]
    labels = np.where(first != 0, first, second)
    differ = (first != 0) & (second != 0) & (first != second)
    labels[..., :2][differ[..., :2].any(-1)] = UNSURE
    labels[..., 2][differ[..., 2]] = UNSURE
    return labels


def sound_labels(scene: Scene, start_s: float, tokens: int) -> NDArray[np.int64]:
    """[tokens] of 40 ms from ``start_s``: sound + 1, 0 where it is silent."""
    labels = np.zeros(tokens, np.int64)
    for segment in scene.segments(start_s, start_s + tokens * TOKEN_S):
        for sound in segment.sounds:
            first = round((sound.start_s - start_s) / TOKEN_S)
            last = round((sound.end_s - start_s) / TOKEN_S)
            labels[max(0, first) : max(0, last)] = 1 + SOUNDS.index(sound.name)
    return labels


@dataclass(frozen=True, slots=True)
class Before:
    """Of each of [tokens] of 40 ms: whether it is ``inside`` one sound alone; which sound had begun
    last before that one (NO_SOUND: none ever), at which scene second (minus infinity), and how many
    seconds before it."""

    inside: NDArray[np.bool_]
    sound: NDArray[np.int8]
    began_s: NDArray[np.float32]
    apart_s: NDArray[np.float32]


def sounds_before(scene: Scene, start_s: float, tokens: int) -> Before:
    """What was heard before what is heard, from scene second ``start_s``."""
    segments = scene.segments(0.0, start_s + tokens * TOKEN_S)
    sounds = sorted((s for segment in segments for s in segment.sounds), key=lambda s: s.start_s)
    # a sound that was never there before the first, one that never comes after the last
    begins = np.array([-np.inf, *(sound.start_s for sound in sounds), np.inf])
    ends = np.array([-np.inf, *(sound.end_s for sound in sounds), np.inf])
    names = np.array([NO_SOUND] + [SOUNDS.index(sound.name) for sound in sounds])
    times_s = start_s + (np.arange(tokens) + 0.5) * TOKEN_S
    sounding = (times_s >= begins[:, None]) & (times_s < ends[:, None])
    own = np.maximum(sounding.argmax(0), 1)
    before = own - 1
    return Before(
        inside=sounding.sum(0) == 1,
        sound=names[before].astype(np.int8),
        began_s=begins[before].astype(np.float32),
        apart_s=(begins[own] - begins[before]).astype(np.float32),
    )


def sounds_so_far(scene: Scene, start_s: float, tokens: int) -> NDArray[np.int64]:
    """[2, tokens] of 40 ms from ``start_s``: the how manieth sound since then a token is inside of,
    and the how manieth of its name; UNSURE outside of one sound alone, and where a sound that
    ``start_s`` cuts leaves it open."""
    times_s = start_s + (np.arange(tokens) + 0.5) * TOKEN_S
    segments = scene.segments(start_s, start_s + tokens * TOKEN_S)
    sounds = sorted((s for segment in segments for s in segment.sounds), key=lambda s: s.start_s)
    cut = {s.name for s in sounds if s.start_s < start_s < s.end_s}
    count = np.zeros(tokens, np.int64)
    labels = np.full((2, tokens), UNSURE)
    names: list[str] = []
    for sound in sounds:
        inside = (times_s >= sound.start_s) & (times_s < sound.end_s)
        count += inside
        if sound.start_s >= start_s:
            names.append(sound.name)
            labels[0, inside] = UNSURE if cut else len(names)
            labels[1, inside] = UNSURE if sound.name in cut else names.count(sound.name)
    labels[:, count != 1] = UNSURE
    return labels


def things_so_far(scene: Scene, start_s: float, end_s: float) -> NDArray[np.int64]:
    """[K, colours] for the K segments between the two: how many different things of a colour were
    there up to each one's end; UNSURE for a colour of which something was there too briefly at
    ``start_s`` to be sure of it."""
    segments = scene.segments(start_s, end_s)
    seen: set[int] = set()
    labels = np.zeros((len(segments), len(COLOURS)), np.int64)
    for row, segment in zip(labels, segments, strict=True):
        seen |= {thing.number for thing in segment.things}
        for number in seen:
            row[number // len(SHAPES)] += 1
    if segments[0].end_s < start_s + SHOWN_S:
        glimpsed = [thing.number // len(SHAPES) for thing in segments[0].things]
        labels[:, glimpsed] = UNSURE
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
    """Of each token of each window [W, 68]: the segment it shows (index into the scene); the thing
    in its cell, or else the thing of its segment (-1 where there is none or several); the sound and
    the symbol near it (NO_SOUND, NO_SYMBOL where none); whether it shows or sounds something
    (``filled``); and whether it is worth keeping, of every sound only a few."""

    segment: NDArray[np.int32]
    object: NDArray[np.int8]
    sound: NDArray[np.int8]
    symbol: NDArray[np.int8]
    filled: NDArray[np.bool_]
    salient: NDArray[np.bool_]


def token_truth(
    scene: Scene, offset_s: float, frames: NDArray[np.int64], times_s: NDArray[np.float64]
) -> TokenTruth:
    """Labels of all windows of a stream that began at scene second ``offset_s``; ``frames``
    [F, 9, 3] are the labels of its frames at scene seconds ``times_s`` [F]."""
    windows = len(times_s) // TICKS
    labels = cell_labels(frames).reshape(windows, VIDEO_TOKENS, 3)
    sounds = sound_labels(scene, offset_s, windows * AUDIO_TOKENS)
    seen = (labels != 0).any(-1)
    audible, heard = (
        marked.reshape(windows, AUDIO_TOKENS) for marked in (sounds != 0, salient_sound(sounds))
    )
    times = np.concatenate(
        [
            _cell_times(frames, times_s).reshape(windows, VIDEO_TOKENS),
            offset_s + (np.arange(windows * AUDIO_TOKENS).reshape(windows, -1) + 0.5) * TOKEN_S,
        ],
        axis=1,
    )
    segments = scene.segments(float(times.min()), float(times.max()) + 1e-6)
    starts = np.array([s.start_s for s in segments])
    which = np.searchsorted(starts, times, side="right") - 1
    objects = np.array([segment_object(s) for s in segments])[which]
    colour, shape = labels[..., 0], labels[..., 1]
    in_cell = np.where(colour > 0, (colour - 1) * len(SHAPES) + shape - 1, colour)
    objects[:, :VIDEO_TOKENS] = np.where(in_cell == 0, objects[:, :VIDEO_TOKENS], in_cell)
    return TokenTruth(
        segment=np.array([s.index for s in segments], np.int32)[which],
        object=objects.astype(np.int8),
        sound=_sound_near(segments, which, times),
        symbol=_symbol_near(segments, which, times),
        filled=np.concatenate([seen, audible], axis=1),
        salient=np.concatenate([seen, heard], axis=1),
    )


def segment_object(segment: Segment) -> int:
    """The number of the segment's thing; -1 where it has none or several."""
    return UNSURE if segment.thing is None else segment.thing.number


def _cell_times(frames: NDArray[np.int64], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """[G, 9]: when a cell's content is seen: in the first frame, or else in the second."""
    filled = (frames != 0).any(-1)
    later = filled[1::2] & ~filled[0::2]
    return np.where(later, times_s[1::2, None], times_s[0::2, None])


def _sound_near(
    segments: Sequence[Segment], which: NDArray[np.int64], times_s: NDArray[np.float64]
) -> NDArray[np.int8]:
    """The sound nearest to each time, in its own segment and not further than NEAR_S."""
    found = np.full(times_s.shape, NO_SOUND, np.int8)
    nearest_s = np.full(times_s.shape, NEAR_S)
    for i, segment in enumerate(segments):
        for sound in segment.sounds:
            away_s = np.maximum(sound.start_s - times_s, times_s - sound.end_s).clip(min=0.0)
            nearer = (which == i) & (away_s < nearest_s)
            found[nearer], nearest_s[nearer] = SOUNDS.index(sound.name), away_s[nearer]
    return found


def _symbol_near(
    segments: Sequence[Segment], which: NDArray[np.int64], times_s: NDArray[np.float64]
) -> NDArray[np.int8]:
    """The symbol of each time's segment, not further than NEAR_S."""
    found = np.full(times_s.shape, NO_SYMBOL, np.int8)
    for i, segment in enumerate(segments):
        if segment.symbol is not None:
            begin, end = segment.symbol.start_s - NEAR_S, segment.symbol.end_s + NEAR_S
            near = (which == i) & (times_s >= begin) & (times_s < end)
            found[near] = SYMBOLS.index(segment.symbol.digit)
    return found
