"""An end that is asked for from outside, as by Ctrl-C, or by who manages services."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


def ran_to_its_end(work: Coroutine[Any, Any, None]) -> bool:
    """Run it. False where SIGINT or SIGTERM asked for an end before: it is cancelled then, and what
    it has begun is ended in order. Raises what it raises."""
    try:
        asyncio.run(_terminable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return False
    return True


async def _terminable(work: Coroutine[Any, Any, None]) -> None:
    """SIGINT is seen to by `asyncio.run`."""
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        """Once: a second, as `timeout` sends to the whole group, would break what ends in order."""
        if not task.cancelling():
            task.cancel()

    with suppress(NotImplementedError):  # a system without it
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    await work
