"""Windows of a rendered stream, as the engine takes them."""

from __future__ import annotations

from sieve.tokens import LOOKAHEAD_SAMPLES, SAMPLE_RATE, WINDOW_S, WINDOW_SAMPLES, RawWindow
from sieve.train.world.render import Stream, open_pairs
from sieve.train.world.truth import TICKS

GRID_S = 1.0


def closed_window(stream: Stream, index: int) -> RawWindow:
    """Window ``index`` of a rendered stream, complete."""
    begin = index * WINDOW_SAMPLES
    frames = stream.frames[index * TICKS : (index + 1) * TICKS]
    return RawWindow(
        start_s=index * WINDOW_S,
        grids=tuple(frames[2 * g : 2 * g + 2] for g in range(TICKS // 2)),
        grid_times_s=tuple(index * WINDOW_S + g * GRID_S for g in range(TICKS // 2)),
        grid_s=GRID_S,
        samples=stream.samples[begin : begin + WINDOW_SAMPLES],
        lookahead=stream.samples[begin + WINDOW_SAMPLES :][:LOOKAHEAD_SAMPLES],
    )


def open_window(stream: Stream, now_s: float) -> RawWindow:
    """What has come by ``now_s`` of the window that is still open then."""
    index = int(now_s // WINDOW_S)
    elapsed_s = now_s - index * WINDOW_S
    begin = index * WINDOW_SAMPLES
    pairs = open_pairs(stream.frames[index * TICKS : (index + 1) * TICKS], elapsed_s)
    return RawWindow(
        start_s=index * WINDOW_S,
        grids=tuple(pairs),
        grid_times_s=tuple(index * WINDOW_S + g * GRID_S for g in range(len(pairs))),
        grid_s=GRID_S,
        samples=stream.samples[begin : begin + int(elapsed_s * SAMPLE_RATE)],
    )
