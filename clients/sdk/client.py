"""The way in: `async with EchoSieve(url, token) as client`."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack

from clients.sdk.backoff import BACKOFF, TIMEOUTS, Backoff, Timeouts
from clients.sdk.errors import Forbidden, NotFound, Unusable
from clients.sdk.session import Publication, Session, Settings, published
from clients.sdk.transport import Transport, checked, checked_token, made, segment
from session import wire

if TYPE_CHECKING:
    import httpx

    from clients.media import Media

DEFAULT_URL = "http://127.0.0.1:8080"
URL_NAME, TOKEN_NAME = "ECHOSIEVE_URL", "ECHOSIEVE_TOKEN"  # in the environment
CheckedRole = Literal["ask", "publish"]
OF_NO_SESSION: dict[CheckedRole, str] = {
    "ask": "/v1/sessions/none/answers/none",
    "publish": "/v1/sessions/none",
}
"""What takes the role to be deleted, and is not there."""


class EchoSieve:
    """A client of one service.

        async with EchoSieve("http://127.0.0.1:8080", token) as client:
            for session in await client.sessions.list():
                print(session.id, session.info.state)

    Without them, `ECHOSIEVE_URL` and `ECHOSIEVE_TOKEN` of the environment count; without those, the
    service of this machine. `timeouts` and `backoff` say how long it waits for what. `transport`
    takes the place of httpx's own, for proxies and certificates.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeouts: Timeouts = TIMEOUTS,
        backoff: Backoff = BACKOFF,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises Unusable (a ValueError too) for a URL or a token that is none. Nothing is sent
        yet."""
        if not isinstance(timeouts, Timeouts) or not isinstance(backoff, Backoff):
            raise Unusable("timeouts and backoff are echosieve.Timeouts and echosieve.Backoff")
        url = _given(url, URL_NAME, checked) or DEFAULT_URL
        token = _given(token, TOKEN_NAME, checked_token)
        self._transport = Transport(url, token, timeouts, transport)
        self._backoff = backoff
        self.sessions = Sessions(self._transport, backoff)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back all connections; sessions live on."""
        await self._transport.close()

    async def ready(self) -> wire.Ready:
        """Whether a new session would be served, and by which model. Raises Unavailable."""
        return await self._transport.call("GET", "/readyz", wire.Ready)

    async def selectors(self) -> list[wire.SelectorChoice]:
        """What a session's `selector` can be set to."""
        found = await self._transport.call("GET", "/v1/selectors", wire.SelectorList)
        return found.selectors

    def publish(self, media: Media, room: str = wire.DEFAULT_ROOM) -> Publication:
        """Send media into a new session (see `Publication`):

            async with client.publish("clip.webm") as live:
                print(await live.session.ask("what do you see?"))

        `media`: a file, a folder, an address (rtsp, http, tcp), a device, `webcam()`, or tracks of
        aiortc: one for the picture, one for the sound, or a list of both. Raises Invalid for a room
        that is none; the rest when it starts.
        """
        made(wire.SessionCreate, {"room": room})
        return Publication(self._transport, media, room=room, find=self._published)

    async def _published(self, id: str) -> Session:
        info = await published(self._transport, f"/v1/sessions/{segment(id)}")
        return Session(self._transport, info, self._backoff)


def _given(value: str | None, variable: str, check: Callable[[str], str]) -> str | None:
    """The value, else that of the environment, if there is one. Raises Unusable, which names the
    variable where it is that."""
    if value is not None:
        return check(value)
    if not (found := os.environ.get(variable)):
        return None
    try:
        return check(found)
    except Unusable as error:
        raise Unusable(f"{variable}: {error}") from None


async def takes_questions(client: EchoSieve) -> bool:
    """Whether the token has a role that may ask; found out before there is a session."""
    try:
        await check_role(client, "ask")
    except Forbidden:
        return False
    return True


async def check_role(client: EchoSieve, role: CheckedRole) -> None:
    """Raises Forbidden where the token has it not; found out before there is a session."""
    try:
        await client._transport.request("DELETE", OF_NO_SESSION[role])
    except NotFound:
        return
    except Forbidden as error:
        if error.missing_role is not None:  # otherwise it is for one session, which is not this
            raise


class Sessions:
    """The sessions of a service: `client.sessions`."""

    def __init__(self, transport: Transport, backoff: Backoff) -> None:
        self._transport = transport
        self._backoff = backoff

    async def create(self, room: str = wire.DEFAULT_ROOM, **settings: Unpack[Settings]) -> Session:
        """A session that waits for its sender, with its settings; then `session.publish`.

        Raises Invalid, Unavailable.
        """
        body = made(wire.SessionCreate, {"room": room, **settings})
        info = await self._transport.call("POST", "/v1/sessions", wire.Session, body=body)
        return Session(self._transport, info, self._backoff)

    async def list(self, state: wire.SessionState | None = None) -> list[Session]:
        """The sessions that are here or wait for their sender, oldest first; or those in one
        state. Of those that have ended (`state="ended"`), the newest first."""
        params: dict[str, str] = {} if state is None else {"state": state}
        sessions: list[Session] = []
        while True:
            found = await self._transport.call(
                "GET", "/v1/sessions", wire.SessionList, params=params
            )
            sessions += [Session(self._transport, info, self._backoff) for info in found.sessions]
            if not found.has_more:
                return sessions
            params["before"] = found.sessions[-1].id

    async def get(self, id: str) -> Session:
        """The session with this id. Raises NotFound."""
        info = await self._transport.call("GET", f"/v1/sessions/{segment(id)}", wire.Session)
        return Session(self._transport, info, self._backoff)
