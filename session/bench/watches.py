"""`echosieve bench watches`: what standing queries cost, and how well they are kept.

*Cost*: `session.bench.watch_cost`, of the engine alone and of the whole service.

*Alarms*: streams of the world. In each, things are watched for; when they are there is known, and
the world shows others of their colour or their shape all the time. `session.bench.alarms` says what
counts as found.

*Numbers*: how many things of each colour there were in the last minute (`session.bench.numbers`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from session.bench.ages import scene_windows
from session.bench.alarms import Alarm, Alarms, Kept, held
from session.bench.numbers import Numbers, count_stream
from session.bench.process import ServiceEnded
from session.bench.watch_cost import Cost, Served, measure_costs, measure_served
from session.engine.loading import model_of
from session.options import add_model, config_of, count
from session.watch.hysteresis import Rule, Sight, State, advance, finish
from session.watch.telling import WITHIN_S
from session.watch.watches import likely
from session.watch.wording import as_question
from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.eval.machine import describe_machine
from sieve.tokens import WINDOW_S, Query
from stream.world.plot import FIRST_WORLD, Plot, Varied
from stream.world.scene import OBJECTS, Scene

WORLDS: dict[str, Plot] = {"first": FIRST_WORLD, "varied": Varied("any")}


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
    plot, seconds = WORLDS[args.world], 60 * args.minutes
    kept = [
        one for seed in streams for one in watch_stream(model, seed, plot, seconds, args.things)
    ]
    alarms = Alarms.of(kept)
    numbers = None
    if "count_things" in plot.kinds:
        numbers = Numbers.of(
            x for seed in streams for x in count_stream(model, seed, plot, seconds)
        )
    report = {
        "bench": "watches",
        "model": args.model,
        "world": args.world,
        "seeds": [streams.start, streams.stop - 1],
        "machine": describe_machine(args.device),
        "costs": [asdict(cost) for cost in costs],
        "served": [asdict(one) for one in served],
        "alarms": asdict(alarms),
        "numbers": numbers and asdict(numbers),
    }
    show(console, costs, served, alarms)
    if numbers is not None:
        show_numbers(console, numbers)
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
    asked = [(row, Query(as_question(f"a {name} appears"), WITHIN_S)) for name in names]
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
        held(scene, name, seconds, alarms_of(seen), share)
        for name, seen, share in zip(names, sights, answered, strict=True)
    ]


def most_shown(scene: Scene, seconds: int, number: int) -> list[str]:
    """The things that come most often: so there is something to miss."""
    shown = Counter(t.name for s in scene.segments(0.0, float(seconds)) for t in s.things)
    return [name for name, _ in shown.most_common(number)]


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


def show_numbers(console: Console, numbers: Numbers) -> None:
    right_of_told = "-" if numbers.right_of_told is None else f"{numbers.right_of_told:.1%}"
    console.print(
        f"{numbers.readings} numbers read: {numbers.right:.1%} right (always the most frequent "
        f"one: {numbers.majority:.1%}); {numbers.told:.1%} sure enough to be told, of them "
        f"{right_of_told} right"
    )
