"""The events of a session, over cuts of the connection and restarts of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import get_args

from clients.sdk.backoff import Backoff
from clients.sdk.errors import (
    ConnectionLost,
    EchoSieveError,
    ServerError,
    ServiceTimeout,
    ServiceUnreachable,
    TooManyRequests,
    Unusable,
)
from clients.sdk.sse import Message, Parser
from clients.sdk.transport import Transport
from session import wire

log = logging.getLogger("echosieve")

PASSING = (ConnectionLost, ServiceTimeout, ServiceUnreachable, ServerError, TooManyRequests)
KNOWN = {kind.model_fields["type"].default for kind in get_args(get_args(wire.Event)[0])}


class EventStream:
    """Made by `Session.events`; iterate over it. Comes back by itself when the connection is cut,
    with the number of the last event: none is lost, none comes twice.

    `last_id` is the number of the event that was handed out last: keep it, and a program that
    starts anew goes on where it was with `session.events(after=last_id)`.
    """

    def __init__(
        self, transport: Transport, path: str, *, after: int | None, backoff: Backoff
    ) -> None:
        """Raises Unusable."""
        if after is not None and not _is_number_of_event(after):
            raise Unusable(f"after is the number of an event, 0 or above, not {after!r}")
        self.last_id = after
        self._transport = transport
        self._path = path
        self._backoff = backoff
        self._failures = 0  # in a row, since the last event
        self._met = False  # whether the service was ever reached

    async def __aiter__(self) -> AsyncGenerator[wire.Event]:
        """Events up to the end of the session (`session.closed`); of one that has ended, those that
        are on record.

        Raises EchoSieveError where the service cannot be reached at first, and later on where
        coming back is of no use (the session was deleted, the token has expired).
        """
        over = False  # whether the session had ended before this connection
        while True:
            last, more = self._is_last(), False
            try:
                async with aclosing(self._connected()) as events:
                    async for event in events:
                        more = True
                        yield event
                        if self._ends(event):
                            return
                if last or (over and not more):
                    return
                over = await self._is_over()
                if not over:  # something between us and the service ended it
                    await self._pause(ConnectionLost("the stream was ended"))
            except PASSING as error:
                if not self._met and not isinstance(error, ConnectionLost):
                    raise
                over = False
                await self._pause(error)

    def _ends(self, event: wire.Event) -> bool:
        return isinstance(event, wire.SessionClosed)

    async def _is_over(self) -> bool:
        """Whether the session has ended. It may have done so after the stream was: only the next
        connection that brings no more has told all of it."""
        session = await self._transport.call("GET", self._path, wire.Session)
        return session.state == "ended"

    def _is_last(self) -> bool:
        """Whether the connection that comes next is the last, where it is not cut: the service ends
        it when it has told all of a session that has ended."""
        return False

    async def _connected(self) -> AsyncGenerator[wire.Event]:
        """The events of one connection."""
        headers = {} if self.last_id is None else {"Last-Event-ID": str(self.last_id)}
        parser = Parser()
        async with self._transport.events("GET", f"{self._path}/events", headers) as pieces:
            self._met = True
            async for piece in pieces:
                for message in parser.feed(piece):
                    if (event := self._new(message)) is not None:
                        self._failures = 0
                        yield event

    def _new(self, message: Message) -> wire.Event | None:
        """The event of a message, unless it was handed out before or is of a newer service. Raises
        ConnectionLost where the service lets us go before the end."""
        if message.id is not None:
            number = int(message.id)
            if self.last_id is not None and number <= self.last_id:
                return None
            self.last_id = number
        if message.data is None or message.event not in KNOWN:
            return None
        event = wire.EVENT.validate_json(message.data)
        if isinstance(event, wire.EventsDropped):
            raise ConnectionLost(event.reason)
        if isinstance(event, wire.EventsMissed):  # also where the record ends before `last_id`
            self.last_id = event.next_id - 1
        return event

    async def _pause(self, error: EchoSieveError) -> None:
        self._failures += 1
        wait_s = self._backoff.wait_s(self._failures)
        log.info("%s; back in %.1f s", error, wait_s)
        await asyncio.sleep(wait_s)


class Following(EventStream):
    """Made by `Session.follow`: goes on when a session that had ended is opened again."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        after: int | None,
        backoff: Backoff,
        goes_on: Callable[[], bool] | None,
    ) -> None:
        super().__init__(transport, path, after=after, backoff=backoff)
        self._goes_on = goes_on

    def _ends(self, event: wire.Event) -> bool:
        return False

    async def _is_over(self) -> bool:
        return False  # it may be opened again

    def _is_last(self) -> bool:
        return self._goes_on is not None and not self._goes_on()


def _is_number_of_event(after: object) -> bool:
    return isinstance(after, int) and not isinstance(after, bool) and 0 <= after < 10**15
