"""Asking for what was missed, one after the other and until it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiomqtt

from clients.mqtt.replaying import Replays
from clients.sdk.backoff import Backoff
from tests.session.fakes import eventually

QUICK = Backoff(first_s=0.01, most_s=0.02)


class Bridge:
    """What it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.breaks = False

    async def ask(self, name: str) -> None:
        self.asked.append(name)
        if self.breaks:
            raise aiomqtt.MqttError("gone")

    def has(self, *names: str) -> Callable[[], bool]:
        return lambda: self.asked == list(names)


@asynccontextmanager
async def asking(silent_s: float = 30.0) -> AsyncIterator[tuple[Bridge, Replays]]:
    bridge = Bridge()
    replays = Replays(bridge.ask, QUICK, silent_s=silent_s)
    running = asyncio.create_task(replays.run())
    try:
        yield bridge, replays
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_the_next_is_asked_for_when_one_has_been_told() -> None:
    async with asking() as (bridge, replays):
        for name in ("door", "yard", "door"):
            replays.want(name)
        await eventually(bridge.has("door"))
        replays.ends("yard", again=False)  # nobody asked for it yet
        replays.goes_on("door")
        await asyncio.sleep(0.05)
        assert bridge.asked == ["door"]
        replays.ends("door", again=False)
        await eventually(bridge.has("door", "yard"))


async def test_what_was_wanted_before_is_known() -> None:
    async with asking() as (_, replays):
        assert not replays.has_begun("door")
        replays.want("door")
        assert replays.has_begun("door")


async def test_one_that_is_refused_comes_again_after_the_others() -> None:
    async with asking() as (bridge, replays):
        replays.want("door")
        replays.want("yard")
        await eventually(bridge.has("door"))
        replays.ends("door", again=True)
        await eventually(bridge.has("door", "yard"))
        replays.ends("yard", again=False)
        await eventually(bridge.has("door", "yard", "door"))


async def test_what_nobody_answers_is_asked_for_again() -> None:
    async with asking(silent_s=0.02) as (bridge, replays):
        replays.want("door")
        await eventually(lambda: len(bridge.asked) >= 3)
        replays.ends("door", again=False)


async def test_a_request_that_cannot_be_sent_is_sent_later() -> None:
    async with asking() as (bridge, replays):
        bridge.breaks = True
        replays.want("door")
        await eventually(lambda: len(bridge.asked) >= 2)
        bridge.breaks = False
        replays.ends("door", again=False)


async def test_what_is_wanted_while_it_is_on_its_way_is_asked_for_once_more() -> None:
    async with asking() as (bridge, replays):
        replays.want("door")
        await eventually(bridge.has("door"))
        replays.want("door")
        await eventually(bridge.has("door", "door"))
        replays.ends("door", again=False)
        await asyncio.sleep(0.05)
        assert bridge.asked == ["door", "door"]
