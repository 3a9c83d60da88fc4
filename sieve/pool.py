"""The pool: all video and audio tokens of one window, in one row, each with its position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sieve.audio import StreamingMel
from sieve.backbone import Backbone
from sieve.errors import SettingInvalid
from sieve.rope import audio_positions, grid_positions
from sieve.timeline import Timeline
from sieve.tokens import (
    AUDIO,
    AUDIO_TOKENS_PER_S,
    FARTHEST_S,
    LOOKAHEAD_SAMPLES,
    SAMPLE_RATE,
    VIDEO,
    WINDOW_S,
    WINDOW_SAMPLES,
    Counts,
    GridMap,
    KeptMap,
    RawWindow,
)
from sieve.vision import MERGE, check_size, patches

_TIME_SLACK_S = 1e-6
_LOUDEST = 2.0**31  # 32-bit samples left unscaled are heard; power overflows near 1e17


@dataclass(frozen=True, slots=True)
class GridShape:
    """One temporal grid in the pool: rows x cols tokens from ``offset`` on."""

    time_s: float
    rows: int
    cols: int
    offset: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Video tokens grid by grid, then audio tokens. Immutable; on the model's device.

    ``prior`` are the tokens of the last grid before this window, where there is one of the first
    grid's shape. ``received`` is the attention the tokens receive in the towers' last layers
    (``Backbone.see_attended``), where the row's method asks for it.
    """

    start_s: float
    embeds: Tensor  # [n, d]
    positions: Tensor  # [3, n], on the CPU
    grids: tuple[GridShape, ...]
    audio: int  # how many of the n are audio: the last ones
    prior: Tensor | None = None  # [rows * cols, d]
    received: Tensor | None = None  # float32 [n]

    def __len__(self) -> int:
        return len(self.embeds)

    @property
    def video(self) -> int:
        return len(self) - self.audio

    @property
    def modality(self) -> Tensor:
        """uint8 [n]."""
        kinds = torch.full((len(self),), VIDEO, dtype=torch.uint8)
        kinds[self.video :] = AUDIO
        return kinds

    def map_of(self, keep: Tensor) -> KeptMap:
        """What a person may be shown of a selection ``keep`` [k]."""
        kept = keep.tolist()
        audio = tuple(i - self.video for i in kept if i >= self.video)
        return KeptMap(
            start_s=self.start_s,
            seen=Counts(self.video, self.audio),
            kept=Counts(len(kept) - len(audio), len(audio)),
            grids=tuple(_grid_map(grid, kept) for grid in self.grids),
            audio_kept=audio,
        )


def _grid_map(grid: GridShape, kept: Sequence[int]) -> GridMap:
    end = grid.offset + grid.rows * grid.cols
    inside = tuple(i - grid.offset for i in kept if grid.offset <= i < end)
    return GridMap(grid.time_s, grid.rows, grid.cols, inside)


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Area of a resized frame, in pixels."""

    min_pixels: int = 50_176
    max_pixels: int = 105_369


def check_window(window: RawWindow) -> None:
    """Raise SettingInvalid for arrays that are no window (shapes, types, lengths, times, values),
    ClipError for pictures that cannot be seen."""
    _check_grids(window)
    _check_sound("samples", window.samples, WINDOW_SAMPLES)
    _check_sound("lookahead", window.lookahead, LOOKAHEAD_SAMPLES)


def _check_grids(window: RawWindow) -> None:
    if not abs(window.start_s) <= FARTHEST_S:
        raise SettingInvalid(
            f"a window starts at a finite second, at most {FARTHEST_S:.0f} from 0, "
            f"got {window.start_s}"
        )
    if len(window.grids) != len(window.grid_times_s):
        raise SettingInvalid(
            f"{len(window.grids)} grids with {len(window.grid_times_s)} times: one time each"
        )
    if any(late <= early for early, late in pairwise(window.grid_times_s)):
        raise SettingInvalid(f"grids come in order of time, got {window.grid_times_s}")
    for pair, time_s in zip(window.grids, window.grid_times_s, strict=True):
        if pair.dtype != np.uint8 or pair.ndim != 4 or pair.shape[::3] != (2, 3):
            raise SettingInvalid(
                f"a grid is uint8 [2, H, W, 3], got {pair.dtype} {list(pair.shape)}"
            )
        check_size(pair.shape[1], pair.shape[2])
        if not -_TIME_SLACK_S <= time_s - window.start_s < WINDOW_S:
            raise SettingInvalid(
                f"a grid at {time_s} s is outside its window, which covers "
                f"[{window.start_s}, {window.start_s + WINDOW_S}) s"
            )


def _check_sound(name: str, samples: np.ndarray | None, most: int) -> None:
    if samples is None:
        return
    if samples.dtype != np.float32 or samples.ndim != 1 or len(samples) > most:
        raise SettingInvalid(
            f"{name} are float32 [S], S at most {most} at 16 kHz, "
            f"got {samples.dtype} {list(samples.shape)}"
        )
    loudest = float(np.abs(samples).max(initial=0.0))
    if not loudest <= _LOUDEST:
        raise SettingInvalid(
            f"{name} hold values that are no sound: all must be finite, at most {_LOUDEST:.0f} "
            f"(full scale is 1), got {loudest:.3g}"
        )


@dataclass(frozen=True, slots=True)
class SeenGrid:
    """A pair of frames and what the vision tower made of it."""

    pair: np.ndarray  # u8 [2, H, W, 3]
    tokens: Tensor  # [rows * cols, d]
    received: Tensor | None  # [rows * cols]
    rows: int
    cols: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What the audio tower made of a window's sound."""

    tokens: Tensor  # [n, d]
    received: Tensor | None  # [n]


