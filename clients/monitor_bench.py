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
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console

from clients.monitor.config import MonitorConfig
from clients.monitor.run import Monitor
from clients.mqtt.mapping import EventMessage
from clients.mqtt.receiver import EventReceiver
from clients.sdk import EchoSieve
from session.app import create_app
from session.bench.watches import NOW_S, Alarm, Alarms, Kept, Stretch, visible
from session.engine.loading import load_engine
from session.live.session import LiveSession
from session.options import add_model, config_of, count, positive, share
from session.server import serving
from session.watch.hysteresis import Rule
from sieve.errors import SettingInvalid
from sieve.eval.machine import describe_machine
from sieve.tokens import WINDOW_S
from stream.rtc import Channel
from stream.source import SceneSource
from stream.window import Frame, Item
from stream.world.plot import FIRST_WORLD
from stream.world.scene import Scene, Segment, Thing

ROOM = "stream"
WATCHED = ("red circle", "blue square", "yellow cross", "green triangle")
EVENT_S = 6.0
SEGMENT_S = 3.5  # of the first world, on average
PASSED_S = 0.9  # after its end a window has closed, whatever came late
DOWN_S = 1.0  # how long the broker is away
AROUND_S = 10.0  # after a kill no latency is taken
LONGEST_S = 30.0  # for a window to be judged, or passed over
LAST_S = 60.0  # for what is still on its way at the end


@dataclass(frozen=True, slots=True)
class Script:
    """The first world, in which the watched things come when they are to, and never else."""

    events: tuple[int, ...]  # the segments that are events
    kinds: tuple[str, ...] = FIRST_WORLD.kinds

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        segment = FIRST_WORLD.next(seed, past)
        end_s, thing = segment.end_s, segment.things[0]
        if len(past) in self.events:
            place = self.events.index(len(past))
            thing, end_s = Thing.named(WATCHED[place % len(WATCHED)]), segment.start_s + EVENT_S
        elif thing.name in WATCHED:
            thing = Thing("purple", thing.shape)
        return Segment(len(past), segment.start_s, end_s, (thing,))


def script_of(seed: int, seconds: int, events: int) -> Script:
    """Events spread over the stream. Raises SettingInvalid where they do not fit."""
    rng = np.random.default_rng([seed, 41])
    apart = int(seconds / SEGMENT_S / (events + 2))
    if apart < 4:
        raise SettingInvalid(f"{events} events do not fit into {seconds} s: take fewer, or longer")
    return Script(tuple(apart * (n + 1) + int(rng.integers(-1, 2)) for n in range(events)))


class Played:
    """A peer whose media comes as fast as `passed` lets it, which is told each window's end."""

    has_video = has_audio = True

    def __init__(
        self, source: SceneSource, seconds: int, passed: Callable[[float], Awaitable[None]]
    ) -> None:
        self.channel = Channel()
        self._source = source
        self._seconds = seconds
        self._passed = passed
        self._now_s = 0.0

    def now(self) -> float:
        return self._now_s

    async def __aiter__(self) -> AsyncIterator[Item]:
        end_s = WINDOW_S
        for item in self._source.items():
            time_s = item.time_s if isinstance(item, Frame) else item.start_s
            self._now_s = max(self._now_s, time_s)
            if time_s >= end_s + PASSED_S:
                await self._passed(end_s)
                end_s += WINDOW_S
            yield item
        self._now_s = self._seconds + PASSED_S
        await self._passed(end_s)

    async def closed(self) -> str:
        return "the stream is over"

    async def close(self) -> None:
        self.channel.close()


