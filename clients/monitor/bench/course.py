"""A stream as it is fed, and what a monitor tells of it meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from clients.monitor.bench.mosquitto import Mosquitto
from clients.monitor.bench.script import WATCHED
from clients.mqtt.mapping import EventMessage
from clients.mqtt.receiver import EventReceiver
from session.live.session import LiveSession
from sieve.tokens import WINDOW_S
from stream.rtc import Channel
from stream.source import SceneSource
from stream.window import Frame, Item

PASSED_S = 0.9  # after its end a window has closed, whatever came late
DOWN_S = 1.0  # how long the broker is away
AROUND_S = 10.0  # after a kill no latency is taken
LONGEST_S = 30.0  # for a window to be judged, or passed over


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
