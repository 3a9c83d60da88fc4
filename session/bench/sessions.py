"""Several sessions at real time on the service's own worker, asked while they stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from statistics import median

from session import wire
from session.app import running
from session.bench.ages import QUESTION
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.roster.manager import Manager
from sieve import Engine, EngineConfig, Model
from sieve.selectors import default_name
from sieve.tokens import WINDOW_S
from stream.rtc import ChannelClosedError
from stream.source import SceneSource
from stream.window import Frame, Sound
from stream.world.scene import Scene


@dataclass(frozen=True, slots=True)
class Sessions:
    """Several sessions at real time."""

    sessions: int
    seconds: float
    windows: int
    skipped: int
    overloads: int
    questions: int
    first_token_ms: float  # median
    first_token_p95_ms: float
    ingest_share: float  # of the engine's time


async def measure_sessions(model: Model, count: int, seconds: int) -> Sessions:
    """Every session streams a scene of its own and is asked about every two seconds."""
    config = ServiceConfig(rows=count)
    loaded = Loaded(Engine(model, EngineConfig(rows=count)), model.retention, default_name(model))
    players = [Player(Scene(seed), seconds) for seed in range(count)]
    waiting = iter(players)

    async def connect(_: str) -> tuple[Player, str]:
        return next(waiting), ""

    async with running(config, loaded, connect) as service:
        manager = service.manager
        ids = [(await manager.create("bench", "")).session.id for _ in range(count)]
        asking = (ask_until(manager, id, seconds, number / count) for number, id in enumerate(ids))
        answers = [answer for told in await asyncio.gather(*asking) for answer in told]
    first = sorted(a.first_token_ms for a in answers if a.first_token_ms is not None)
    metrics = service.metrics
    return Sessions(
        sessions=count,
        seconds=seconds,
        windows=metrics.windows_ingested,
        skipped=metrics.windows_skipped,
        overloads=metrics.overloads.total(),
        questions=len(first),
        first_token_ms=round(median(first), 1),
        first_token_p95_ms=round(first[int(0.95 * len(first))], 1),
        ingest_share=round(metrics.ingest_s / seconds, 4),
    )


async def ask_until(
    manager: Manager, session_id: str, seconds: int, offset: float
) -> list[wire.Answer]:
    """Ask every two seconds, each session at its own phase of them, from the second window on."""
    session, answers = await manager.live(session_id), []
    request = wire.AskRequest(question=QUESTION, conversation="none", max_tokens=16)
    begin = time.monotonic()
    moment = WINDOW_S * (1 + offset)
    while moment < seconds - 1:
        await asyncio.sleep(max(0.0, begin + moment - time.monotonic()))
        if session.ended:  # on a machine that is too slow for real time
            break
        answers.append(await session.questions.ask(request).done())
        moment += WINDOW_S
    return answers


class Player:
    """A scene as a connection that brings it at real time, rendered beforehand."""

    has_video = True
    has_audio = True

    def __init__(self, scene: Scene, seconds: int) -> None:
        self.channel = Mute()
        self._items = list(SceneSource(scene, seconds, fps=2.0).items())
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._began

    async def __aiter__(self) -> AsyncIterator[Frame | Sound]:
        self._began = time.monotonic()
        for item in self._items:
            time_s = item.time_s if isinstance(item, Frame) else item.start_s
            await asyncio.sleep(max(0.0, time_s - self.now()))
            yield item

    async def closed(self) -> str:
        return "remote"

    async def close(self) -> None:
        self.channel.close()


class Mute:
    """A data channel that nobody opens."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def send(self, text: str) -> None:
        await self._closed.wait()
        raise ChannelClosedError("the data channel is closed")

    async def __aiter__(self) -> AsyncIterator[str]:
        await self._closed.wait()
        nothing: tuple[str, ...] = ()
        for text in nothing:
            yield text

    def close(self) -> None:
        self._closed.set()
