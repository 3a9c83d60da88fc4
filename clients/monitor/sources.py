"""How each source of the configuration becomes sessions that are watched."""

from __future__ import annotations

import asyncio
import http
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from clients.feed import Feed
from clients.monitor.bot import MOST_MESSAGE, BotError, Hello, read_hello, read_piece
from clients.monitor.config import BotSource, BotsTable, MediaSource, RoomSource
from clients.sdk import EchoSieve, Session
from clients.sdk.errors import EchoSieveError
from clients.together import until_first

if TYPE_CHECKING:
    from clients.media import Delivered

log = logging.getLogger("echosieve")

LOOK_S = 1.0  # how often it is looked who has come to a room
HELLO_S = 10.0  # how long a bot may take to say hello
MOST_AHEAD_S = 30.0  # of the clock, for what a bot brings
FAREWELL_S = 15.0  # for the end of a session to be told


class Attend(Protocol):
    """Sets what is to be watched for in a session, and tells of it to its end."""

    async def prepare(self, name: str, session: Session) -> None: ...

    async def follow(self, name: str, session: Session, goes_on: Callable[[], bool]) -> None: ...


async def watch_room(client: EchoSieve, source: RoomSource, attend: Attend) -> None:
    """Whoever sends to the room, one session after the other. Does not end."""
    room = source.room or source.name
    while True:
        for session in await client.sessions.list():
            if session.info.room == room and session.info.state in ("connecting", "live"):
                await attend.prepare(source.name, session)
                await attend.follow(source.name, session, lambda: False)
        await asyncio.sleep(LOOK_S)


async def watch_media(client: EchoSieve, source: MediaSource, attend: Attend) -> None:
    """An address or a file, to its end. Raises EchoSieveError for one that cannot be read."""
    session = await client.sessions.create(room=source.name)
    await attend.prepare(source.name, session)
    ended = False
    following = asyncio.create_task(attend.follow(source.name, session, lambda: not ended))
    try:
        async with Feed(
            client, source.address, room=source.name, tell=log.warning, session=session
        ) as feed:
            await feed.finished()
            ended = True
        async with asyncio.timeout(FAREWELL_S):
            await asyncio.shield(following)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class Bots:
    """Listens for bots. One at a time for each name."""

    def __init__(
        self,
        client: EchoSieve,
        table: BotsTable,
        bots: Mapping[str, tuple[BotSource, str | None]],
        attend: Attend,
    ) -> None:
        """`bots`: by name, each with its secret."""
        self.port = table.port
        self._client = client
        self._table = table
        self._bots = bots
        self._attend = attend
        self._here: set[str] = set()

    async def run(self, listening: Callable[[int], None] = lambda _: None) -> None:
        """Does not end. Raises EchoSieveError where the port is taken."""
        try:
            server = await serve(
                self._serve,
                self._table.host,
                self._table.port,
                process_request=self._admit,
                max_size=MOST_MESSAGE,
                max_queue=16,
            )
        except OSError as error:
            where = f"{self._table.host}:{self._table.port}"
            raise EchoSieveError(f"bots: cannot listen on {where}: {error.strerror}") from error
        async with server:
            self.port = port_of(server)
            listening(self.port)
            await server.serve_forever()

    def _admit(self, _: ServerConnection, request: Request) -> Response | None:
        """No bot of that name, or a web page: browsers say where they come from, bots do not."""
        name = request.path.strip("/")
        if name not in self._bots:
            return refusal(http.HTTPStatus.NOT_FOUND, f"no source is called {name[:64]!r}")
        if "Origin" in request.headers:
            return refusal(http.HTTPStatus.FORBIDDEN, "web pages may not be bots")
        return None

    async def _serve(self, bot: ServerConnection) -> None:
        """One bot from its hello to its bye."""
        assert bot.request is not None
        name = bot.request.path.strip("/")
        with suppress(ConnectionClosed):
            try:
                await self._attended(name, bot)
            except TimeoutError:
                await bot.close(1008, "nothing was said in time")
            except EchoSieveError as error:
                await bot.send(json.dumps({"type": "error", "message": str(error)}))
                await bot.close(1008 if isinstance(error, BotError) else 1011)

    async def _attended(self, name: str, bot: ServerConnection) -> None:
        from clients.media import Delivered

        source, secret = self._bots[name]
        async with asyncio.timeout(HELLO_S):
            hello = read_hello(await bot.recv(), secret)
        if name in self._here:
            raise BotError(f"a bot is here already as {name}")
        self._here.add(name)
        try:
            media = Delivered(has_audio=hello.audio, has_video=hello.video)
            session = await self._client.sessions.create(room=source.name)
            await self._attend.prepare(name, session)
            await self._published(name, bot, hello, session, media)
        finally:
            self._here.discard(name)

    async def _published(
        self, name: str, bot: ServerConnection, hello: Hello, session: Session, media: Delivered
    ) -> None:
        following = asyncio.create_task(self._attend.follow(name, session, lambda: False))
        try:
            async with session.publish(media) as publication:
                await bot.send(json.dumps({"type": "ready", "session": session.id}))
                with suppress(ConnectionClosed):
                    await until_first([taken(bot, hello, media), publication.finished()])
                media.end()
                await publication.finished()
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.shield(following)
        finally:
            media.end()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def taken(bot: ServerConnection, hello: Hello, media: Delivered) -> None:
    """What the bot brings, up to its bye. Raises BotError, MediaFailed."""
    began_s = time.monotonic()
    async for message in bot:
        if isinstance(message, str):
            return
        piece = read_piece(message, hello)
        if piece.header.time_s > time.monotonic() - began_s + MOST_AHEAD_S:
            raise BotError(f"time_s runs more than {MOST_AHEAD_S:g} s ahead of the clock")
        if piece.header.kind == "audio":
            await media.sound(piece.header.time_s, piece.content)
        else:
            await media.picture(piece.header.time_s, piece.content)


def refusal(status: http.HTTPStatus, text: str) -> Response:
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Connection": "close"})
    return Response(status.value, status.phrase, headers, text.encode())


def port_of(server: Server) -> int:
    port = next(iter(server.sockets)).getsockname()[1]
    assert isinstance(port, int)
    return port
