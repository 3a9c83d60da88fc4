"""A file that broke off in the middle: there is nothing more in it until it is another one."""

from __future__ import annotations

import stat
from pathlib import Path

from clients.sdk.errors import MediaFailed

Stamp = tuple[int, int, int]  # inode, bytes, nanoseconds of its last change


class Broken(MediaFailed):
    """To try again is of no use while the file is the same."""


class Torn:
    """Of one file: with what it broke off, and what it was then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: Stamp | None = None
        self._said = ""

    def check(self) -> None:
        """Raises Broken as it did when the file broke off, while it is the same file."""
        if self._found is not None and self._found == self._stamp():
            raise Broken(self._said)

    def noted(self, error: MediaFailed) -> MediaFailed:
        """It broke off now; what that means. What is no file may be there again at any time."""
        self._found, self._said = self._stamp(), str(error)
        return error if self._found is None else Broken(self._said)

    def _stamp(self) -> Stamp | None:
        """None where no file is there, or what there is is a device or a folder."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
