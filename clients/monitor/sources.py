"""How each source of the configuration becomes sessions that are watched."""

from __future__ import annotations

import asyncio
import http
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from clients.addresses import on_the_web
from clients.advice import CONFIGURATION, plain, told
from clients.monitor.bot import (
    MOST_RECEIVED,
    BotError,
    Clock,
    Hello,
    read_bye,
    read_hello,
    read_piece,
)
from clients.monitor.config import BotsTable, MediaSource, RoomSource
from clients.monitor.ending import Ending
from clients.monitor.keeping import Condition, Keeper
from clients.monitor.reached import Reached
from clients.monitor.streams import Attend, Streams
from clients.monitor.torn import Torn
from clients.sdk import EchoSieve, Publication, Session
from clients.sdk.errors import Conflict, EchoSieveError, MediaCut, MediaFailed, NotFound
from clients.together import until_first

if TYPE_CHECKING:
    from clients.media import Delivered

log = logging.getLogger("echosieve")

LOOK_S = 1.0  # how often it is looked who has come to a room
HELLO_S = 10.0  # how long a bot may take to say hello
MOST_AHEAD_S = 30.0  # of the clock, for what a bot brings


class Room:
    """Whoever sends to a room, one session after the other."""

    def __init__(self, client: EchoSieve, source: RoomSource, attend: Attend) -> None:
        self._client = client
        self._name = source.name
        self._room = source.room or source.name
        self._attend = attend
        self._following: asyncio.Task[None] | None = None

    async def watch(self, up: Callable[[], None]) -> None:
        """Does not end. `up` is called whenever the service has said who is there, also while a
        session is followed, so that its being away is noticed."""
        while True:
            sessions = await self._client.sessions.list()
            if self._following is not None and self._following.done():
                following, self._following = self._following, None
                with suppress(NotFound):  # its record was removed
                    following.result()
            if self._following is None:
                await self._attend_to(sessions)
            up()
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _attend_to(self, sessions: list[Session]) -> None:
        """The first that is live; one that has gone in the meantime is none."""
        for session in sessions:
            if session.info.room == self._room and session.info.state in ("connecting", "live"):
                with suppress(Conflict, NotFound):
                    await self._attend.prepare(self._name, session)
                    telling = self._attend.follow(self._name, session, lambda: False)
                    self._following = asyncio.create_task(telling)
                    return


async def watch_room(client: EchoSieve, source: RoomSource, attend: Attend, keeper: Keeper) -> None:
    """Does not end."""
    room = Room(client, source, attend)
    try:
        await keeper.run(partial(room.watch, keeper.up))
    finally:
        await room.close()


async def watch_media(
    streams: Streams, source: MediaSource, keeper: Keeper, reached: Reached, ending: Ending
) -> None:
    """An address, to its end: a camera has none, a file has one, also on a web server, and after a
    failure goes on where it was; one that is damaged, when it has been replaced or completed, if
    the monitor has not come to its end before."""
    from clients.media import shown

    torn = Torn(source.address)
    is_file = await asyncio.to_thread(Path(source.address).is_file)
    is_kept = is_file or on_the_web(source.address)  # how far it has been watched
    began_s = -1.0  # where the attempt before did

    async def sent(_: Session, publication: Publication) -> None:
        keeper.up()
        await publication.finished()

    async def attempt() -> None:
        from clients.media import Noticed, opened

        nonlocal began_s
        await asyncio.to_thread(torn.check)
        ending.goes_on(source.name)
        from_s = reached.seconds(source.name, shown(source.address)) if is_kept else 0.0
        came, goes_on, began_s = False, from_s != began_s, from_s
        try:
            media = Noticed(await opened(source.address, from_s))
            try:
                await streams.publish(source.name, media, sent)
            finally:
                came = media.came
        except MediaFailed as error:
            # A film on the web may have been cut on its way: it is one that is damaged where
            # nothing more of it comes the next time.
            if not (is_file or (isinstance(error, MediaCut) and not (came and goes_on))):
                raise
            noted = await asyncio.to_thread(torn.noted, error)
            ending.stands(source.name, None if came or from_s > 0 else str(error))
            raise noted from error

    await keeper.run(attempt)
    reached.forget(source.name)
    ending.stands(source.name)


