"""Tracks of aiortc as a source: of a peer connection, a MediaPlayer, or one's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from stream.frames import MAX_SIDE, SoundMaker, to_rgb
from stream.merge import merged
from stream.source import MediaError
from stream.window import Frame, Item


class TrackSource:
    """At most one video and one audio track, at the pace they give frames.

    A track's first frame is taken to be captured when it arrives; the time stamps of the track say
    what follows.
    """

    def __init__(self, tracks: Sequence[MediaStreamTrack], *, max_side: int = MAX_SIDE) -> None:
        """Raises MediaError for none, two of a kind, or what is no track."""
        kinds = [t.kind if isinstance(t, MediaStreamTrack) else type(t).__name__ for t in tracks]
        if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= {"audio", "video"}:
            listed = ", ".join(kinds) or "none"
            raise MediaError(
                "a list is of tracks: give one video track, one audio track, or both; not: "
                f"{listed}"
            )
        self._tracks = tuple(tracks)
        self._max_side = max_side

    @property
    def has_audio(self) -> bool:
        return any(track.kind == "audio" for track in self._tracks)

    @property
    def has_video(self) -> bool:
        return any(track.kind == "video" for track in self._tracks)

    async def __aiter__(self) -> AsyncIterator[Item]:
        began_s = time.monotonic()
        async for item in merged(*(self._items(track, began_s) for track in self._tracks)):
            yield item

    async def _items(self, track: MediaStreamTrack, began_s: float) -> AsyncIterator[Item]:
        sounds = SoundMaker()
        first_s: float | None = None  # capture time of the track's time stamp 0
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:  # aiortc's word for the end
                break
            if not isinstance(frame, av.VideoFrame | av.AudioFrame) or frame.time is None:
                raise MediaError(f"the {track.kind} track must give av's frames, with pts")
            if first_s is None:
                first_s = time.monotonic() - began_s - frame.time
            if isinstance(frame, av.VideoFrame):
                yield Frame(first_s + frame.time, to_rgb(frame, self._max_side))
            else:
                for sound in sounds.push(frame, first_s + frame.time):
                    yield sound
        for sound in sounds.flush():
            yield sound
