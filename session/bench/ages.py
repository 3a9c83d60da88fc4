"""What a window and a question cost in a stream of any age, and in one that is read anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from statistics import median

import torch

from session.live.intake import raw_window
from sieve import Engine, EngineConfig, Model, RawWindow, RowConfig
from sieve.eval.prefill import make_clip
from sieve.tokens import MemoryState
from stream.source import SIZE, SceneSource
from stream.windower import Windower
from stream.world.plot import FIRST_WORLD, Plot
from stream.world.scene import Scene

AGES_S = {"1 min": 60, "1 h": 3_600, "24 h": 86_400}
FED_S = 60  # what of every age is really streamed: its last minute
QUESTION = "what was the last sound?"


@dataclass(frozen=True, slots=True)
class Age:
    """A stream so old: medians in ms, memory in bytes.

    ``first_token_ratio`` is against the youngest stream, the median over pairs of questions asked
    right after one another: the speed of a shared machine changes, but hardly between the two.
    """

    age: str
    ingest_ms: float
    first_token_ms: float
    first_token_ratio: float
    memory_bytes: int
    slots_used: int


@dataclass(frozen=True, slots=True)
class Plain:
    """Plain transformers with everything of the stream before it."""

    seconds: int
    tokens: int
    first_token_ms: float


def measure_ages(model: Model, runs: int) -> list[Age]:
    """One row for each age; the questions go round."""
    engine = Engine(model, EngineConfig(rows=len(AGES_S)))
    windows = scene_windows(FED_S)
    rows = {age: engine.open(RowConfig()) for age in AGES_S}
    ingest = {age: feed(engine, rows[age], windows, until_s) for age, until_s in AGES_S.items()}
    first: dict[str, list[float]] = {age: [] for age in AGES_S}
    orders = list(permutations(AGES_S))  # no age is always first, or always after the same one
    for number in range(runs + 1):
        for age in orders[number % len(orders)]:
            took_ms = first_token_ms(engine, rows[age], half(windows[0].moved(AGES_S[age])))
            if number:  # the first round warms up
                first[age].append(took_ms)
    young = first[next(iter(AGES_S))]
    return [_age(engine.memory(rows[age]), age, ingest[age], first[age], young) for age in AGES_S]


def _age(
    memory: MemoryState,
    age: str,
    ingest: Sequence[float],
    first: Sequence[float],
    young: Sequence[float],
) -> Age:
    ratios = [mine / theirs for mine, theirs in zip(first, young, strict=True)]
    return Age(
        age=age,
        ingest_ms=round(median(ingest), 2),
        first_token_ms=round(median(first), 2),
        first_token_ratio=round(median(ratios), 3),
        memory_bytes=memory.bytes,
        slots_used=memory.used,
    )


def feed(engine: Engine, row: int, windows: Sequence[RawWindow], until_s: int) -> list[float]:
    """A stream of an age: its first minute, a jump, its last minute. Ingest times in ms."""
    starts = {0, until_s - FED_S}
    return [
        timed_ms(partial(engine.ingest, row, window.moved(start_s)))
        for start_s in sorted(starts)
        for window in windows
    ]


def first_token_ms(engine: Engine, row: int, open_window: RawWindow) -> float:
    """From the question to the first token."""
    branches = []

    def begin() -> None:
        begun = engine.ask(row, QUESTION, open_window=open_window)
        branches.append(begun.branch)
        engine.step(begun.branch)

    took_ms = timed_ms(begin)
    engine.cancel(branches[0])
    return took_ms


def scene_windows(seconds: int, seed: int = 1, plot: Plot = FIRST_WORLD) -> list[RawWindow]:
    """The closed windows of a scene, from 0 on."""
    windower, found = Windower(), list[RawWindow]()
    for item in SceneSource(Scene(seed, plot), seconds, fps=2.0).items():
        windower.push(item)
        found += _closed(windower)
    windower.finish()
    return found + _closed(windower)


def _closed(windower: Windower) -> list[RawWindow]:
    """What has closed; the windower waits for nobody, and forgets the oldest."""
    windows = iter(windower.pop, None)
    return [raw for window in windows if (raw := raw_window(window))]


def half(window: RawWindow) -> RawWindow:
    """The first second of a window: one that is still open."""
    assert window.samples is not None
    return replace(
        window,
        grids=window.grids[:1],
        grid_times_s=window.grid_times_s[:1],
        samples=window.samples[: len(window.samples) // 2],
        lookahead=None,
    )


def timed_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1_000 * (time.perf_counter() - start)


def measure_plain(model: Model, seconds: int, runs: int) -> Plain:
    """Towers and decoder over the whole stream, by the library's own modules (with the attention
    and the rotary that the engine uses)."""
    backbone, clip = model.backbone, make_clip(model, seconds, picture=(SIZE, SIZE))
    positions = backbone.clip_positions(clip)[:, 0]

    def read() -> None:
        with torch.inference_mode():
            hidden = backbone.read(backbone.clip_embeds(clip), positions, None, None)
            backbone.logits(hidden[-1:]).argmax()

    times = [timed_ms(read) for _ in range(runs + 1)]
    return Plain(seconds, clip["input_ids"].shape[1], round(median(times[1:]), 2))
