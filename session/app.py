"""The composition root: engine, worker, sessions and routes become one application."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from fastapi import FastAPI

from session.api import access, pages, rest, system, whip
from session.api import watches as watch_rest
from session.api.http import KnownHosts, Origins, SecurityHeaders, install_errors
from session.api.scenes import Scenes
from session.api.service import Service
from session.auth import Gate, guarded
from session.config import ServiceConfig, Settings
from session.engine.reports import Report
from session.engine.worker import EngineLike, Worker
from session.errors import BadRequest, NotAcceptable
from session.journal import records
from session.journal.journal import IN_MEMORY, Journal
from session.journal.shelf import Shelf
from session.live.pace import Pace
from session.live.session import Shared
from session.metrics import Metrics
from session.roster.archive import Archive
from session.roster.manager import Connect, Manager, Peer
from session.watch.snapshots import Snapshots
from sieve import Engine, EngineConfig, Model, RowConfig, load_model
from sieve.errors import SettingInvalid
from sieve.model import StreamLayout
from sieve.selectors import available
from stream import rtc
from stream.receive import ReceiveConfig

PARTS = (whip, rest, watch_rest, access, system, pages)
METHODS = ["GET", "POST", "PATCH", "DELETE", "OPTIONS"]
EXPOSED = ["Location", "Link", "ETag", "X-EchoSieve-Session"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine ready to work, the retention and the selector that sessions begin with, and what
    should be said of it."""

    engine: EngineLike
    retention: float
    selector: str = "cs2"
    note: str | None = None
    selectors: Mapping[str, str] = field(default_factory=dict)  # what could be chosen: name, says
    horizon_s: float = StreamLayout().horizon_s  # how far back the model remembers


def load_engine(config: ServiceConfig) -> Loaded:
    """Load the model and build its engine. Raises CheckpointError, SettingInvalid, the latter also
    where no session could ever be opened."""
    model = model_of(config)
    sizes = EngineConfig(rows=config.rows, slots=config.slots, max_branches=config.max_branches)
    engine = engine_of(model, sizes)
    row = engine.open(RowConfig(selector=config.selector))  # raises where no session could begin
    selector = engine.selector(row)
    engine.close(row)
    note = f"there is no trained sieve; tokens are chosen by {selector}" if not model.cs2 else None
    horizon_s = model.layout.horizon_s
    return Loaded(engine, model.retention, selector, note, available(model), horizon_s)


def engine_of(model: Model, sizes: EngineConfig) -> Engine:
    """Raises SettingInvalid where the memory asked for is not there."""
    try:
        return Engine(model, sizes)
    except (RuntimeError, MemoryError) as error:  # torch's allocators raise RuntimeError
        raise SettingInvalid(
            f"{sizes.rows} sessions of {sizes.slots} slots do not fit into this machine's memory: "
            "take fewer of either"
        ) from error


def model_of(config: ServiceConfig) -> Model:
    """The model on its device, in bfloat16 on an accelerator. Raises as `load_engine`."""
    if threads := config.model_threads:
        torch.set_num_threads(threads)
    device = device_of(config.device)
    return load_model(
        config.model,
        sieve=config.sieve,
        retention=config.retention,
        device=device,
        dtype=torch.float32 if device.type == "cpu" else torch.bfloat16,
    )


def device_of(name: str) -> torch.device:
    """Raises SettingInvalid for a device that is not there."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingInvalid(f"the device {name!r} cannot be used: {reason}") from error
    return device


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
    loop = asyncio.get_running_loop()

    def deliver(report: Report) -> None:
        loop.call_soon_threadsafe(manager.on_report, report)

    journal = await opened(config)
    metrics = Metrics()
    worker = Worker(
        loaded.engine,
        retention=loaded.retention,
        max_branches=config.max_branches,
        deliver=deliver,
    )
    with tempfile.TemporaryDirectory(prefix="echosieve-") as directory:
        scenes = Scenes(Path(directory))
        shelf = Shelf(journal, Snapshots(pictures_of(config) or Path(directory, "pictures")))
        archive = Archive(journal, config.limits)
        archive.removed.append(shelf.snapshots.remove)
        manager = Manager(
            config,
            settings=settings_of(config, loaded),
            selectors=loaded.selectors,
            shared=Shared(worker, shelf, config.limits, Pace(config.limits.questions_a_minute)),
            archive=archive,
            connect=connect,
            metrics=metrics,
        )
        await manager.restore()
        worker.start()
        try:
            async with in_background(archive.age(config.keep), manager.expire()):
                yield Service(
                    config=config,
                    manager=manager,
                    archive=archive,
                    shelf=shelf,
                    gate=Gate(config.key),
                    metrics=metrics,
                    scenes=scenes,
                    selectors=loaded.selectors,
                    horizon_s=loaded.horizon_s,
                )
        finally:
            await manager.close()
            await asyncio.to_thread(worker.stop)
            await journal.close()


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


async def opened(config: ServiceConfig) -> Journal:
    """The journal, in which nothing is live. Raises JournalError."""
    journal = Journal(config.journal or IN_MEMORY, room=config.limits.journal_jobs)
    try:
        await journal.do(records.bury)
    except BaseException:
        await journal.close()
        raise
    return journal


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
