"""`echosieve bench monitor`: a whole monitor on a stream with scripted events, to a real broker.

The stream is rendered and fed as fast as it is judged. Things that are watched for come at scripted
times; in between others do, many of their colour or their shape. The monitor tells a mosquitto,
which is killed (SIGKILL) and started again in between, and a receiver takes from it. An event is
found where a `new` begins within it or up to a window after; delays are counted in windows after
the first that could tell. The latency is from when the media had passed a window's end to the `new`
at the receiver, where the broker was there all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import httpx
from rich.console import Console

from clients.monitor.bench.course import Course, Delivery, Played, delivery_of
from clients.monitor.bench.mosquitto import Mosquitto
from clients.monitor.bench.script import WATCHED, script_of
from clients.monitor.config import MonitorConfig
from clients.monitor.run import Monitor
from clients.mqtt.receiver import EventReceiver
from clients.sdk import EchoSieve
from session.app import create_app
from session.bench.alarms import Alarm, Alarms, held
from session.engine.loading import load_engine
from session.live.session import LiveSession
from session.options import add_model, config_of, count, share
from session.server import serving
from session.watch.hysteresis import RELEASE, THRESHOLD, Rule
from sieve.errors import SettingInvalid
from sieve.eval.machine import describe_machine
from sieve.tokens import WINDOW_S
from stream.source import SceneSource
from stream.world.scene import Scene

ROOM = "stream"
LAST_S = 60.0  # for what is still on its way at the end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--minutes", type=count(600), default=30, help="(default %(default)s)")
    parser.add_argument("--events", type=count(1_000), default=20, help="(default %(default)s)")
    parser.add_argument("--kills", type=count(100, 0), default=3, help="(default %(default)s)")
    parser.add_argument("--seed", type=count(2**31, 0), default=9_100, help="of the stream")
    watch = parser.add_argument_group("standing queries", "seen in two windows, by default")
    watch.add_argument("--threshold", type=share, default=THRESHOLD, help="(default %(default)g)")
    watch.add_argument("--release", type=share, default=RELEASE, help="(default %(default)g)")
    watch.add_argument("--min-s", type=float, default=3.0, help="(default %(default)g)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises SieveError, OSError."""
    rule = rule_of(args)
    with tempfile.TemporaryDirectory(prefix="echosieve-") as folder:
        alarms, delivery = asyncio.run(measure(args, Path(folder)))
    report = {
        "bench": "monitor",
        "model": args.model,
        "minutes": args.minutes,
        "seed": args.seed,
        "watch": rule,
        "machine": describe_machine(args.device),
        "alarms": asdict(alarms),
        "delivery": asdict(delivery),
    }
    Console().print_json(data=report)
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if delivery.once else 1


def rule_of(args: argparse.Namespace) -> dict[str, float]:
    """What is asked of a standing query before it tells. Raises SettingInvalid."""
    given = {"threshold": args.threshold, "release": args.release, "min_s": args.min_s}
    try:
        Rule(**given)
    except ValueError as error:
        raise SettingInvalid(str(error)) from error
    return given


async def measure(args: argparse.Namespace, folder: Path) -> tuple[Alarms, Delivery]:
    """The whole course, from the first window to the last word of it."""
    seconds = 60 * args.minutes
    scene = Scene(args.seed, script_of(args.seed, seconds, args.events))
    windows = seconds / WINDOW_S
    kills = {round(windows * (n + 1) / (args.kills + 1)) for n in range(args.kills)}
    course = Course(Mosquitto(folder), kills)
    played = Played(SceneSource(scene, seconds, fps=2.0), seconds, course.passed)

    async def connect(_: str) -> tuple[Played, str]:
        return played, "v=0\r\n"

    config = config_of(args)
    app = create_app(config, load_engine(config), connect)
    try:
        course.broker.start()
        await course.broker.listening()
        async with serving(app) as url:
            monitored = monitor_config(folder, course.broker.port, rule_of(args))
            again = await watched(course, url, monitored, app.state.service.manager.live)
    finally:
        course.broker.kill()
    return alarms_of(scene, course, seconds), delivery_of(course, again)


def monitor_config(folder: Path, port: int, rule: dict[str, float]) -> MonitorConfig:
    """Raises ValueError for a rule that is none."""
    return MonitorConfig.model_validate(
        {
            "folder": folder / "monitor",
            "source": [{"kind": "room", "name": ROOM}],
            "watch": [{"query": f"a {name} appears", **rule} for name in WATCHED],
            "mqtt": {"host": "127.0.0.1", "port": port},
        }
    )


async def watched(
    course: Course,
    url: str,
    config: MonitorConfig,
    live: Callable[[str], Awaitable[LiveSession]],
) -> int:
    """Let the monitor watch the stream to its end; how many messages came again."""
    assert config.mqtt is not None
    receiver = EventReceiver(config.mqtt, "bench")
    monitor = Monitor(config, client=EchoSieve(url))
    tasks = [asyncio.create_task(monitor.run()), asyncio.create_task(course.receive(receiver))]
    try:
        async with httpx.AsyncClient(base_url=url) as http:
            headers = {"Content-Type": "application/sdp"}
            begun = await http.post(f"/whip/{ROOM}", content="v=0\r\n", headers=headers)
        course.live = await live(begun.raise_for_status().headers["X-EchoSieve-Session"])
        while not course.live.ended:  # noqa: ASYNC110 - nothing to wait upon
            await asyncio.sleep(0.1)
        await settled(course)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return receiver.again


async def settled(course: Course) -> None:
    """Wait until what began has ended at the receiver too, and for what should not come."""
    until = time.monotonic() + LAST_S
    while time.monotonic() < until:
        kinds = Counter(event.type for _, event in course.told)
        if kinds["new"] and kinds["new"] == kinds["end"]:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)


def alarms_of(scene: Scene, course: Course, seconds: int) -> Alarms:
    """How well the scripted events were found."""
    kept = []
    for name in WATCHED:
        told = [
            Alarm(event.after.started_s, event.after.spans[0].end_s)
            for _, event in course.told
            if event.type == "new" and event.after.query == f"a {name} appears"
        ]
        kept.append(held(scene, name, seconds, told))
    return Alarms.of(kept)
