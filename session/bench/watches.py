"""`echosieve bench watches`: what standing queries cost, and how well they are kept.

*Cost*: `session.bench.watch_cost`, of the engine alone and of the whole service.

*Alarms*: streams of the world. In each, things are watched for; when they are there is known, and
the world shows others of their colour or their shape all the time. An event is a stretch in which a
watched thing is visible during the last second of at least one window, as that is what the queries
ask about. It is found where an alarm begins within it or up to a window after it. The delay is
counted in windows after the first that could tell.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.markup import escape

from session.bench.ages import scene_windows
from session.bench.process import ServiceEnded
from session.bench.watch_cost import Cost, Served, measure_costs, measure_served
from session.engine.loading import model_of
from session.options import add_model, config_of, count
from session.watch.hysteresis import Rule, Sight, State, advance, finish
from session.watch.watches import likely
from session.watch.wording import as_question
from sieve import Engine, EngineConfig, Model, RawWindow, RowConfig
from sieve.eval.machine import describe_machine
from sieve.tokens import WINDOW_S
from stream.world.plot import FIRST_WORLD, Plot, Varied
from stream.world.scene import OBJECTS, Scene

NOW_S = 1.0  # a thing is there if it was visible for so long before the end of a window
WORLDS: dict[str, Plot] = {"first": FIRST_WORLD, "varied": Varied("any")}


@dataclass(frozen=True, slots=True)
class Alarms:
    """How well things were watched for, over all watches of all streams."""

    hours: float
    watches: int
    events: int
    alarms: int
    found: int
    precision: float
    recall: float
    f1: float
    delay_windows: float | None  # median; None where nothing was found
    false_per_hour: float
    answered: float  # mean share of yes and no in the first token

    @staticmethod
    def of(kept: Sequence[Kept]) -> Alarms:
        totals = Counter[str]()
        for one in kept:
            totals.update(events=len(one.events), alarms=len(one.alarms), found=len(one.found))
        precision = totals["found"] / max(1, totals["alarms"])
        recall = totals["found"] / max(1, totals["events"])
        hours = sum({one.seed: one.seconds for one in kept}.values()) / 3_600
        delays = [alarm.told_s - event.first_s for one in kept for event, alarm in one.found]
        return Alarms(
            hours=round(hours, 3),
            watches=len(kept),
            events=totals["events"],
            alarms=totals["alarms"],
            found=totals["found"],
            precision=round(precision, 3),
            recall=round(recall, 3),
            f1=round(2 * precision * recall / max(1e-9, precision + recall), 3),
            delay_windows=median(delays) / WINDOW_S if delays else None,
            false_per_hour=round((totals["alarms"] - totals["found"]) / hours, 2),
            answered=round(sum(one.answered for one in kept) / len(kept), 3),
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """When a thing was there; ``first_s``: the end of the first window that could tell."""

    start_s: float
    end_s: float
    first_s: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a watch took for an event; told at ``told_s``."""

    start_s: float
    told_s: float


