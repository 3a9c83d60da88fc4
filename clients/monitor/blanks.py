"""What did not come of a session while it was watched: of a camera that went dark, no picture."""

from __future__ import annotations

from functools import reduce

from clients.monitor.record import Blank
from clients.mqtt.mapping import Story
from session import wire

NO_PICTURE, NO_SOUND = "no picture", "no sound"
LOST = "not looked at"

Stretches = list[tuple[float, float]]  # of session time: from, to


def blanks_of(story: Story, event: wire.WindowIngested | wire.WindowSkipped) -> list[Blank]:
    """Of one window: all of it, or what reaches its beginning or its end and so may go on beyond; a
    gap may begin before its window does."""
    if isinstance(event, wire.WindowSkipped):
        missing = [(what, event.start_s, event.end_s) for what in _skipped(story, event)]
    else:
        missing = [
            (NO_PICTURE if gap.kind == "video" else NO_SOUND, gap.start_s, gap.end_s)
            for gap in event.gaps
            if gap.start_s <= event.start_s or gap.end_s >= event.end_s
        ]
    return [Blank(story.name, story.session, *one) for one in missing]


def _skipped(story: Story, event: wire.WindowSkipped) -> list[str]:
    """Where nothing came in it, nothing of what the session has."""
    if event.reason != wire.NOTHING_CAME:
        return [f"{LOST}: {event.reason}"]
    return [NO_PICTURE if kind == "video" else NO_SOUND for kind in _tracks(story)]


def _tracks(story: Story) -> list[str]:
    """The kinds of what the session has; both where it is not known."""
    info = story.info
    kinds = {"video": info is None or info.has_video, "audio": info is None or info.has_audio}
    return [kind for kind, is_there in kinds.items() if is_there]


def came_s(story: Story, event: wire.WindowIngested | wire.WindowSkipped) -> float:
    """Seconds of a window in which something came: where only the picture or only the sound is
    missing, what is sent went on. A track that the session does not have has no gaps, and says
    nothing. A window that was given up had come."""
    window = (event.start_s, event.end_s)
    if isinstance(event, wire.WindowSkipped):
        return 0.0 if event.reason == wire.NOTHING_CAME else event.end_s - event.start_s
    missing = [
        [(gap.start_s, gap.end_s) for gap in event.gaps if gap.kind == kind]
        for kind in _tracks(story)
    ]
    nothing = reduce(_both, missing, [window])
    return event.end_s - event.start_s - sum(to_s - from_s for from_s, to_s in nothing)


def _both(some: Stretches, others: Stretches) -> Stretches:
    """What lies in both."""
    shared = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return [(from_s, to_s) for from_s, to_s in shared if from_s < to_s]
