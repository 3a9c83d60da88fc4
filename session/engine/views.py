"""Engine values as wire messages."""

from __future__ import annotations

from session import wire
from session.engine import reports
from session.live.turn import Turn
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
        end_s=waiting.window.start_s + tokens.WINDOW_S,
        newest_frame_s=waiting.newest_frame_s,
        kept=kept_map(done.result.kept, waiting.window.grid_s),
        memory=memory(done.result.memory),
        evicted=done.result.evicted,
        gaps=list(waiting.gaps),
        retention=done.retention,
        ingest_ms=1_000 * done.ingest_s,
        behind_windows=done.behind,
    )


def answer(
    session: str,
    turn: Turn,
    status: wire.AnswerStatus,
    *,
    now: float,
    grid_s: float,
    error: wire.ErrorDetail | None = None,
) -> wire.Answer:
    """The answer of a finished turn. Without a branch (cancelled early) it rests on nothing."""
    begun = turn.begun
    look = begun.second_look if begun else None
    nothing = wire.Counts(video=0, audio=0)
    first_ms = None if turn.first_token is None else 1_000 * (turn.first_token - turn.received)
    return wire.Answer(
        id=turn.id,
        session=session,
        question=turn.question,
        text=turn.text,
        status=status,
        asked_at=turn.asked_at,
        asked_s=turn.asked_s,
        newest_frame_s=turn.newest_frame_s,
        spans=answer_spans(turn),
        notes=[note.id for note in turn.notes],
        first_token_ms=first_ms,
        total_ms=1_000 * (now - turn.received),
        seen=counts(begun.seen) if begun else nothing,
        kept=counts(begun.kept) if begun else nothing,
        retention=begun.retention if begun else 0.0,
        output_tokens=turn.output_tokens,
        second_look=kept_map(look, grid_s) if look else None,
        error=error,
    )


def answer_spans(turn: Turn) -> list[wire.Span]:
    """What an answer rests on: notes, or what its branch could attend to."""
    if turn.notes:
        return [wire.Span(start_s=note.start_s, end_s=note.end_s) for note in turn.notes]
    return [span(s, turn.asked_s) for s in turn.begun.spans] if turn.begun else []
