"""`echosieve bench live`: what a stream costs while it runs, and what a question costs at any age.

Three measurements. *Ages*: one engine, one row for each age of a stream; the clock jumps, the
windows are real; questions go round all rows in turn, so that a change of the machine's speed meets
all ages alike. Beside it plain transformers, which reads everything again at each question.
*Sessions*: several sessions on the service's own worker at real time, asked while they stream, with
the media handed over in this process. *Media path*: `stream.measure`, WebRTC against bare aiortc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from statistics import median

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from session import wire
from session.app import Loaded, model_of, running
from session.config import ServiceConfig
from session.live.intake import raw_window
from session.options import add_model, add_sessions, config_of, count
from session.roster.manager import Manager
from sieve import Engine, EngineConfig, Model, RawWindow, RowConfig
from sieve.eval.machine import describe_machine
from sieve.eval.prefill import make_clip
from sieve.selectors import default_name
from sieve.tokens import WINDOW_S, MemoryState
from stream.measure import MediaCost, measure_media
from stream.plot import FIRST_WORLD, Plot
from stream.rtc import ChannelClosedError
from stream.scene import Scene
from stream.source import SceneSource
from stream.window import Frame, Sound, Windower

AGES_S = {"1 min": 60, "1 h": 3_600, "24 h": 86_400}
FED_S = 60  # what of every age is really streamed: its last minute
PLAIN_S = (60, 300)  # how much plain transformers is given to read; more takes minutes
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_sessions(parser, "that stream at once")
    parser.add_argument(
        "--seconds", type=count(3_600, 5), default=20, help="they stream (default %(default)s)"
    )
    parser.add_argument(
        "--runs",
        type=count(10_000),
        default=60,
        help="questions at each age (default %(default)s)",
    )
    parser.add_argument("--no-media", action="store_true", help="leave the media path out")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises SieveError for a model that cannot be loaded."""
    model = model_of(config_of(args))
    ages = measure_ages(model, args.runs)
    plain = [measure_plain(model, seconds, runs=3) for seconds in PLAIN_S]
    sessions = asyncio.run(measure_sessions(model, args.sessions, args.seconds))
    media = None if args.no_media else measure_media()
    report = {
        "bench": "live",
        "model": args.model,
        "retention": model.retention,
        "runs": args.runs,
        "machine": describe_machine(args.device),
        "ages": [asdict(age) for age in ages],
        "plain_transformers": [asdict(one) for one in plain],
        "sessions": asdict(sessions),
        "media_path": None if media is None else {**asdict(media), "ratio": media.ratio},
    }
    show(Console(), report, ages, plain, sessions, media)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


# --- Ages -----------------------------------------------------------------------------------------


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
    windower, found = Windower(), []
    for item in SceneSource(Scene(seed, plot), seconds, fps=2.0).items():
        windower.push(item)
    windower.finish()
    while window := windower.pop():
        if raw := raw_window(window):
            found.append(raw)
    return found


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


# --- Plain transformers ---------------------------------------------------------------------------


def measure_plain(model: Model, seconds: int, runs: int) -> Plain:
    """Towers and decoder over the whole stream, by the library's own modules."""
    backbone, clip = model.backbone, make_clip(model, seconds)
    positions = backbone.clip_positions(clip)[:, 0]

    def read() -> None:
        with torch.inference_mode():
            hidden = backbone.read(backbone.clip_embeds(clip), positions, None, None)
            backbone.logits(hidden[-1:]).argmax()

    times = [timed_ms(read) for _ in range(runs + 1)]
    return Plain(seconds, clip["input_ids"].shape[1], round(median(times[1:]), 2))


# --- Sessions at real time ------------------------------------------------------------------------


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
        answers.append(await session.ask(request).done())
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


# --- Printing -------------------------------------------------------------------------------------


def show(
    console: Console,
    report: dict[str, object],
    ages: Sequence[Age],
    plain: Sequence[Plain],
    sessions: Sessions,
    media: MediaCost | None,
) -> None:
    machine = report["machine"]
    assert isinstance(machine, dict)
    console.print(
        f"{report['model']} at {report['retention']:.0%}, {machine['device']} "
        f"({machine['processor']}, {machine['cores']} cores, {machine['threads']} threads)"
    )
    console.print(_ages_table(ages, plain))
    console.print(
        f"{sessions.sessions} sessions for {sessions.seconds:g} s at real time: "
        f"{sessions.windows} windows, {sessions.skipped} skipped, {sessions.questions} questions, "
        f"first token {sessions.first_token_ms:.0f} ms (median), "
        f"{sessions.first_token_p95_ms:.0f} ms (95th percentile); ingest takes "
        f"{sessions.ingest_share:.1%} of the engine's time"
    )
    if media is not None:
        console.print(
            f"media path: {media.peer_ms_per_s:.0f} ms of CPU a second of 640x480 VP8 at 30 fps, "
            f"bare aiortc {media.bare_ms_per_s:.0f} ms, ratio {media.ratio:.2f}"
        )


def _ages_table(ages: Sequence[Age], plain: Sequence[Plain]) -> Table:
    caption = "plain: transformers reads the whole stream again at each question"
    table = Table(box=SIMPLE, padding=0, pad_edge=False, caption=caption)
    heads = ("", "2 s ingested", "of real time", "first token", "x", "memory", "tokens")
    for head in heads:
        table.add_column(head, justify="left" if not head else "right", no_wrap=True)
    for age in ages:
        table.add_row(
            f"{age.age} old",
            f"{age.ingest_ms:.1f} ms",
            f"{age.ingest_ms / WINDOW_S / 10:.1f} %",
            f"{age.first_token_ms:.1f} ms",
            f"{age.first_token_ratio:.2f}",
            f"{age.memory_bytes / 1024:.0f} KiB",
            str(age.slots_used),
        )
    for one in plain:
        table.add_row(
            f"plain, {one.seconds} s old",
            "-",
            "-",
            f"{one.first_token_ms:.1f} ms",
            "-",
            "grows",
            str(one.tokens),
        )
    return table
