"""When a monitor has nothing more to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from clients.sdk.errors import MediaFailed


class Ending:
    """Reached when of no source anything more is to be had as it is: each has come to its end, or
    is a file that cannot be read further. Rooms, bots and cameras may always bring more."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._going = set(sources)
        self._unread: dict[str, str] = {}  # why, by name
        self._over = asyncio.Event()

    def goes_on(self, name: str) -> None:
        """There may be more of it, also where there was not before."""
        self._going.add(name)
        self._unread.pop(name, None)

    def stands(self, name: str, unread: str | None = None) -> None:
        """There is no more of it; `unread`: why there was nothing at all."""
        self._going.discard(name)
        if unread is not None:
            self._unread[name] = unread
        if not self._going:
            self._over.set()

    async def reached(self) -> None:
        await self._over.wait()

    def check(self, report: object) -> None:
        """Raises MediaFailed for sources of which nothing could be read at all; where the report of
        the others is."""
        if self._unread:
            told = "; ".join(f"{name}: {why}" for name, why in self._unread.items())
            raise MediaFailed(f"{told}; the report is {report}")
