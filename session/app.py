"""The composition root: engine, worker, sessions and routes become one application."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from session.api import access, pages, rest, system, whip
from session.api import watches as watch_rest
from session.api.http import KnownHosts, Origins, SecurityHeaders, install_errors
from session.api.scenes import Scenes
from session.api.service import Service
from session.api.streams import Streams
from session.auth import Gate, guarded
from session.config import ServiceConfig, Settings
from session.engine.loading import Loaded
from session.engine.reports import Report
from session.engine.worker import Worker
from session.errors import BadRequest, NotAcceptable
from session.journal import records
from session.journal.journal import IN_MEMORY, Journal
from session.journal.shelf import Shelf
from session.live.origin import Shared
from session.live.pace import Paces
from session.metrics import Metrics
from session.roster.archive import Archive
from session.roster.manager import Connect, Manager, Peer
from session.watch.snapshots import Snapshots
from stream import rtc
from stream.receive import ReceiveConfig

PARTS = (whip, rest, watch_rest, access, system, pages)
METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS"]
EXPOSED = ["Location", "Link", "ETag", "X-EchoSieve-Session"]


def create_app(config: ServiceConfig, loaded: Loaded, connect: Connect | None = None) -> FastAPI:
    """The application. `connect` makes a peer of an SDP offer, by default over aiortc."""
    connect = connect or rtc_connect(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(config, loaded, connect) as service:
            app.state.service = service
            yield

    for _ in guarded(part.router for part in PARTS):  # raises for a route that does not say
        pass
    app = FastAPI(title="EchoSieve", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    install_errors(app)
    for part in PARTS:
        app.include_router(part.router)
    app.add_middleware(
        Origins,
        allow_origins=config.origins,
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )
    app.add_middleware(KnownHosts, names=config.hosts)
    app.add_middleware(SecurityHeaders)
    return app


@asynccontextmanager
async def running(
    config: ServiceConfig, loaded: Loaded, connect: Connect
) -> AsyncIterator[Service]:
    """A service with its engine thread; everything is given back at the end."""
    with tempfile.TemporaryDirectory(prefix="echosieve-") as directory:
        async with on_file(config) as journal:
            service, worker = assembled(config, loaded, connect, journal, Path(directory))
            manager, archive = service.manager, service.archive
            await manager.restore()
            worker.start()
            try:
                async with in_background(archive.age(config.keep), manager.expire()):
                    yield service
            finally:
                await manager.close()
                await asyncio.to_thread(worker.stop)


def assembled(
    config: ServiceConfig, loaded: Loaded, connect: Connect, journal: Journal, directory: Path
) -> tuple[Service, Worker]:
    """The service on `journal`, and its worker, which has not started. What is kept for as long as
    the service runs goes into `directory`."""
    loop = asyncio.get_running_loop()

    def deliver(report: Report) -> None:
        loop.call_soon_threadsafe(manager.on_report, report)

    worker = worker_of(config, loaded, deliver)
    shelf = Shelf(journal, Snapshots(pictures_of(config) or directory / "pictures"))
    archive = Archive(journal, config.limits)
    archive.removed.append(shelf.snapshots.remove)
    archive.aged.append(shelf.snapshots.remove_old)
    metrics, paces = Metrics(), Paces.of(config.limits)
    manager = Manager(
        config,
        settings=settings_of(config, loaded),
        selectors=loaded.selectors,
        shared=Shared(worker, shelf, config.limits, paces),
        archive=archive,
        connect=connect,
        metrics=metrics,
    )
    service = Service(
        config=config,
        manager=manager,
        archive=archive,
        shelf=shelf,
        gate=Gate(config.key),
        metrics=metrics,
        scenes=Scenes(directory),
        paces=paces,
        streams=Streams(config.limits),
        selectors=loaded.selectors,
        horizon_s=loaded.horizon_s,
    )
    return service, worker


def worker_of(config: ServiceConfig, loaded: Loaded, deliver: Callable[[Report], None]) -> Worker:
    return Worker(
        loaded.engine,
        retention=loaded.retention,
        max_branches=config.max_branches,
        deliver=deliver,
    )


def settings_of(config: ServiceConfig, loaded: Loaded) -> Settings:
    """What a session begins with. The built-in model knows the words of its world only, so notes
    are read out in its place."""
    return Settings(
        config.fps,
        loaded.retention,
        loaded.selector,
        config.turns_read,
        reads_notes=config.model != "demo",
    )


def pictures_of(config: ServiceConfig) -> Path | None:
    """The folder of pictures beside the journal; None where that is in memory."""
    return Path(f"{config.journal}.pictures") if config.journal else None


@asynccontextmanager
async def on_file(config: ServiceConfig) -> AsyncIterator[Journal]:
    """The journal, in which nothing is live; closed at the end. Raises JournalError."""
    journal = Journal(config.journal or IN_MEMORY, room=config.limits.journal_jobs)
    try:
        await journal.do(records.bury)
        yield journal
    finally:
        await journal.close()


@asynccontextmanager
async def in_background(*parts: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs what never ends by itself, for the length of a block."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def rtc_connect(config: ServiceConfig) -> Connect:
    """Answers offers with aiortc peers that sample frames as the windows need them."""
    peer_config = rtc.PeerConfig(receive=ReceiveConfig(fps=config.fps))

    async def connect(offer_sdp: str) -> tuple[Peer, str]:
        try:
            return await rtc.Peer.answer(offer_sdp, config=peer_config)
        except rtc.SdpError as error:
            raise BadRequest(str(error)) from error
        except rtc.UnsupportedMedia as error:
            raise NotAcceptable(str(error)) from error

    return connect
