"""Asking a bridge for what was missed: one name after the other, as it carries out few requests at
once, and again until it has told all of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import aiomqtt

from clients.sdk.backoff import Backoff

log = logging.getLogger("echosieve")

SILENT_S = 30.0  # without a piece of what was asked for: it was never taken, or its end is lost

Ask = Callable[[str], Awaitable[None]]


class Replays:
    """Those that are wanted on one connection. `run` beside what hears the answers."""

    def __init__(self, ask: Ask, backoff: Backoff, *, silent_s: float = SILENT_S) -> None:
        """`ask` may raise MqttError."""
        self._ask = ask
        self._backoff = backoff
        self._silent_s = silent_s
        self._wanted: dict[str, None] = {}  # names, in their order
        self._news = asyncio.Event()
        self._failures: Counter[str] = Counter()  # in a row
        self._timers: dict[str, asyncio.TimerHandle] = {}  # of those that are wanted again
        self._begun: set[str] = set()
        self._current: str | None = None
        self._heard = asyncio.Event()  # of the current one
        self._over: bool | None = None  # whether it is done with; None while it goes on

    def want(self, name: str) -> None:
        """All that was missed of it; what is on its way is asked for again."""
        self._begun.add(name)
        if name == self._current:
            self.ends(name, again=True)
            return
        if timer := self._timers.pop(name, None):
            timer.cancel()
        self._wanted[name] = None
        self._news.set()

    def has_begun(self, name: str) -> bool:
        """Whether it was wanted before."""
        return name in self._begun

    def goes_on(self, name: str) -> None:
        """A piece of it has come."""
        if name == self._current:
            self._heard.set()

    def ends(self, name: str, *, again: bool) -> None:
        """No more of it comes; it may be asked for `again` later."""
        if name == self._current:
            self._over = not again
            self._heard.set()

    async def run(self) -> None:
        """Does not end."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._wanted:
                    await self._next()
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _next(self) -> None:
        name = next(iter(self._wanted))
        del self._wanted[name]
        over = await self._asked(name)
        self._current = None
        if over:
            del self._failures[name]
            return
        self._failures[name] += 1
        wait_s = self._backoff.wait_s(self._failures[name])
        self._timers[name] = asyncio.get_running_loop().call_later(wait_s, self.want, name)

    async def _asked(self, name: str) -> bool:
        """Whether it is done with."""
        self._current, self._over = name, None
        try:
            await self._ask(name)
            while self._over is None:
                self._heard.clear()
                async with asyncio.timeout(self._silent_s):
                    await self._heard.wait()
        except (TimeoutError, aiomqtt.MqttError) as error:
            log.info("what was missed of %s was not told: %s", name, error or "nothing came")
            return False
        return self._over
