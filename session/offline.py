"""A media file through the same path as a live stream, as fast as the machine allows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace

from session import wire
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.engine.protocol import EngineLike
from session.ids import new_id
from session.live.answering import answer_of
from session.live.intake import raw_window
from session.live.turn import Turn
from sieve import RowConfig
from stream.source import FileSource, MediaError
from stream.window import SAMPLE_RATE, Frame, Sound
from stream.windower import Windower

SHORT_S = 1.0  # tracks of a sound file need not end together
LATENESS_S = 10.0  # containers interleave their tracks within a few seconds


def run(
    source: FileSource,
    question: str,
    config: ServiceConfig,
    loaded: Loaded,
    *,
    at_s: float | None,
    as_json: bool,
) -> None:
    """Answer and print. Raises MediaError, also where nothing was seen, and SieveError."""
    answer = ask_file(source, question, config, loaded, at_s=at_s)
    damaged = damage(source, answer.asked_s if at_s is None else None)
    kept, seen = (c.video + c.audio for c in (answer.kept, answer.seen))
    if not seen:
        raise MediaError(damaged or f"up to {answer.asked_s:g} s nothing is to be seen or heard")
    if as_json:
        print(answer.model_dump_json())
        if damaged:
            print(f"echosieve: note: {damaged}", file=sys.stderr)
        return
    print(answer.text)
    print(
        f"at {answer.asked_s:.1f} s, from {kept} of {seen} tokens, "
        f"first token after {answer.first_token_ms:.0f} ms" + (f"; {damaged}" if damaged else "")
    )


def damage(source: FileSource, end_s: float | None) -> str | None:
    """What could not be read of a file that was read to its end at `end_s`; None: up to a moment
    inside of it."""
    whole_s = source.duration_s
    if end_s is not None and whole_s is not None and end_s < whole_s - SHORT_S:
        return f"the file is damaged: {end_s:.1f} s of its {whole_s:.1f} s could be read"
    if source.broken:
        return f"the file is damaged: {source.broken} parts of it were passed over"
    return None


def ask_file(
    source: FileSource,
    question: str,
    config: ServiceConfig,
    loaded: Loaded,
    *,
    at_s: float | None = None,
    max_tokens: int = wire.DEFAULT_ANSWER_TOKENS,
) -> wire.Answer:
    """Let the file stream up to `at_s` (its end when None) and ask then.

    Raises MediaError, also where the file ends before `at_s`, and SieveError.
    """
    if at_s is not None:
        source.check_reaches(at_s)
    windower = Windower(
        fps=config.fps,
        lateness_s=LATENESS_S,
        has_audio=source.has_audio,
        has_video=source.has_video,
    )
    replay = Replay(
        loaded.engine, windower, RowConfig(retention=loaded.retention, selector=loaded.selector)
    )
    try:
        replay.feed(source.items(), float("inf") if at_s is None else at_s)
        return replay.ask(question, replay.newest_s if at_s is None else at_s, max_tokens)
    finally:
        replay.close()


class Replay:
    """One row of the engine and the windower that feeds it, in one thread."""

    def __init__(self, engine: EngineLike, windower: Windower, row: RowConfig) -> None:
        self.newest_s = 0.0  # end of what was pushed
        self._engine = engine
        self._windower = windower
        self._row = engine.open(row)
        self._grid_s = 1.0
        self._newest_frame_s: float | None = None

    def feed(self, items: Iterable[Frame | Sound], until_s: float) -> None:
        """Push what lies before `until_s`; windows are ingested as they close."""
        for item in items:
            begin_s = item.time_s if isinstance(item, Frame) else item.start_s
            if begin_s >= until_s + LATENESS_S:
                break
            if begin_s < until_s:  # else it is of the track that is ahead
                self._push(before(item, until_s))

    def _push(self, item: Frame | Sound) -> None:
        self._windower.push(item)
        self.newest_s = max(self.newest_s, end_of(item))
        self._ingest()

    def ask(self, question: str, at_s: float, max_tokens: int) -> wire.Answer:
        """Ask at `at_s`: every window that ended before is in the memory. Raises SieveError."""
        self._windower.advance(at_s + LATENESS_S)
        self._ingest()
        window = self._windower.open_window(at_s)
        turn = Turn(
            id=new_id("ans"),
            question=question,
            asked_at=time.time(),
            asked_s=at_s,
            received=time.monotonic(),
            remembered=False,
            newest_frame_s=window.newest_frame_s if window else None,
        )
        turn.newest_frame_s = turn.newest_frame_s or self._newest_frame_s
        turn.begun = self._engine.ask(
            self._row,
            question,
            open_window=raw_window(window) if window else None,
            max_tokens=max_tokens,
        )
        status = self._write(turn, turn.begun.branch)
        now = time.monotonic()
        return answer_of("file", turn, status, now=now, grid_s=self._grid_s)

    def close(self) -> None:
        self._engine.close(self._row)

    def _write(self, turn: Turn, branch: int) -> wire.AnswerStatus:
        while True:
            step = self._engine.step(branch)
            turn.say(step.text, time.monotonic())
            if step.done:
                return "truncated" if step.reason == "length" else "completed"

    def _ingest(self) -> None:
        while window := self._windower.pop():
            self._grid_s = window.grid_s
            self._newest_frame_s = window.newest_frame_s or self._newest_frame_s
            if raw := raw_window(window):
                self._engine.ingest(self._row, raw)


def before(item: Frame | Sound, until_s: float) -> Frame | Sound:
    """An item without what it holds of the time from `until_s` on."""
    if isinstance(item, Frame) or end_of(item) <= until_s:
        return item
    return replace(item, samples=item.samples[: round((until_s - item.start_s) * SAMPLE_RATE)])


def end_of(item: Frame | Sound) -> float:
    if isinstance(item, Frame):
        return item.time_s
    return item.start_s + len(item.samples) / SAMPLE_RATE
