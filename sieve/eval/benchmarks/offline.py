"""A benchmark's media as one clip, there as a whole and sieved with the question known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from sieve.eval.benchmarks.media import Recording, Watch, Windows
from sieve.eval.offline import OfflineClip
from sieve.model import Model
from sieve.selectors import PRUNERS, method_of
from sieve.tokens import RawWindow


class OfflineViewer:
    """A clip that grows where a later moment is asked about. A method that drops tokens inside the
    LLM does so as it was published."""

    def __init__(
        self, model: Model, selector: str, windows: Windows, max_frames: int, told: str
    ) -> None:
        method = method_of(model, selector)
        self._model = replace(model, selector=method.selector)
        self._attention, self._pruner = method.attention, PRUNERS.get(selector)
        self._windows, self._max_frames, self._told = windows, max_frames, told
        self._closed: list[RawWindow] = []

    def answer(self, question: str, moment_s: float | None, max_tokens: int) -> str:
        """What the model says of the clip up to ``moment_s`` (None: its end).

        Raises MediaError, Unusable, SieveError.
        """
        self._closed += self._windows.until(moment_s)
        opened = self._windows.opened()
        seen = thinned([*self._closed, *([opened] if opened else [])], self._max_frames)
        closed = seen[: len(self._closed)]
        clip = OfflineClip(
            self._model,
            closed,
            seen[-1] if opened else None,
            attention=self._attention,
            told=self._told,
        )
        asked, retention = "" if self._told else question, self._model.retention
        if self._pruner is not None:
            return clip.answer_pruned(asked, retention, self._pruner, most=max_tokens).text
        return clip.answer(asked, retention, most=max_tokens).text


@contextmanager
def offline(
    model: Model, selector: str, watch: Watch, max_frames: int, told: str = ""
) -> Iterator[OfflineViewer]:
    """A viewer of a media file; ``told``: the text that stands before the clip, with nothing said
    after it. Raises MediaError, Unusable."""
    recording = Recording(watch)
    try:
        windows = Windows(recording, watch.fps)
        yield OfflineViewer(model, selector, windows, max_frames, told)
    finally:
        recording.close()


def thinned(windows: Sequence[RawWindow], max_frames: int) -> list[RawWindow]:
    """The windows with at most ``max_frames`` pictures between them, evenly spaced pairs."""
    count = sum(len(window.grids) for window in windows)
    most = max(1, max_frames // 2)
    if count <= most:
        return list(windows)
    kept = set(np.linspace(0, count - 1, most).round().astype(int).tolist())
    thin, first = [], 0
    for window in windows:
        here = [i for i in range(len(window.grids)) if first + i in kept]
        first += len(window.grids)
        grids = tuple(window.grids[i] for i in here)
        times = tuple(window.grid_times_s[i] for i in here)
        thin.append(replace(window, grids=grids, grid_times_s=times))
    return thin
