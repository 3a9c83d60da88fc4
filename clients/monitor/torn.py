"""A file that broke off in the middle: there is nothing more in it until it is another one."""

from __future__ import annotations

from pathlib import Path

from clients.sdk.errors import MediaFailed

Stamp = tuple[int, int, int]  # inode, bytes, nanoseconds of its last change


class Torn:
    """Of one file: with what it broke off, and what it was then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: Stamp | None = None
        self._said = ""

    def check(self) -> None:
        """Raises MediaFailed as it did when the file broke off, while it is the same file."""
        if self._found is not None and self._found == self._stamp():
            raise MediaFailed(self._said)

    def note(self, error: MediaFailed) -> None:
        """It broke off now."""
        self._found, self._said = self._stamp(), str(error)

    def _stamp(self) -> Stamp | None:
        """None where nothing is there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
