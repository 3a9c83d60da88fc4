"""A service in a process of its own, around a fake engine, made to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.server import serving
from tests.session.fakes import Exchange, FakeEngine

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.session.journal.killable"])


def serve(journal: str, told: Connection) -> None:
    """Serve until killed; tells the URL."""

    async def forever() -> None:
        config = ServiceConfig(rows=4, history_turns=4, journal=journal)
        app = create_app(config, Loaded(FakeEngine(rows=4), 0.2), Exchange(shown_s=4.5))
        async with serving(app) as url:
            told.send(url)
            await asyncio.Event().wait()

    asyncio.run(forever())


def serve_rtc(journal: str, told: Connection) -> None:
    """The same, which takes media over WebRTC."""

    async def forever() -> None:
        config = ServiceConfig(rows=4, journal=journal)
        async with serving(create_app(config, Loaded(FakeEngine(rows=4), 0.2, "cs2"))) as url:
            told.send(url)
            await asyncio.Event().wait()

    asyncio.run(forever())


@contextmanager
def service(journal: str, serve: Callable[[str, Connection], None] = serve) -> Iterator[str]:
    """The URL of a service, which is killed without warning at the end."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serve, args=(journal, theirs))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()