class WindowEncoder:
    """Raw windows of one stream -> pools. Keeps the sound's left context between windows, and what
    was seen of a window while it was open: every pair of frames is looked at once.

    ``attention``: whether pools say what attention their tokens receive. It may change on the way.
    """

    def __init__(self, backbone: Backbone, limits: PixelLimits, *, attention: bool = False) -> None:
        self.attention = attention
        self._backbone = backbone
        self._limits = limits
        self._mel = StreamingMel()
        self._seen: dict[float, SeenGrid] = {}  # by time; of one window
        self._prior: SeenGrid | None = None  # the last of the windows that have closed

    def close_window(self, window: RawWindow, timeline: Timeline) -> Pool:
        """The pool of a closed window of 32,000 samples (fewer are filled up with silence)."""
        heard = None
        if window.samples is not None:
            heard = self._hear(self._mel.push(window.samples, window.lookahead, window.start_s))
        pool = self._pool(window, timeline, heard)
        self._prior = next(reversed(self._seen.values()), self._prior)
        return pool

    def open_window(self, window: RawWindow, timeline: Timeline) -> Pool:
        """The pool of the still open window, with the tokens of elapsed time only."""
        if window.samples is None:
            return self._pool(window, timeline, None)
        elapsed = len(window.samples) * AUDIO_TOKENS_PER_S // SAMPLE_RATE
        heard = self._hear(self._mel.peek(window.samples, window.start_s))
        received = None if heard.received is None else heard.received[:elapsed]
        return self._pool(window, timeline, Heard(heard.tokens[:elapsed], received))

    def _hear(self, mel: Tensor) -> Heard:
        if self.attention:
            return Heard(*self._backbone.hear_attended(mel))
        return Heard(self._backbone.hear(mel), None)

    def _pool(self, window: RawWindow, timeline: Timeline, heard: Heard | None) -> Pool:
        self._look(window)
        embeds, positions, grids = [], [], []
        offset = 0
        for time_s, seen in self._seen.items():
            time_id = timeline.id_at(time_s)
            anchor = timeline.anchor_of(time_id)
            positions.append(grid_positions(time_id, anchor, seen.rows, seen.cols))
            embeds.append(seen.tokens)
            grids.append(GridShape(time_s, seen.rows, seen.cols, offset))
            offset += seen.rows * seen.cols
        if heard is not None:
            embeds.append(heard.tokens)
            positions.append(audio_positions(timeline.id_at(window.start_s), len(heard.tokens)))
        width = self._backbone.text_config.hidden_size
        empty = torch.zeros(0, width, dtype=self._backbone.dtype, device=self._backbone.device)
        return Pool(
            start_s=window.start_s,
            embeds=torch.cat([empty, *embeds]),
            positions=torch.cat([torch.zeros(3, 0, dtype=torch.long), *positions], dim=1),
            grids=tuple(grids),
            audio=0 if heard is None else len(heard.tokens),
            prior=self._prior_tokens(),
            received=self._received(heard) if self.attention else None,
        )

    def _prior_tokens(self) -> Tensor | None:
        """What the first grid can be compared with."""
        first = next(iter(self._seen.values()), None)
        if first is None or self._prior is None:
            return None
        alike = (first.rows, first.cols) == (self._prior.rows, self._prior.cols)
        return self._prior.tokens if alike else None

    def _received(self, heard: Heard | None) -> Tensor:
        parts = [*(seen.received for seen in self._seen.values())]
        parts += [heard.received] if heard is not None else []
        none = torch.zeros(0, device=self._backbone.device)
        return torch.cat([none, *(part for part in parts if part is not None)])

    def _look(self, window: RawWindow) -> None:
        """Have the window's grids, and no others, in ``_seen``; new ones go through the tower."""
        looked = {}
        for pair, time_s in zip(window.grids, window.grid_times_s, strict=True):
            known = self._seen.get(time_s)
            if known is None or not self._tells_of(known, pair):
                known = self._see(pair)
            looked[time_s] = known
        self._seen = looked

    def _tells_of(self, known: SeenGrid, pair: np.ndarray) -> bool:
        told = known.received is not None or not self.attention
        return told and np.array_equal(known.pair, pair)

    def _see(self, pair: np.ndarray) -> SeenGrid:
        pixels, gh, gw = patches(pair, self._limits.min_pixels, self._limits.max_pixels)
        shape = torch.tensor([[1, gh, gw]])
        received = None
        if self.attention:
            tokens, received = self._backbone.see_attended(pixels, shape)
        else:
            tokens = self._backbone.see(pixels, shape)
        return SeenGrid(pair, tokens, received, gh // MERGE, gw // MERGE)
