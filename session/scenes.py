"""The demo scene for the page: rendered once, kept in a bounded cache, with questions about it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

import numpy as np

from session import wire
from sieve.tokens import WINDOW_S
from stream.render import render_file
from stream.scene import Scene
from stream.source import SceneSource

MAX_SEED = 2**31
MAX_SECONDS = 120.0
DEFAULT_SECONDS = 60.0
CACHED = 4
FIRST_QUESTION_S = 4
REMEMBERED_S = 12.0  # how far back the built-in model remembers, in closed windows


class Scenes:
    """Renders scenes into a directory that belongs to it; holds the `CACHED` newest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: OrderedDict[tuple[int, float], Path] = OrderedDict()
        self._rendering = asyncio.Lock()  # one at a time: the machine has streams to watch

    async def video(self, seed: int, seconds: float) -> Path:
        """The scene's first seconds as WebM, VP8 and Opus."""
        key = (seed, seconds)
        async with self._rendering:
            if key not in self._files:
                await self._render(key)
            self._files.move_to_end(key)
            return self._files[key]

    async def _render(self, key: tuple[int, float]) -> None:
        seed, seconds = key
        while len(self._files) >= CACHED:
            _, oldest = self._files.popitem(last=False)
            oldest.unlink()
        path = self.directory / f"{seed}-{seconds:g}.webm"
        partial = path.with_suffix(".partial.webm")
        source = SceneSource(Scene(seed), seconds)
        await asyncio.to_thread(render_file, source.items(), partial)
        partial.rename(path)
        self._files[key] = path


def questions(seed: int, seconds: float) -> wire.DemoQuestions:
    """What can be asked at every whole second, about as much as is remembered then."""
    scene, rng = Scene(seed), np.random.default_rng(seed)
    found = [
        wire.DemoQuestion(
            kind=question.kind,
            text=question.text,
            answer=question.answer,
            asked_s=float(now_s),
            chance=question.chance,
        )
        for now_s in range(FIRST_QUESTION_S, int(seconds) + 1)
        for question in scene.questions(now_s, remembered_since(now_s), rng)
    ]
    return wire.DemoQuestions(seed=seed, seconds=seconds, questions=found)


def remembered_since(now_s: float) -> float:
    """The start of the oldest window that an answer at `now_s` can rest on."""
    open_s = now_s // WINDOW_S * WINDOW_S
    return max(0.0, open_s - REMEMBERED_S)
