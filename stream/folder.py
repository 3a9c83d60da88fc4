"""The media files of a folder one after the other, then those that come."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from stream.merge import in_thread
from stream.source import FileSource, MediaError, moved
from stream.window import SAMPLE_RATE, Frame, Item

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how often new files are looked for
FPS = 10.0  # of what is sent; windows need less
_BATCH = 16


class FolderSource:
    """Files in the order of their names, on one time line; a file that is no media is passed over,
    and where one breaks off the next follows: both are logged.

    New files are taken once they have stopped growing. It never ends by itself.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = FPS, look_s: float = LOOK_S
    ) -> None:
        """Raises MediaError for what is no folder."""
        self._path = Path(path)
        self._fps = fps
        self._look_s = look_s
        if not self._path.is_dir():
            raise MediaError(f"{path}: there is no such folder")
        files = sorted(self._path.iterdir())
        known = [source for file in files if (source := self._opened(file, told=False))]
        self.has_video = not known or any(source.has_video for source in known)
        self.has_audio = not known or any(source.has_audio for source in known)

    async def __aiter__(self) -> AsyncIterator[Item]:
        began_s, end_s = time.monotonic(), 0.0
        async for source in self._files():
            start_s = max(end_s, time.monotonic() - began_s)
            try:
                async with aclosing(in_thread(source.items(), _BATCH)) as items:
                    async for item in items:
                        placed = moved(item, start_s)
                        end_s = max(end_s, _end_s(placed))
                        yield placed
                if damage := source.damage:
                    log.warning("%s; the next file follows", damage)
            except MediaError as error:  # it looked like media from outside
                log.warning("passed over: %s", error)

    async def _files(self) -> AsyncIterator[FileSource]:
        """Each file once, when it has stopped growing."""
        done: set[Path] = set()
        sizes: dict[Path, int] = {}
        while True:
            found = sorted(file for file in self._path.iterdir() if file not in done)
            for file in found:
                size = _size(file)
                if sizes.get(file) != size:
                    sizes[file] = size  # new, or still growing
                    continue
                done.add(file)
                if source := await asyncio.to_thread(self._opened, file):
                    yield source
            await asyncio.sleep(self._look_s)

    def _opened(self, file: Path, *, told: bool = True) -> FileSource | None:
        """None for what is no media, which is `told`."""
        if not file.is_file():
            return None
        try:
            return FileSource(file, fps=self._fps)
        except MediaError as error:
            if told:
                log.warning("passed over: %s", error)
            return None


def _size(file: Path) -> int:
    """In bytes; -1 for what was taken away meanwhile."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def _end_s(item: Item) -> float:
    if isinstance(item, Frame):
        return item.time_s
    return item.start_s + len(item.samples) / SAMPLE_RATE
