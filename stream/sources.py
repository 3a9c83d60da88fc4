"""The source that stands for what somebody named: file, folder, address, device, tracks."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from aiortc.mediastreams import MediaStreamTrack

from stream.source import FileSource, Source
from stream.tracks import TrackSource

Tracks: TypeAlias = MediaStreamTrack | list[MediaStreamTrack] | tuple[MediaStreamTrack, ...]
Named: TypeAlias = str | Path | Source | Tracks


def source_of(media: Named) -> Source:
    """Opens what it needs to look at; blocks. Raises MediaError."""
    match media:
        case str() | Path():
            return FileSource(media)
        case MediaStreamTrack():
            return TrackSource([media])
        case list() | tuple():
            return TrackSource(media)
        case _:
            return media