class Mosquitto:
    """A broker that keeps what it must on disk, and can be killed."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError where there is none."""
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if found is None:
            raise FileNotFoundError("there is no mosquitto here: apt-get install mosquitto")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._command = [found, "-c", str(folder / "mosquitto.conf")]
        lines = ["persistence true", f"persistence_location {folder}/", "autosave_interval 1"]
        lines += ["autosave_on_changes true", f"listener {self.port} 127.0.0.1"]
        lines += ["allow_anonymous true", "user root"]
        (folder / "mosquitto.conf").write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)

    async def listening(self) -> None:
        """Wait until it takes connections."""
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass(slots=True)
class Course:
    """What happens while the stream is fed. Times of the machine: seconds, monotonic."""

    broker: Mosquitto
    kill_after: set[int]  # windows
    live: LiveSession | None = None
    passed_at: dict[float, float] = field(default_factory=dict)  # by a window's end
    killed_at: list[float] = field(default_factory=list)
    told: list[tuple[float, EventMessage]] = field(default_factory=list)

    async def passed(self, end_s: float) -> None:
        """Wait until the window has been judged; the first one, until there is something to
        judge."""
        self.passed_at[end_s] = time.monotonic()
        number = round(end_s / WINDOW_S)
        until = time.monotonic() + LONGEST_S
        while not self._judged(number, end_s) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if number in self.kill_after:
            self.killed_at.append(time.monotonic())
            self.broker.kill()
            await asyncio.sleep(DOWN_S)
            self.broker.start()
            await self.broker.listening()

    def _judged(self, number: int, end_s: float) -> bool:
        if self.live is None:
            return False
        watches = self.live.attendant.watches.all()
        if number == 1:
            return len(watches) == len(WATCHED)
        done = self.live.progress.windows + self.live.progress.skipped >= number
        return done and all((watch.judged_s or 0.0) >= end_s for watch in watches)

    async def receive(self, receiver: EventReceiver) -> None:
        async for event in receiver:
            self.told.append((time.monotonic(), event))

    def latencies_ms(self) -> list[float]:
        found = []
        for at, event in self.told:
            passed = self.passed_at.get(event.after.spans[-1].end_s)
            near = any(0.0 <= at - killed < AROUND_S for killed in self.killed_at)
            if event.type == "new" and passed is not None and not near:
                found.append(1_000 * (at - passed))
        return found


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of the events at the receiver."""

    kills: int
    told: int  # events that began
    once: bool  # exactly one `new` and one `end` of each
    again: int  # messages that came more than once, and were dropped by their key
    latency_ms: float | None  # median
    latency_p95_ms: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--minutes", type=count(600), default=30, help="(default %(default)s)")
    parser.add_argument("--events", type=count(1_000), default=20, help="(default %(default)s)")
    parser.add_argument("--kills", type=count(100, 0), default=3, help="(default %(default)s)")
    parser.add_argument("--seed", type=count(2**31, 0), default=9_100, help="of the stream")
    watch = parser.add_argument_group("standing queries", "seen in two windows, by default")
    watch.add_argument("--threshold", type=share, default=0.75, help="(default %(default)g)")
    watch.add_argument("--release", type=share, default=0.6, help="(default %(default)g)")
    watch.add_argument("--min-s", type=positive, default=3.0, help="(default %(default)g)")
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
    return alarms_of(scene, course, args.seed, seconds), delivery_of(course, again)


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


def alarms_of(scene: Scene, course: Course, seed: int, seconds: int) -> Alarms:
    """How well the scripted events were found."""
    kept = []
    for name in WATCHED:
        told = [
            Alarm(event.after.started_s, event.after.spans[0].end_s)
            for _, event in course.told
            if event.type == "new" and event.after.query == f"a {name} appears"
        ]
        kept.append(Kept(seed, seconds, truth(scene, name, seconds), tuple(told), 1.0))
    return Alarms.of(kept)


def truth(scene: Scene, name: str, seconds: int) -> tuple[Stretch, ...]:
    """When a thing is there, as far as a query can tell at the end of a window."""
    found = []
    for start_s, end_s in visible(scene, name, float(seconds)):
        first = WINDOW_S * -(-(start_s + NOW_S) // WINDOW_S)
        if first <= min(end_s, seconds):
            found.append(Stretch(start_s, end_s, first))
    return tuple(found)


def delivery_of(course: Course, again: int) -> Delivery:
    counted = Counter((event.after.id, event.type) for _, event in course.told)
    ids = {id for id, _ in counted}
    latencies = course.latencies_ms()
    return Delivery(
        kills=len(course.killed_at),
        told=len(ids),
        once=bool(ids) and all(counted[id, kind] == 1 for id in ids for kind in ("new", "end")),
        again=again,
        latency_ms=round(float(np.median(latencies)), 1) if latencies else None,
        latency_p95_ms=round(float(np.percentile(latencies, 95)), 1) if latencies else None,
    )
