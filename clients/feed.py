"""Keeps media flowing into a session, over cuts of the network and restarts of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from clients.sdk.backoff import BACKOFF, Backoff
from clients.sdk.client import EchoSieve
from clients.sdk.errors import (
    Conflict,
    ConnectionLost,
    NotFound,
    ServerError,
    ServiceTimeout,
    ServiceUnreachable,
)
from clients.sdk.session import Publication, Session

if TYPE_CHECKING:
    from clients.media import Media

PASSING = (ConnectionLost, ServerError, ServiceTimeout, ServiceUnreachable)

Tell = Callable[[str], None]


class Feed:
    """Publishes `media` while its block runs; after a cut, into the same session where there is
    one still. `tell` is given a sentence about each cut."""

    def __init__(
        self,
        client: EchoSieve,
        media: Media,
        *,
        room: str,
        tell: Tell,
        backoff: Backoff = BACKOFF,
        session: Session | None = None,
    ) -> None:
        """Begins with a session of its own, or with one that waits for it."""
        self._client = client
        self._media = media
        self._room = room
        self._tell = tell
        self._backoff = backoff
        self._publication = session.publish(media) if session else client.publish(media, room)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session:
        """The session that is fed now."""
        return self._publication.session

    async def __aenter__(self) -> Self:
        """Raises whatever `Publication.start` does: what is wrong at first is for the user."""
        await self._publication.start()
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        await self._publication.close()

    async def finished(self) -> None:
        """Wait for the end of the media. Raises MediaFailed where it breaks, Refused where the
        service does not take it back."""
        if self._keeping is not None:
            await asyncio.shield(self._keeping)

    async def _keep(self) -> None:
        while True:
            try:
                await self._publication.finished()
                return
            except ConnectionLost as error:
                self._tell(f"{error}; connecting again")
            await self._publication.close()
            failures = 0
            while not await self._came_back():
                failures += 1
                await asyncio.sleep(self._backoff.wait_s(failures))

    async def _came_back(self) -> bool:
        """One attempt; into a new session where a service without a journal was started anew."""
        try:
            self._publication = await started(self.session.publish(self._media))
        except NotFound:
            return await self._began_anew()
        except (Conflict, *PASSING):  # a conflict: the sender before is not missed yet
            return False
        return True

    async def _began_anew(self) -> bool:
        try:
            self._publication = await started(self._client.publish(self._media, self._room))
        except PASSING:
            return False
        return True


async def started(publication: Publication) -> Publication:
    await publication.start()
    return publication
