"""Media for the SDK: what can be published, and how it is sent. The one bridge from clients to
`stream`; it stands on aiortc, PyAV and numpy, so it is imported only when something is published.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from clients.sdk.errors import ConnectionLost, MediaFailed

if TYPE_CHECKING:
    from stream.publish import Sending
    from stream.sources import Named

Media: TypeAlias = "Named"
"""A file, a folder, an address, a device (by its name), a source, or tracks of aiortc."""


async def sender_of(media: Media) -> Sender:
    """Raises MediaFailed where the media cannot be opened, or what sends it is not installed."""
    try:
        from stream.publish import Sending
        from stream.source import MediaError
        from stream.sources import source_of
    except ModuleNotFoundError as error:
        raise MediaFailed(
            f"{error.name} is not installed; to publish media: pip install 'echosieve[media]'"
        ) from error
    try:
        source = await asyncio.to_thread(source_of, media)
    except MediaError as error:
        raise MediaFailed(str(error)) from error
    return Sender(Sending(source))


class Sender:
    """Sends media once a connection is agreed upon; the signalling is the caller's."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def offer(self) -> str:
        """The SDP offer."""
        return await self._sending.offer()

    async def accept(self, answer_sdp: str) -> None:
        """Take the answer and begin. Raises ConnectionLost where it is unusable."""
        from stream.publish import PublishError

        try:
            await self._sending.accept(answer_sdp)
        except PublishError as error:
            raise ConnectionLost(str(error)) from error

    async def finished(self) -> None:
        """Wait for the end of the media. Raises MediaFailed, ConnectionLost."""
        from stream.publish import PublishError
        from stream.source import MediaError

        try:
            await self._sending.finished()
        except PublishError as error:
            raise ConnectionLost(str(error)) from error
        except MediaError as error:
            raise MediaFailed(str(error)) from error

    async def close(self) -> None:
        await self._sending.close()
