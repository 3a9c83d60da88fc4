"""`echosieve bench soak`: whether the service is after hours what it was at the start.

The real service runs in a process of its own. Round after round, guests come over WebRTC, are asked
while they stream, and go: one leaves, one is ended by a request, one is killed. After every round,
when nobody is there, the service tells what it holds of the machine (`/metrics`); the first round
warms it up. The run fails when an answer failed, or when something did not come back within
`BOUNDS` of where it was after the first round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import httpx
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from session import wire
from session.bench.process import ServiceEnded, metrics_of, service
from session.bench.visit import Visit
from session.config import MAX_ROWS, ServiceConfig
from session.footprint import PROC, Footprint
from session.options import add_model, config_of, count, positive
from sieve.errors import SettingInvalid
from sieve.eval.machine import describe_machine

BOUNDS = Footprint(anonymous_bytes=32 * 2**20, threads=0, fds=0, tasks=0)  # above the first round
GUEST_S = 24.0  # a guest's scene
SETTLE_S = 15.0  # for threads and memory to be given back
METRICS = {
    "anonymous_bytes": "process_anonymous_memory_bytes",
    "threads": "process_threads",
    "fds": "process_open_fds",
    "tasks": "echosieve_tasks",
}
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the questions of one round, and what the service holds after it."""

    ended_s: float  # since the start
    guests: int
    right: int
    wrong: int
    open: int  # answered; the truth is not known
    cut: int  # the session ended while it was written
    failed: int
    windows: int
    skipped: int
    held: Footprint


@dataclass(frozen=True, slots=True)
class Soak:
    """All rounds, growth an hour by least squares from the first on, and what went wrong."""

    rounds: list[Round]
    growth_per_h: dict[str, float]
    faults: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--minutes", type=positive, default=10.0, help="begin no round after (default %(default)s)"
    )
    parser.add_argument(
        "--churn",
        type=count(MAX_ROWS),
        default=3,
        help="guests that come and go at once (default %(default)s)",
    )
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Soak, print, write; 1 when something went wrong. Raises SettingInvalid."""
    if not PROC.exists():
        raise SettingInvalid("a soak needs Linux: what the service holds is read from /proc")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="echosieve-soak-") as folder:
        journal = str(Path(folder, "journal.db"))  # one in memory grows with what it holds
        config = replace(config_of(args), rows=args.churn, journal=journal)
        try:
            soak = asyncio.run(soaked(config, args.minutes, args.churn, console))
        except (ServiceEnded, httpx.HTTPError) as error:
            console.print(f"[red]The soak could not go on:[/] {escape(str(error) or repr(error))}")
            return 1
    report = {
        "bench": "soak",
        "model": config.model,
        "minutes": args.minutes,
        "churn": args.churn,
        "guest_s": GUEST_S,
        "machine": describe_machine(config.device),
        "bounds": asdict(BOUNDS),
        **asdict(soak),
    }
    show(console, soak)
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if soak.faults else 0


# --- Rounds ---------------------------------------------------------------------------------------


async def soaked(config: ServiceConfig, minutes: float, churn: int, console: Console) -> Soak:
    """Round after round until `minutes` are over; two at least. Raises ServiceEnded, and HTTPError
    when the service answers no more."""
    rounds: list[Round] = []
    faults: list[str] = []
    with service(config) as url:
        # A connection that outlives its request would count as one of the service's.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30.0) as client:
            began, horizon_s = time.monotonic(), await horizon_of(client)
            while len(rounds) < 2 or time.monotonic() - began < 60 * minutes:
                visits = await visited(client, churn, len(rounds) * churn, horizon_s)
                faults += [fault for visit in visits for fault in visit.faults]
                rounds.append(await told(client, rounds, visits, time.monotonic() - began))
                console.print(line_of(len(rounds), rounds[-1]))
    faults += [
        fault for number, one in enumerate(rounds) for fault in excess(number, one, rounds[0])
    ]
    return Soak(rounds, growth_per_h(rounds), faults)


async def horizon_of(client: httpx.AsyncClient) -> float:
    """How far back the service's model remembers. Raises HTTPError."""
    return wire.Ready.model_validate_json((await client.get("/readyz")).content).horizon_s


