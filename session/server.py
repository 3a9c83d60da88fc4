"""Serves the application on a socket, for a command line or for the length of a block."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from session.api.service import Service
from session.footprint import settle

log = logging.getLogger(__name__)

CONNECTIONS = 512  # at once; more are answered with 503
HEADER_S = 15.0  # how long a client may take to send the header of a request
CLOSE_S = 5  # how long open requests may take to end
STUCK_S = 30.0  # how long a client may read nothing of what waits for it
UNSENT_BYTES = 256 * 1024  # of a connection, that the system may hold on its way


class ServeError(Exception):
    """The service cannot be reached under the address it was given; the text says why."""


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one. Raises ServeError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServeError(f"cannot listen on {host}:{port}: {remedy(error)}") from error
    return listener


def remedy(error: OSError) -> str:
    """What is wrong with the address and what can be done."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "something listens there already, perhaps an EchoSieve: use that one, stop it, or "
                "name another port by --port"
            )
        case errno.EACCES:
            return "this port takes rights that you have not: name one above 1023 by --port"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address: name one that it has by --host"
        case _:
            return error.strerror or str(error)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: FastAPI, listener: socket.socket) -> None:
    """Serve until interrupted."""
    with listener:
        settle()
        _Server(app).run([listener])


@asynccontextmanager
async def serving(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve inside a running loop; gives the URL. Raises ServeError."""
    with bound(host, port) as listener:
        server = _Server(app)
        task = asyncio.create_task(server.serve_within([listener]), name="uvicorn")
        try:
            await _until_started(server, task)
            yield url_of(listener)
        finally:
            server.should_exit = True
            await task


async def _until_started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            await task
            raise ServeError("the service ended while it started; see the log")
        await asyncio.sleep(0.01)


class _Connection(H11Protocol):
    """Hangs up when the header of a request does not come within `HEADER_S`, and on a client that
    does not read: while the transport is full, nothing more is made for it, and when nothing has
    left for `STUCK_S`, what waits is thrown away and the response ends as if the client had gone.
    """

    _waiting: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the header is complete
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._unstuck()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._unstuck()
        super().resume_writing()

    def _watch_reader(self) -> None:
        waits = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(STUCK_S, self._look_again, waits)

    def _look_again(self, waited: int) -> None:
        """`waited`: bytes in the transport, `STUCK_S` ago. None come in while it is full."""
        if self.transport.get_write_buffer_size() < waited:
            self._watch_reader()
        else:
            log.warning("a client that did not read for %g s is hung up on", STUCK_S)
            self.transport.abort()

    def _unstuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADER_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Server(uvicorn.Server):
    """Ends all sessions before it waits for its connections: those that listen end with them, as
    do those that wait for a demo scene."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Connection,
                log_level="warning",
                access_log=False,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=CLOSE_S,
            )
        )
        self._app = app

    async def serve_within(self, sockets: list[socket.socket]) -> None:
        """As `serve`, but signals stay with whoever runs the loop."""
        await self._serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        service: Service = self._app.state.service
        service.scenes.close()
        await service.manager.close()
        await super().shutdown(sockets)
