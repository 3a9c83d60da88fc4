"""What did not come of a session while it was watched: of a camera that went dark, no picture."""

from __future__ import annotations

from clients.monitor.record import Blank
from clients.mqtt.mapping import Story
from session import wire

NO_PICTURE, NO_SOUND = "no picture", "no sound"
LOST = "not looked at"


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
    info = story.info
    tracks = [(NO_PICTURE, info is None or info.has_video)]
    tracks.append((NO_SOUND, info is None or info.has_audio))
    return [what for what, is_there in tracks if is_there]
