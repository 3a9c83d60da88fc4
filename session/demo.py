"""`make demo`: a service, a scene over real WebRTC into it, and questions while it runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass

import httpx
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from session import wire
from session.api.scenes import askable
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.server import ServeError, serving
from sieve.eval.machine import describe_machine
from stream.publish import PublishError, publish
from stream.source import SceneSource
from stream.window import Frame, Sound
from stream.world.scene import Question, Scene

QUESTIONS = 10
FIRST_S = 5.0  # into the stream
EVERY_S = 2.2
LAST_S = FIRST_S + EVERY_S * QUESTIONS
PATIENCE_S = 6.0  # for a moment at which something can be asked


class DemoError(Exception):
    """The demonstration could not be carried through."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the demonstration and what came of it."""

    scene_s: float
    kind: str
    question: str
    answer: str
    truth: str
    right: bool
    first_token_ms: float
    total_ms: float
    tokens_seen: int
    tokens_kept: int


class Playing:
    """The scene as a source that knows how far it has been played."""

    has_audio = True
    has_video = True

    def __init__(self, scene: Scene, duration_s: float) -> None:
        self.now_s = 0.0
        self.scene = scene
        self._source = SceneSource(scene, duration_s)

    async def __aiter__(self) -> AsyncIterator[Frame | Sound]:
        async for item in self._source:
            self.now_s = item.time_s if isinstance(item, Frame) else item.start_s
            yield item


def run(config: ServiceConfig, loaded: Loaded, *, seed: int, as_json: bool) -> int:
    """Show the demonstration; 0 when every question was answered, rightly or not."""
    console = Console(stderr=as_json)
    began = time.monotonic()
    asked: list[Asked] = []
    try:
        with Live(console=console, auto_refresh=False) as shown:

            def tell(one: Asked) -> None:
                asked.append(one)
                shown.update(table_of(asked, loaded.retention), refresh=True)

            asyncio.run(demonstrate(config, loaded, seed, tell))
    except (DemoError, PublishError, ServeError, httpx.HTTPError) as error:
        console.print(f"[red]The demonstration failed:[/] {escape(str(error))}")
        return 1
    if as_json:
        print(json.dumps(report_of(asked, config, loaded, seed, time.monotonic() - began)))
    return 0


async def demonstrate(
    config: ServiceConfig, loaded: Loaded, seed: int, tell: Callable[[Asked], None]
) -> None:
    """Serve, stream and ask. Raises DemoError, PublishError, ServeError, httpx.HTTPError."""
    playing = Playing(Scene(seed), LAST_S + PATIENCE_S)
    async with serving(create_app(config, loaded)) as url:
        publication = await publish(playing, f"{url}/whip/demo")
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
                await Interview(client, playing, loaded.horizon_s, seed, tell).hold()
        finally:
            await publication.close()


def report_of(
    asked: list[Asked], config: ServiceConfig, loaded: Loaded, seed: int, took_s: float
) -> dict[str, object]:
    return {
        "demo": "live",
        "model": config.model,
        "retention": loaded.retention,
        "seed": seed,
        "asked": len(asked),
        "right": sum(one.right for one in asked),
        "seconds": round(took_s, 1),
        "machine": describe_machine(config.device),
        "questions": [asdict(one) for one in asked],
    }


class Interview:
    """Asks about the scene while it plays; every kind of question once, as far as it goes."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        playing: Playing,
        horizon_s: float,
        seed: int,
        tell: Callable[[Asked], None],
    ) -> None:
        self._tell = tell
        self._client = client
        self._playing = playing
        self._horizon_s = horizon_s
        self._rng = np.random.default_rng(seed)
        self._kinds: set[str] = set()

    async def hold(self) -> None:
        for number in range(QUESTIONS):
            await self._until(FIRST_S + EVERY_S * number)
            self._tell(await self._ask(*await self._next_question()))

    async def _until(self, scene_s: float) -> None:
        await asyncio.sleep(max(0.0, scene_s - self._playing.now_s))

    async def _next_question(self) -> tuple[wire.Session, Question]:
        """A question of a new kind, or where there is none for too long, of any kind."""
        patience_s = self._playing.now_s + PATIENCE_S
        while True:
            session = await self._session()
            shown_s = self._playing.now_s
            possible = askable(
                self._playing.scene, shown_s, session.clock_s, self._horizon_s, self._rng
            )
            new = [question for question in possible if question.kind not in self._kinds]
            if new or (possible and self._playing.now_s > patience_s):
                chosen = (new or possible)[self._rng.integers(len(new or possible))]
                self._kinds.add(chosen.kind)
                return session, chosen
            await asyncio.sleep(0.2)

    async def _session(self) -> wire.Session:
        response = await self._client.get("/v1/sessions")
        sessions = wire.SessionList.model_validate_json(response.content).sessions
        if not sessions:
            raise DemoError("the session has ended before its time")
        return sessions[0]

    async def _ask(self, session: wire.Session, question: Question) -> Asked:
        scene_s = self._playing.now_s
        request = wire.AskRequest(question=question.text, conversation="none")
        path = f"/v1/sessions/{session.id}/ask"
        response = await self._client.post(path, json=request.model_dump())
        if response.status_code != 200:
            raise DemoError(f"{question.text!r} was answered with {response.text}")
        answer = wire.Answer.model_validate_json(response.content)
        return Asked(
            scene_s=round(scene_s, 1),
            kind=question.kind,
            question=question.text,
            answer=answer.text,
            truth=question.answer,
            right=plain(answer.text) == plain(question.answer),
            first_token_ms=round(answer.first_token_ms or answer.total_ms, 1),
            total_ms=round(answer.total_ms, 1),
            tokens_seen=answer.seen.video + answer.seen.audio,
            tokens_kept=answer.kept.video + answer.kept.audio,
        )


def plain(text: str) -> str:
    """An answer as it is compared: without case, outer space and full stop."""
    return text.strip().rstrip(".").lower()


def table_of(asked: list[Asked], retention: float) -> Table:
    right = sum(one.right for one in asked)
    title = f"{right} of {len(asked)} right, {retention:.0%} of the tokens kept"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0, pad_edge=False)
    for name in ("at s", "question", "answer", "truth", "ms", "kept"):
        table.add_column(name, no_wrap=name != "question", max_width=32)
    for one in asked:
        table.add_row(
            f"{one.scene_s:.1f}",
            one.question,
            f"[{'green' if one.right else 'red'}]{escape(one.answer)}[/]",
            one.truth,
            f"{one.first_token_ms:.0f}/{one.total_ms:.0f}",
            f"{one.tokens_kept}/{one.tokens_seen}",
        )
    table.caption = "ms: to the first token / to the whole answer; kept: tokens of those seen"
    return table