async def visited(
    client: httpx.AsyncClient, churn: int, first: int, horizon_s: float
) -> list[Visit]:
    """One round of guests, all gone again."""
    visits = [
        Visit(client, number=number, seconds=GUEST_S, horizon_s=horizon_s)
        for number in range(first, first + churn)
    ]
    await asyncio.gather(*(visit.take_place() for visit in visits))
    return visits


async def told(
    client: httpx.AsyncClient, before: Sequence[Round], visits: Sequence[Visit], ended_s: float
) -> Round:
    """A round with what the service holds after it, and what it counted since the one before."""
    held = await settled(client, before[0].held if before else None)
    metrics = await metrics_of(client)
    asked = sum((visit.outcomes for visit in visits), Counter[str]())
    names = ("right", "wrong", "open", "cut", "failed")
    return Round(
        ended_s=round(ended_s, 1),
        guests=len(visits),
        windows=round(metrics["echosieve_windows_ingested_total"]) - sum(r.windows for r in before),
        skipped=round(metrics["echosieve_windows_skipped_total"]) - sum(r.skipped for r in before),
        held=held,
        **{name: asked[name] for name in names},
    )


async def settled(client: httpx.AsyncClient, first: Footprint | None) -> Footprint:
    """What an empty service holds: as soon as it is back at `first`, or after `SETTLE_S`."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        metrics = await metrics_of(client)
        held = Footprint(**{name: int(metrics[metric]) for name, metric in METRICS.items()})
        back = first is not None and not metrics["echosieve_sessions"] and not over(held, first)
        if back or time.monotonic() > deadline:
            return held
        await asyncio.sleep(0.5)


# --- What is told of them -------------------------------------------------------------------------


def over(held: Footprint, first: Footprint) -> list[str]:
    """The figures of `held` that lie more than `BOUNDS` above those of `first`."""
    names = [field.name for field in fields(Footprint)]
    return [n for n in names if getattr(held, n) > getattr(first, n) + getattr(BOUNDS, n)]


def excess(number: int, one: Round, first: Round) -> list[str]:
    return [
        f"after round {number + 1} {name} is {getattr(one.held, name)}, "
        f"after the first it was {getattr(first.held, name)}"
        for name in over(one.held, first.held)
    ]


def growth_per_h(rounds: Sequence[Round]) -> dict[str, float]:
    """The slope of each figure over the hours, by least squares."""
    hours = np.array([one.ended_s for one in rounds]) / 3_600
    held = {name: [getattr(one.held, name) for one in rounds] for name in METRICS}
    return {name: round(float(np.polyfit(hours, held[name], 1)[0]), 1) for name in held}


def line_of(number: int, one: Round) -> str:
    return (
        f"round {number}, {one.ended_s:.0f} s: {one.right} right, {one.wrong} wrong, "
        f"{one.failed} failed; {one.held.anonymous_bytes / MIB:.0f} MiB, {one.held.threads} threads"
    )


def show(console: Console, soak: Soak) -> None:
    console.print(table_of(soak))
    for fault in soak.faults:
        console.print(f"[red]{escape(fault)}[/]", highlight=False)
    if not soak.faults:
        console.print("Every answer came, and everything was given back.")


def table_of(soak: Soak) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    heads = ("after", "right", "wrong", "open", "cut", "failed", "windows", "lost")
    for head in (*heads, "MiB", "threads", "files", "tasks"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in soak.rounds:
        counted = (one.right, one.wrong, one.open, one.cut, one.failed, one.windows, one.skipped)
        held = (
            f"{one.held.anonymous_bytes / MIB:.1f}",
            one.held.threads,
            one.held.fds,
            one.held.tasks,
        )
        table.add_row(f"{one.ended_s:.0f} s", *map(str, (*counted, *held)))
    growth = soak.growth_per_h
    slopes = [growth["anonymous_bytes"] / MIB, growth["threads"], growth["fds"], growth["tasks"]]
    table.add_row("per h", *[""] * 7, *(f"{slope:+.1f}" for slope in slopes))
    return table
