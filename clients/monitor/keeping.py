"""A source that fails is tried again; until it is back it is down, and it is told why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from clients.advice import CONFIGURATION, plain, told
from clients.monitor.torn import Broken
from clients.sdk.backoff import Backoff
from clients.sdk.errors import EchoSieveError, Forbidden

log = logging.getLogger("echosieve")

PATIENT = Backoff(first_s=1.0, most_s=60.0)

Attempt = Callable[[], Awaitable[None]]


class Condition(Protocol):
    """Whether a source can be watched, as it changes; the same may be told again."""

    def up(self, name: str) -> None: ...

    def down(self, name: str, reason: str) -> None: ...  # without advice, which the log has


class Keeper:
    """Tries one source until it has come to its end, longer and longer apart while it stays down.
    The others know nothing of it."""

    def __init__(self, name: str, condition: Condition, backoff: Backoff) -> None:
        self._name = name
        self._condition = condition
        self._backoff = backoff
        self._failures = 0  # in a row, since it was last up
        self._said = ""  # why it failed last

    def up(self) -> None:
        """Of the attempt: the source is being watched."""
        self._failures = 0
        self._condition.up(self._name)

    async def run(self, attempt: Attempt) -> None:
        """Returns when an attempt does. One that is cancelled is the last, also where what it has
        begun cannot be ended properly: that failure took the place of the cancelling. Raises
        Forbidden, as what a token may not do, it may not do the next time either."""
        while True:
            try:
                return await attempt()
            except EchoSieveError as error:
                if is_cancelled():
                    raise asyncio.CancelledError from error
                if isinstance(error, Forbidden) and error.code == "forbidden":
                    raise
                self._failures += 1
                wait_s = self._backoff.wait_s(self._failures)
                self._tell(error, wait_s)
                self._condition.down(self._name, plain(error))
            await asyncio.sleep(wait_s)

    def _tell(self, error: EchoSieveError, wait_s: float) -> None:
        """What cannot change by itself is told once."""
        said = told(error, CONFIGURATION)
        if not isinstance(error, Broken):
            log.warning("%s: %s; again in %.1f s", self._name, said, wait_s)
        elif said != self._said:
            log.warning("%s: %s", self._name, said)
        self._said = said


def is_cancelled() -> bool:
    """Whether this task was asked to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
