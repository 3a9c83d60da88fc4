"""What standing queries cost: the engine alone, and the service with everything it does.

*Engine*: one session; after every window its queries are judged, 1, 10 and 50 of them in turn, so
that a change of the machine's speed meets all alike. The ratio is the median over windows of the
time against that of one query just before or after it: of the pass alone, and of ingest and pass.

*Service*: the real service in a process of its own, which receives, decodes, sieves and judges one
stream over WebRTC, with 1 and with 50 queries in turn. What is compared is its processor time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from statistics import median

import httpx

from session import wire
from session.bench.ages import scene_windows, timed_ms
from session.bench.guest import Guest
from session.bench.process import metrics_of, service
from session.config import ServiceConfig
from session.watch.telling import WITHIN_S
from session.watch.wording import as_question
from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.tokens import WINDOW_S, Query
from stream.world.scene import OBJECTS, SOUNDS

COUNTS = (1, 10, 50)
FED_S = 60
PHASE_S = 16.0  # with one number of queries
SETTLED_S = 4.0  # before it is measured
ARRIVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of so many queries: medians, and their ratios to one query."""

    queries: int
    judge_ms: float
    judge_ratio: float
    window_ms: float
    window_ratio: float


# --- The engine alone -----------------------------------------------------------------------------


def measure_costs(model: Model, runs: int) -> list[Cost]:
    """One row, whose memory has been filled; every order of the counts comes equally often."""
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    windows = scene_windows(FED_S)
    for window in windows:
        engine.ingest(row, window)
    asked = {
        number: [(row, Query(text, WITHIN_S)) for text in questions(number)] for number in COUNTS
    }
    judge: dict[int, list[float]] = {number: [] for number in COUNTS}
    whole: dict[int, list[float]] = {number: [] for number in COUNTS}
    orders, start_s = list(permutations(COUNTS)), float(FED_S)
    for turn in range(runs + 1):
        for number in orders[turn % len(orders)]:
            window = windows[turn % len(windows)]
            moved = window.moved(start_s - window.start_s)
            start_s += WINDOW_S
            ingest_ms = timed_ms(partial(engine.ingest, row, moved))
            judge_ms = timed_ms(partial(engine.judge, asked[number]))
            if turn:  # the first turn warms up
                judge[number].append(judge_ms)
                whole[number].append(ingest_ms + judge_ms)
    return [_cost(number, judge, whole) for number in COUNTS]


def _cost(number: int, judge: dict[int, list[float]], whole: dict[int, list[float]]) -> Cost:
    return Cost(
        queries=number,
        judge_ms=round(median(judge[number]), 2),
        judge_ratio=_ratio(judge[number], judge[1]),
        window_ms=round(median(whole[number]), 2),
        window_ratio=_ratio(whole[number], whole[1]),
    )


def _ratio(mine: Sequence[float], one: Sequence[float]) -> float:
    return round(median(a / b for a, b in zip(mine, one, strict=True)), 3)


def questions(number: int) -> list[str]:
    """Different ones: every thing, every sound, then things with sounds."""
    names = [*OBJECTS, *SOUNDS, *(f"{thing} with a {SOUNDS[0]}" for thing in OBJECTS)]
    return [as_question(f"a {name} appears") for name in names[:number]]


# --- The whole service ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """Of so many queries in one session: the service's processor time for a second of stream."""

    queries: int
    cpu_ms: float
    ratio: float  # to one query, the median over neighbours


async def measure_served(config: ServiceConfig, rounds: int) -> list[Served]:
    """One guest; 1 and 50 queries in turn. Raises ServiceEnded, HTTPError and TimeoutError."""
    few, many = COUNTS[0], COUNTS[-1]
    costs: dict[int, list[float]] = {few: [], many: []}
    with service(config) as url:
        seconds = ARRIVE_S + 2 * rounds * (PHASE_S + SETTLED_S)
        guest = Guest(f"{url}/whip/watched", seed=1, seconds=seconds)
        guest.start()
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30.0) as client:
                path = await _arrived(client)
                for turn in range(2 * rounds):
                    number = (few, many)[turn % 2]
                    await _watch(client, path, number)
                    costs[number].append(await _cpu_ms(client, path))
        finally:
            guest.kill()
            await guest.gone()
    return [
        Served(number, round(median(found), 1), _ratio(found, costs[few]))
        for number, found in costs.items()
    ]


async def _arrived(client: httpx.AsyncClient) -> str:
    """The path of the session, once its first window is in memory."""
    async with asyncio.timeout(ARRIVE_S):
        while True:
            listed = (await client.get("/v1/sessions")).raise_for_status()
            for session in wire.SessionList.model_validate_json(listed.content).sessions:
                if session.windows:
                    return f"/v1/sessions/{session.id}"
            await asyncio.sleep(0.2)


async def _watch(client: httpx.AsyncClient, path: str, number: int) -> None:
    """Leaves the session with so many queries."""
    listed = (await client.get(f"{path}/watches")).raise_for_status()
    standing = wire.WatchList.model_validate_json(listed.content).watches
    for watch in standing[number:]:
        (await client.delete(f"{path}/watches/{watch.id}")).raise_for_status()
    for query in questions(number)[len(standing) :]:
        (await client.post(f"{path}/watches", json={"query": query})).raise_for_status()


async def _cpu_ms(client: httpx.AsyncClient, path: str) -> float:
    """The service's processor time for a second of the stream, over a phase."""
    await asyncio.sleep(SETTLED_S)
    before_s, from_s = await _cpu_s(client), await _clock_s(client, path)
    await asyncio.sleep(PHASE_S)
    spent_s, streamed_s = await _cpu_s(client) - before_s, await _clock_s(client, path) - from_s
    return 1_000 * spent_s / streamed_s


async def _cpu_s(client: httpx.AsyncClient) -> float:
    return (await metrics_of(client))["process_cpu_seconds_total"]


async def _clock_s(client: httpx.AsyncClient, path: str) -> float:
    found = (await client.get(path)).raise_for_status()
    return wire.Session.model_validate_json(found.content).clock_s
