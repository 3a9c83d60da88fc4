"""A case: one rendered stream, the questions put to it, and the truth of its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.cs2 import top_k
from sieve.eval.asked import Asked
from sieve.pool import GridShape, Pool
from sieve.select import Selection, Text
from sieve.tokens import AUDIO_TOKENS_PER_S, WINDOW_S, Counts, RawWindow
from sieve.train.world.render import Stream
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    CELLS,
    GRIDS,
    TOKEN_S,
    VIDEO_TOKENS,
    WINDOW_TOKENS,
    TokenTruth,
    cell_labels,
    token_truth,
)
from sieve.train.world.windows import closed_window, open_window

Tracks = Literal["both", "video", "audio", "none"]
_SIDE = 3  # cells


@dataclass(frozen=True)
class Case:
    """``asked`` is in order of time. ``index`` of the task's cases with ``seed``. ``instruction``:
    what the model is told to watch for, empty for its usual one. ``room``: how many tokens the
    memory holds at most; None: all."""

    task: str
    seed: int
    index: int
    stream: Stream
    asked: tuple[Asked, ...]
    instruction: str = ""
    room: int | None = None

    @property
    def windows(self) -> int:
        """How many are complete when the last question is put."""
        return int(self.asked[-1].at_s // WINDOW_S)

    def closed(self, tracks: Tracks, until_s: float, since_s: float = 0.0) -> Iterator[RawWindow]:
        """The complete windows of [since_s, until_s)."""
        if tracks != "none":
            for index in range(int(since_s // WINDOW_S), int(until_s // WINDOW_S)):
                yield _with(tracks, closed_window(self.stream, index))

    def opened(self, tracks: Tracks, at_s: float) -> RawWindow | None:
        """What there is at ``at_s`` of the window that is open then."""
        return None if tracks == "none" else _with(tracks, open_window(self.stream, at_s))

    def age_s(self, asked: Asked) -> float:
        """From the end of a question's evidence to the question."""
        return asked.at_s + self.stream.offset_s - asked.question.evidence_s[1]

    def tokens(self, at_s: float) -> Counts:
        """All that came until ``at_s``."""
        return _count(np.ones((self.stream.windows, WINDOW_TOKENS), bool), at_s)

    def dense(self, at_s: float) -> Counts:
        """Of all that came until ``at_s``, the tokens that show or sound something."""
        return _count(self._truth.filled, at_s)

    @cached_property
    def worth(self) -> NDArray[np.float32]:
        """[W, 68]: 2 for the first token of its window that shows or sounds what it does, 1 for the
        others that do, 0 for those that show and sound nothing; chance decides between equals."""
        chance = np.random.default_rng([self.stream.scene.seed, 73])
        worth = chance.random(self._truth.salient.shape, np.float32)
        worth /= 2
        worth += self._truth.salient
        pictures = cell_labels(self.stream.truth).reshape(len(worth), VIDEO_TOKENS, -1)
        for window, salient in enumerate(self._truth.salient):
            known = set()
            for token in np.flatnonzero(salient):
                sounds = token >= VIDEO_TOKENS
                content = self._truth.sound[window, token] if sounds else pictures[window, token]
                told = (bool(sounds), int(self._truth.segment[window, token]), content.tobytes())
                worth[window, token] += told not in known
                known.add(told)
        return worth

    @cached_property
    def _truth(self) -> TokenTruth:
        stream = self.stream
        return token_truth(stream.scene, stream.offset_s, stream.truth, stream.frame_times_s)


def _with(tracks: Tracks, window: RawWindow) -> RawWindow:
    if tracks == "video":
        return replace(window, samples=None, lookahead=None)
    return replace(window, grids=(), grid_times_s=()) if tracks == "audio" else window


def _count(tokens: NDArray[np.bool_], at_s: float) -> Counts:
    """Of marked ``tokens`` [W, 68], how many have come until ``at_s``, by modality."""
    starts_s = np.arange(len(tokens))[:, None] * WINDOW_S
    grid_s = starts_s + np.repeat(np.arange(GRIDS) * WINDOW_S / GRIDS, CELLS)
    sound_s = starts_s + (np.arange(AUDIO_TOKENS) + 1) * TOKEN_S
    video, audio = tokens[:, :VIDEO_TOKENS], tokens[:, VIDEO_TOKENS:]
    return Counts(int(video[grid_s < at_s].sum()), int(audio[sound_s <= at_s + 1e-6].sum()))


class Oracle:
    """Keeps by the world's truth: of everything there is one token first, then the rest of what
    shows or sounds something. It knows neither the question nor how well a token can be read."""

    def __init__(self, case: Case) -> None:
        self._worth = case.worth

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        scores = worth_of(pool, self._worth).to(pool.embeds.device)
        keep = top_k(scores, count)
        return Selection(keep, pool.embeds[keep], scores)


def worth_of(pool: Pool, worth: NDArray[np.float32]) -> Tensor:
    """A value [W, 68] per token of a stream -> [n] of a pool of it, whatever its grids' size."""
    video = [_cells(grid, worth) for grid in pool.grids]
    first = round(pool.start_s * AUDIO_TOKENS_PER_S)
    heard = worth[:, VIDEO_TOKENS:].reshape(-1)[first : first + pool.audio]
    return torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *video, heard]))


def _cells(grid: GridShape, worth: NDArray[np.float32]) -> NDArray[np.float32]:
    window, grid_s = divmod(grid.time_s, WINDOW_S)
    place = int(grid_s * GRIDS / WINDOW_S)
    cells = worth[int(window), :VIDEO_TOKENS].reshape(GRIDS, _SIDE, _SIDE)[place]
    rows = np.arange(grid.rows) * _SIDE // grid.rows
    cols = np.arange(grid.cols) * _SIDE // grid.cols
    return cells[np.ix_(rows, cols)].reshape(-1)
