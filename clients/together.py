"""Several things at once, and what ends them."""

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


async def unless(beside: asyncio.Task[Any], work: Work) -> None:
    """Run `work` to its end; where `beside` fails before, raise that and cancel `work`."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, beside}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            beside.result()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