class Bots:
    """Listens for bots. One at a time for each name."""

    def __init__(
        self,
        streams: Streams,
        table: BotsTable,
        secrets: Mapping[str, str | None],
        condition: Condition,
    ) -> None:
        """`secrets`: those of all bots there may be, by name."""
        self._streams = streams
        self._table = table
        self._secrets = secrets
        self._condition = condition
        self._here: set[str] = set()

    async def run(self, listening: Callable[[int], None] = lambda _: None) -> None:
        """Does not end. Raises EchoSieveError where the port is taken."""
        try:
            server = await serve(
                self._serve,
                self._table.host,
                self._table.port,
                process_request=self._admit,
                max_size=MOST_RECEIVED,
                max_queue=16,
            )
        except OSError as error:
            where = f"{self._table.host}:{self._table.port}"
            raise EchoSieveError(f"bots: cannot listen on {where}: {error.strerror}") from error
        async with server:
            listening(port_of(server))
            await server.serve_forever()

    def _admit(self, _: ServerConnection, request: Request) -> Response | None:
        """No bot of that name, or a web page: browsers say where they come from, bots do not."""
        name = request.path.strip("/")
        if name not in self._secrets:
            return refusal(http.HTTPStatus.NOT_FOUND, f"no source is called {name[:64]!r}")
        if "Origin" in request.headers:
            return refusal(http.HTTPStatus.FORBIDDEN, "web pages may not be bots")
        return None

    async def _serve(self, bot: ServerConnection) -> None:
        """One bot from its hello to its bye; it is told what goes wrong."""
        assert bot.request is not None
        name = bot.request.path.strip("/")
        with suppress(ConnectionClosed):
            try:
                await self._attended(name, bot)
            except EchoSieveError as error:
                log.warning("the bot %s: %s", name, told(error, CONFIGURATION))
                await bot.send(json.dumps({"type": "error", "message": plain(error)}))
                await bot.close(1008 if isinstance(error, BotError) else 1011)

    async def _attended(self, name: str, bot: ServerConnection) -> None:
        """Raises BotError, and what else makes a source fail, which is down until a bot is back."""
        from clients.media import Delivered

        hello = await self._hello(name, bot)
        if name in self._here:
            raise BotError(f"a bot is here already as {name}")
        self._here.add(name)
        media = Delivered(has_audio=hello.audio, has_video=hello.video)
        try:
            await self._streams.publish(name, media, partial(self._taken, name, bot, hello, media))
        except BotError:
            raise
        except EchoSieveError as error:
            self._condition.down(name, plain(error))
            raise
        finally:
            media.end()
            self._here.discard(name)

    async def _hello(self, name: str, bot: ServerConnection) -> Hello:
        try:
            async with asyncio.timeout(HELLO_S):
                return read_hello(await bot.recv(), self._secrets[name])
        except TimeoutError:
            raise BotError(f"the hello did not come within {HELLO_S:g} s") from None

    async def _taken(
        self,
        name: str,
        bot: ServerConnection,
        hello: Hello,
        media: Delivered,
        session: Session,
        publication: Publication,
    ) -> None:
        self._condition.up(name)
        await bot.send(json.dumps({"type": "ready", "session": session.id}))
        with suppress(ConnectionClosed):
            await until_first([taken(bot, hello, media), publication.finished()])
        media.end()
        await publication.finished()


async def taken(bot: ServerConnection, hello: Hello, media: Delivered) -> None:
    """What the bot brings, up to its bye. Raises BotError, MediaFailed."""
    began_s, clock = time.monotonic(), Clock()
    async for message in bot:
        if isinstance(message, str):
            read_bye(message)
            return
        piece = read_piece(message, hello)
        clock.goes_on(piece.header)
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
