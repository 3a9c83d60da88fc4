"""Engine values as wire messages."""

from __future__ import annotations

from session import wire
from session.engine import reports
from sieve import tokens

NO_MEMORY = wire.Memory(
    slots=0, used=0, prompt=0, video=0, audio=0, bytes=0, oldest_s=None, newest_s=None
)


def counts(value: tokens.Counts) -> wire.Counts:
    return wire.Counts(video=value.video, audio=value.audio)


def span(value: tokens.Span, now_s: float) -> wire.Span:
    """The stretch as far as it had come by `now_s`."""
    return wire.Span(start_s=value.start_s, end_s=max(value.start_s, min(value.end_s, now_s)))


def kept_map(value: tokens.KeptMap, grid_s: float) -> wire.KeptMap:
    """`grid_s` is how many seconds of picture one grid stands for."""
    return wire.KeptMap(
        start_s=value.start_s,
        seen=counts(value.seen),
        kept=counts(value.kept),
        grids=[
            wire.GridMap(
                time_s=grid.time_s,
                grid_s=grid_s,
                rows=grid.rows,
                cols=grid.cols,
                kept=list(grid.kept),
            )
            for grid in value.grids
        ],
        audio_kept=list(value.audio_kept),
    )


def memory(value: tokens.MemoryState) -> wire.Memory:
    return wire.Memory(
        slots=value.slots,
        used=value.used,
        prompt=value.prompt,
        video=value.video,
        audio=value.audio,
        bytes=value.bytes,
        oldest_s=value.oldest_s,
        newest_s=value.newest_s,
    )


def window_ingested(done: reports.WindowDone) -> wire.WindowIngested:
    waiting = done.waiting
    return wire.WindowIngested(
        index=waiting.index,
        start_s=waiting.window.start_s,
        end_s=waiting.end_s,
        newest_frame_s=waiting.newest_frame_s,
        kept=kept_map(done.result.kept, waiting.window.grid_s),
        memory=memory(done.result.memory),
        evicted=done.result.evicted,
        gaps=list(waiting.gaps),
        retention=done.retention,
        ingest_ms=1_000 * done.ingest_s,
        behind_windows=done.behind,
    )
