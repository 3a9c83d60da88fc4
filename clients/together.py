"""Several things at once, of which the first to end ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

Work = Coroutine[Any, Any, Any]


async def until_first(ends: Iterable[Work], beside: Iterable[Work] = ()) -> None:
    """Run all until one of `ends` has ended, or any has failed, which is raised; cancel the rest.

    What runs `beside` them may end without ending the others.
    """
    ending = {asyncio.create_task(work) for work in ends}
    others = {asyncio.create_task(work) for work in beside}
    waiting = ending | others
    try:
        while not any(task.done() for task in ending):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in ending | others:
            task.cancel()
        await asyncio.gather(*ending, *others, return_exceptions=True)
