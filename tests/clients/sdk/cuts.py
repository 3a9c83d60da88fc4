"""A network that can be cut: a TCP proxy in front of a service, which may change its address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Network:
    """Passes connections on to `target`; `cut` hangs up on all of them, `budget` bytes of replies
    (None: any) go through before it does so by itself."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.server: asyncio.Server
        self.budget: int | None = None
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    def close(self) -> None:
        """No way through any more."""
        self.server.close()
        self.cut()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            to = urlsplit(self.target)
            onward = await asyncio.open_connection(to.hostname, to.port)
            self._open.add(onward[1])
            there = self._pass(reader, onward[1], replies=False)
            await asyncio.gather(there, self._pass(onward[0], writer, replies=True))
        except OSError:
            pass  # cut, or nobody there: both look alike from outside
        finally:
            self._open -= {writer}
            writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        try:
            while piece := await reader.read(1 << 16):
                if replies and self.budget is not None:
                    piece = piece[: self.budget]
                    self.budget -= len(piece)
                writer.write(piece)
                await writer.drain()
                if replies and self.budget == 0:
                    self.budget = None
                    self.cut()
        finally:
            writer.close()
            self._open.discard(writer)


@asynccontextmanager
async def network(target: str) -> AsyncIterator[Network]:
    """A network in front of `target`, at `url`."""
    net = Network(target)
    net.server = await asyncio.start_server(net.serve, "127.0.0.1", 0)
    net.url = f"http://127.0.0.1:{net.server.sockets[0].getsockname()[1]}"
    try:
        yield net
    finally:
        net.close()
        await net.server.wait_closed()
        await asyncio.sleep(0.05)  # the handlers see their connections end
