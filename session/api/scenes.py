"""The demo scene for the page: rendered once, kept in a bounded cache, with questions about it."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from session import wire
from session.errors import Stopping
from sieve.tokens import WINDOW_S
from stream.render import render_file
from stream.source import SceneSource
from stream.window import Item
from stream.world.questions import LATEST_KINDS
from stream.world.scene import Question, Scene

MAX_SEED = 2**31
MAX_SECONDS = 120
DEFAULT_SECONDS = 60
CACHED = 4
FIRST_QUESTION_S = 4
TRANSIT_S = 0.2  # from the scene to a window: encoder, network, decoder


class Scenes:
    """Renders scenes into a directory that belongs to it; holds the `CACHED` newest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._rendering = asyncio.Lock()  # one at a time: the machine has streams to watch
        self._closed = threading.Event()

    def close(self) -> None:
        """Nothing is rendered any more; what is being rendered is given up."""
        self._closed.set()

    async def video(self, seed: int, seconds: int) -> Path:
        """The scene's first seconds as WebM, VP8 and Opus. Raises Stopping."""
        name = f"{seed}-{seconds}.webm"
        async with self._rendering:
            if name not in self._files:
                self._files[name] = await self._rendered(name, seed, seconds)
            self._files.move_to_end(name)
            while len(self._files) > CACHED:
                _, oldest = self._files.popitem(last=False)
                oldest.unlink()
            return self._files[name]

    async def _rendered(self, name: str, seed: int, seconds: int) -> Path:
        path = self.directory / name
        partial = path.with_suffix(".partial.webm")
        source = SceneSource(Scene(seed), seconds)
        # Shielded: a thread cannot be stopped, and must not write while another renders.
        rendering = asyncio.ensure_future(
            asyncio.to_thread(render_file, self._items(source), partial)
        )
        try:
            await asyncio.shield(rendering)
            return partial.rename(path)
        finally:
            await asyncio.wait({rendering})
            partial.unlink(missing_ok=True)

    def _items(self, source: SceneSource) -> Iterator[Item]:
        """In the thread that renders. Raises Stopping."""
        for item in source.items():
            if self._closed.is_set():
                raise Stopping("the service stops; the scene was not rendered")
            yield item


def questions(seed: int, seconds: int, horizon_s: float) -> wire.DemoQuestions:
    """What can be asked at every whole second, about as much as is remembered then by a model whose
    memory reaches back `horizon_s`."""
    scene, rng = Scene(seed), np.random.default_rng(seed)
    found = [
        wire.DemoQuestion(
            kind=question.kind,
            text=question.text,
            answer=question.answer,
            asked_s=float(now_s),
            chance=question.chance,
            lasting=question.kind in LATEST_KINDS,
        )
        for now_s in range(FIRST_QUESTION_S, seconds + 1)
        for question in scene.questions(now_s, remembered_since(now_s, horizon_s), rng)
    ]
    return wire.DemoQuestions(seed=seed, seconds=seconds, questions=found)


def remembered_since(now_s: float, horizon_s: float) -> float:
    """The start of the oldest window that an answer at `now_s` can rest on; never before 0, where
    the stream began."""
    open_s = now_s // WINDOW_S * WINDOW_S
    return max(0.0, open_s - horizon_s)


def askable(
    scene: Scene, shown_s: float, clock_s: float, horizon_s: float, rng: np.random.Generator
) -> list[Question]:
    """What can be asked about the part of a live scene that is remembered, when it has been sent up
    to `shown_s` and the clock of its session stands at `clock_s`."""
    now_s = shown_s - TRANSIT_S
    ahead_s = clock_s - now_s  # the session's clock began before the scene did
    since_s = max(0.0, remembered_since(clock_s, horizon_s) - ahead_s)
    return scene.questions(now_s, since_s, rng)
