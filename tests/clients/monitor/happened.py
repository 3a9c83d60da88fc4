"""Windows of a session as the service tells of them."""

from __future__ import annotations

from session import wire
from session.engine.views import NO_MEMORY

NOTHING = wire.Counts(video=0, audio=0)


def window(start_s: float, *gaps: tuple[str, float, float]) -> wire.WindowIngested:
    """One that went into the memory; `gaps`: kind, from, to."""
    kept = wire.KeptMap(start_s=start_s, seen=NOTHING, kept=NOTHING, grids=[], audio_kept=[])
    return wire.WindowIngested(
        index=int(start_s // 2),
        start_s=start_s,
        end_s=start_s + 2.0,
        newest_frame_s=None,
        kept=kept,
        memory=NO_MEMORY,
        evicted=0,
        gaps=[
            wire.Gap.model_validate({"kind": kind, "start_s": from_s, "end_s": to_s})
            for kind, from_s, to_s in gaps
        ],
        retention=0.2,
        ingest_ms=1.0,
        behind_windows=0,
    )


def skipped(start_s: float, reason: str) -> wire.WindowSkipped:
    """One that did not."""
    return wire.WindowSkipped(
        index=int(start_s // 2), start_s=start_s, end_s=start_s + 2.0, reason=reason
    )
