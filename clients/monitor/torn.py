"""A file that broke off in the middle: there is nothing more in it until it is another one. It lies
here, or on a web server."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx

from clients.addresses import on_the_web
from clients.sdk.errors import MediaFailed

# Of a file: inode, bytes, nanoseconds of its last change; on a web server what this tells of it.
Stamp = tuple[int | str | None, ...]
TOLD = ("etag", "last-modified", "content-length")
LOOK_S = 10.0  # for a web server to tell


class Broken(MediaFailed):
    """To try again is of no use while the file is the same."""


class Torn:
    """Of one file: with what it broke off, and what it was then. To look at it may block."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._seen: Stamp | None = None  # before it was read: it may be completed meanwhile
        self._found: Stamp | None = None
        self._said = ""

    def check(self) -> None:
        """Raises Broken as it did when the file broke off, while it is the same file."""
        self._seen = self._stamp()
        if self._found is not None and self._found == self._seen:
            raise Broken(self._said)

    def noted(self, error: MediaFailed) -> MediaFailed:
        """It broke off now; what that means. What is no file may be there again at any time."""
        self._found, self._said = self._seen or self._stamp(), str(error)
        return error if self._found is None else Broken(self._said)

    def _stamp(self) -> Stamp | None:
        return _on_the_web(self._address) if on_the_web(self._address) else _here(self._address)


def _here(address: str) -> Stamp | None:
    """None where no file is there, or what there is is a device or a folder."""
    try:
        found = Path(address).stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _on_the_web(address: str) -> Stamp | None:
    """None where the server does not answer, or tells nothing by which it could be known again."""
    try:
        reply = httpx.head(address, timeout=LOOK_S, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    stamp = tuple(reply.headers.get(name) for name in TOLD)
    return stamp if reply.is_success and any(stamp) else None
