"""Media on its way into a session, over WebRTC (WHIP, RFC 9725)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from clients.sdk.errors import ConnectionLost, MediaFailed, NotFound, ServiceUnreachable
from clients.sdk.transport import Transport

if TYPE_CHECKING:
    from clients.media import Media, Sender
    from clients.sdk.session import Session

SDP = "application/sdp"


class Publication:
    """Made by `client.publish` and `session.publish`; media runs while the block does.

    `session` is the session that sees and hears it.
    """

    def __init__(
        self,
        transport: Transport,
        media: Media,
        *,
        room: str,
        find: Callable[[str], Awaitable[Session]],
        attach: str | None = None,
    ) -> None:
        """`find` gives the session with an id; `attach` is the id of one that is there already."""
        self._transport = transport
        self._media = media
        self._room = room
        self._find = find
        self._attach = attach
        self._session: Session | None = None
        self._sender: Sender | None = None
        self._resource = ""

    @property
    def session(self) -> Session:
        """Raises RuntimeError before the publication has begun."""
        if self._session is None:
            raise RuntimeError("nothing is published yet: use `async with client.publish(...)`")
        return self._session

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Open the media and connect. Raises MediaFailed, Unavailable (the service is full) and
        whatever else a request raises."""
        from clients.media import sender_of

        self._sender = await sender_of(self._media)
        try:
            await self._connect(self._sender)
        except BaseException:
            await self._sender.close()
            raise

    async def finished(self) -> None:
        """Wait until the media has come to its end and its last piece was sent.

        Raises MediaFailed where the media breaks, ConnectionLost where the connection does.
        """
        if self._sender is None:
            raise MediaFailed("nothing is published yet: use `async with client.publish(...)`")
        await self._sender.finished()

    async def close(self) -> None:
        """Stop sending and end the session; may be called any number of times."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        try:
            await self._transport.request("DELETE", self._resource)
        except (NotFound, ConnectionLost, ServiceUnreachable):
            return  # it is gone, or will miss its sender within seconds
        finally:
            await sender.close()

    async def _connect(self, sender: Sender) -> None:
        response = await self._transport.request(
            "POST",
            f"/whip/{quote(self._room, safe='')}",
            params=None if self._attach is None else {"session": self._attach},
            content=await sender.offer(),
            headers={"Content-Type": SDP},
        )
        self._resource = response.headers["Location"]
        await sender.accept(response.text)
        self._session = await self._find(response.headers["X-EchoSieve-Session"])
