"""The source that stands for what somebody named: file, folder, address, device, tracks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias, cast

from aiortc.mediastreams import MediaStreamTrack

from stream.folder import FolderSource
from stream.live import LiveSource
from stream.source import FileSource, MediaError, Source
from stream.tracks import TrackSource

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

Tracks: TypeAlias = MediaStreamTrack | list[MediaStreamTrack] | tuple[MediaStreamTrack, ...]
Named: TypeAlias = str | Path | Source | Tracks


def source_of(media: Named, from_s: float = 0.0) -> Source:
    """Opens what it needs to look at; blocks. A recording on a web server begins at its time
    ``from_s``. Raises MediaError."""
    match media:
        case str() | Path() if str(media).strip():
            return _by_name(str(media), from_s)
        case MediaStreamTrack():
            return TrackSource([media])
        case list() | tuple():
            return TrackSource(media)
        case _ if hasattr(media, "has_audio"):  # a source, of whatever class
            return cast("Source", media)
        case _:
            raise MediaError(
                f"{media!r} is no media: give a file, a folder, an address, a device or tracks"
            )


def _by_name(name: str, from_s: float) -> Source:
    if ADDRESS.match(name):
        return LiveSource(name, from_s=from_s)
    path = Path(name)
    if path.is_dir():
        return FolderSource(path)
    if path.is_char_device():
        return LiveSource(name, format="v4l2")
    return FileSource(path)
