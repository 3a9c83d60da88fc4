"""How well things are counted, window after window: what `echosieve bench watches` says of numbers.

For every colour the number of its things in the last minute is asked for after each window, as a
watch of kind "count" does. The world says what is right, where no thing at an edge of the minute
makes it doubtful. A number is told where its share among all numbers reaches a watch's threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from session.bench.ages import scene_windows
from session.watch.hysteresis import Rule
from session.watch.telling import WITHIN_S
from session.watch.watches import ANSWERED
from session.watch.wording import as_count
from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.tokens import WINDOW_S, Query
from sieve.verdict import Verdict
from stream.world.plot import Plot
from stream.world.scene import COLOURS, Scene

DRAWS = 20  # a scene picks its questions at random; after so many draws hardly any is missing


@dataclass(frozen=True, slots=True)
class Reading:
    """One number read from the model, and the right one."""

    number: int | None  # None: the model answers with no number
    told: bool
    truth: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Shares of all readings; ``majority``: right of who always says the most frequent number."""

    readings: int
    right: float
    majority: float
    told: float
    right_of_told: float | None  # None where nothing was told

    @staticmethod
    def of(readings: Iterable[Reading]) -> Numbers:
        read = list(readings)
        told = [one for one in read if one.told]
        most = Counter(one.truth for one in read).most_common(1)
        return Numbers(
            readings=len(read),
            right=_share_right(read) or 0.0,
            majority=round(most[0][1] / len(read), 3) if most else 0.0,
            told=round(len(told) / max(1, len(read)), 3),
            right_of_told=_share_right(told),
        )


def count_stream(model: Model, seed: int, plot: Plot, seconds: int) -> list[Reading]:
    """Every reading of one stream, which is sieved and remembered as the service does."""
    scene = Scene(seed, plot)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    asked = [(row, Query(as_count(f"{colour} things"), WITHIN_S)) for colour in COLOURS]
    readings = []
    for window in scene_windows(seconds, seed, plot):
        engine.ingest(row, window)
        truths = numbers_of(scene, window.start_s + WINDOW_S)
        judged = zip(COLOURS, engine.judge(asked), strict=True)
        readings += [_reading(v, truths[colour]) for colour, v in judged if colour in truths]
    return readings


def numbers_of(scene: Scene, now_s: float) -> dict[str, int]:
    """Of each colour how many things there were in the last minute, where that is certain."""
    rng, since_s = np.random.default_rng(0), max(0.0, now_s - WITHIN_S)
    said = (
        question
        for _ in range(DRAWS)
        for question in scene.questions(now_s, since_s, rng, {"count_things"})
    )
    return {question.text.split()[2]: int(question.answer) for question in said}


def _reading(verdict: Verdict, truth: int) -> Reading:
    read = verdict.count
    if read is None or read.answered < ANSWERED:
        return Reading(None, told=False, truth=truth)
    return Reading(read.number, told=read.share >= Rule().threshold, truth=truth)


def _share_right(readings: list[Reading]) -> float | None:
    if not readings:
        return None
    return round(sum(one.number == one.truth for one in readings) / len(readings), 3)