@dataclass(frozen=True, slots=True)
class Kept:
    """One watch over one stream."""

    seed: int
    seconds: int
    events: tuple[Stretch, ...]
    alarms: tuple[Alarm, ...]
    answered: float

    @property
    def found(self) -> list[tuple[Stretch, Alarm]]:
        """Each event with the first alarm that begins in it; none counts twice."""
        pairs, left = [], list(self.alarms)
        for event in self.events:
            for alarm in left:
                if event.start_s - WINDOW_S < alarm.start_s < event.end_s + WINDOW_S:
                    pairs.append((event, alarm))
                    left.remove(alarm)
                    break
        return pairs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--minutes", type=count(600), default=10, help="of each stream (default %(default)s)"
    )
    parser.add_argument(
        "--streams", type=count(1_000), default=3, help="to watch (default %(default)s)"
    )
    parser.add_argument(
        "--things", type=count(len(OBJECTS)), default=8, help="watched in each (default 8)"
    )
    parser.add_argument("--world", choices=WORLDS, default="varied", help="(default %(default)s)")
    parser.add_argument("--seed", type=count(2**31, 0), default=9_000, help="of the first stream")
    parser.add_argument(
        "--runs", type=count(10_000), default=30, help="windows for each cost (default %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=count(1_000), default=4, help="of the service's cost (default %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; 1 where the service fails. Raises SieveError for a model that cannot
    be loaded."""
    config, console = config_of(args), Console()
    model = model_of(config)
    costs = measure_costs(model, args.runs)
    try:
        served = asyncio.run(measure_served(replace(config, journal=None), args.rounds))
    except (ServiceEnded, httpx.HTTPError, TimeoutError) as error:
        console.print(f"[red]The service could not be measured:[/] {escape(repr(error))}")
        return 1
    streams = range(args.seed, args.seed + args.streams)
    kept = [
        one
        for seed in streams
        for one in watch_stream(model, seed, WORLDS[args.world], 60 * args.minutes, args.things)
    ]
    alarms = Alarms.of(kept)
    report = {
        "bench": "watches",
        "model": args.model,
        "world": args.world,
        "seeds": [streams.start, streams.stop - 1],
        "machine": describe_machine(args.device),
        "costs": [asdict(cost) for cost in costs],
        "served": [asdict(one) for one in served],
        "alarms": asdict(alarms),
    }
    show(console, costs, served, alarms)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


# --- Alarms ---------------------------------------------------------------------------------------


def watch_stream(model: Model, seed: int, plot: Plot, seconds: int, things: int) -> list[Kept]:
    """Every watch of one stream, which is sieved, remembered and judged as the service does."""
    scene = Scene(seed, plot)
    names = most_shown(scene, seconds, things)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    asked = [(row, as_question(f"a {name} appears")) for name in names]
    sights: list[list[Sight]] = [[] for _ in names]
    answered = [0.0 for _ in names]
    windows = scene_windows(seconds, seed, plot)
    for window in windows:
        engine.ingest(row, window)
        for place, verdict in enumerate(engine.judge(asked)):
            end_s = window.start_s + WINDOW_S
            sights[place].append(Sight(window.start_s, end_s, end_s, likely(verdict)))
            answered[place] += verdict.answered / len(windows)
    return [
        Kept(seed, seconds, tuple(stretches(scene, name, windows)), tuple(alarms_of(seen)), share)
        for name, seen, share in zip(names, sights, answered, strict=True)
    ]


def most_shown(scene: Scene, seconds: int, number: int) -> list[str]:
    """The things that come most often: so there is something to miss."""
    shown = Counter(t.name for s in scene.segments(0.0, float(seconds)) for t in s.things)
    return [name for name, _ in shown.most_common(number)]


def stretches(scene: Scene, name: str, windows: Sequence[RawWindow]) -> list[Stretch]:
    """When a thing is there, as far as a query can tell at the end of a window."""
    found: list[Stretch] = []
    for start_s, end_s in visible(scene, name, windows[-1].start_s + WINDOW_S):
        ends = [window.start_s + WINDOW_S for window in windows]
        telling = [at_s for at_s in ends if start_s <= at_s - NOW_S and at_s <= end_s]
        if telling:
            found.append(Stretch(start_s, end_s, telling[0]))
    return found


def visible(scene: Scene, name: str, until_s: float) -> list[tuple[float, float]]:
    """The stretches in which a thing is visible, those that touch joined."""
    joined: list[tuple[float, float]] = []
    for segment in scene.segments(0.0, until_s):
        if name not in {thing.name for thing in segment.things}:
            continue
        if joined and segment.start_s - joined[-1][1] < 1e-6:
            joined[-1] = (joined[-1][0], segment.end_s)
        else:
            joined.append((segment.start_s, segment.end_s))
    return joined


def alarms_of(seen: Sequence[Sight]) -> list[Alarm]:
    """What a watch with the usual rule makes of it."""
    rule, state, alarms = Rule(), State(), []
    for sight in seen:
        state, changes = advance(rule, state, sight)
        alarms += [Alarm(c.started_s, sight.end_s) for c in changes if c.kind == "new"]
    finish(rule, state, seen[-1].end_s)
    return alarms


# --- Printing -------------------------------------------------------------------------------------


def show(console: Console, costs: Sequence[Cost], served: Sequence[Served], alarms: Alarms) -> None:
    for cost in costs:
        console.print(
            f"{cost.queries:3} queries: judged in {cost.judge_ms:.1f} ms "
            f"(x {cost.judge_ratio:.2f}), window and judging {cost.window_ms:.1f} ms "
            f"(x {cost.window_ratio:.2f})"
        )
    for one in served:
        console.print(
            f"{one.queries:3} queries: the service needs {one.cpu_ms:.1f} ms of processor time "
            f"for a second of stream (x {one.ratio:.2f})"
        )
    delay = "-" if alarms.delay_windows is None else f"{alarms.delay_windows:g}"
    console.print(
        f"{alarms.watches} watches over {alarms.hours:g} h: {alarms.events} events, "
        f"{alarms.alarms} alarms, precision {alarms.precision:.3f}, recall {alarms.recall:.3f}, "
        f"F1 {alarms.f1:.3f}, median delay {delay} windows, {alarms.false_per_hour:g} false alarms "
        f"an hour; {alarms.answered:.1%} of the first token is yes or no"
    )
