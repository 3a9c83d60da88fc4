"""A benchmark's media as a live stream: window by window through the engine, asked on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sieve import Engine, RowConfig
from sieve.eval.benchmarks.media import Recording, Watch, Windows


class StreamedViewer:
    """One stream in a row of the engine. Moments come in order; asking leaves no trace."""

    def __init__(self, engine: Engine, row: int, recording: Recording, fps: int) -> None:
        self._engine, self._row = engine, row
        self._windows = Windows(recording, fps)

    def answer(self, question: str, moment_s: float | None, max_tokens: int) -> str:
        """What the model says at ``moment_s`` of the stream (None: its end), having seen what came
        before. Raises MediaError, Unusable, SieveError."""
        for window in self._windows.until(moment_s):
            self._engine.ingest(self._row, window)
        opened = self._windows.opened()
        begun = self._engine.ask(self._row, question, open_window=opened, max_tokens=max_tokens)
        text = ""
        while True:
            step = self._engine.step(begun.branch)
            text += step.text
            if step.done:
                return text


@contextmanager
def streamed(engine: Engine, watch: Watch, row: RowConfig) -> Iterator[StreamedViewer]:
    """A viewer of a media file. Raises MediaError, Unusable, SieveError."""
    recording = Recording(watch)
    index = engine.open(row)
    try:
        yield StreamedViewer(engine, index, recording, watch.fps)
    finally:
        engine.close(index)
        recording.close()
