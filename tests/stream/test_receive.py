"""The receive layer's queues and guards, one by one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from stream.connection import IncompatibleAiortcError
from stream.receive import ItemQueue, ReceiveConfig, Reception
from stream.window import Sound


def sound(start_s: float) -> Sound:
    return Sound(start_s, np.zeros(250, np.float32))  # 1000 bytes


async def test_what_nobody_reads_is_dropped_from_the_oldest_on_and_counted() -> None:
    queue = ItemQueue(limit_bytes=5000)
    for i in range(1000):
        queue.put(sound(float(i)))
    queue.close()
    queue.put(sound(0.0))  # too late: nothing happens
    assert [item.start_s async for item in queue] == [995.0, 996.0, 997.0, 998.0, 999.0]
    assert queue.dropped == 995


async def test_an_item_larger_than_the_limit_still_passes_alone() -> None:
    queue = ItemQueue(limit_bytes=10)
    queue.put(sound(1.0))
    queue.put(sound(2.0))
    queue.close()
    assert [item.start_s async for item in queue] == [2.0]


async def test_a_reader_that_waits_is_woken_by_an_item_and_by_the_end() -> None:
    queue = ItemQueue(limit_bytes=5000)

    async def read() -> list[float]:
        return [item.start_s async for item in queue]

    reading = asyncio.create_task(read())
    for i in range(3):
        await asyncio.sleep(0)
        queue.put(sound(float(i)))
    await asyncio.sleep(0)
    queue.close()
    assert await reading == [0.0, 1.0, 2.0]


async def test_an_aiortc_that_has_changed_inside_is_named_with_the_remedy() -> None:
    reception = Reception(ReceiveConfig(), lambda: 0.0, lambda error: None)
    receiver = SimpleNamespace(track=SimpleNamespace(kind="video"), _handle_rtp_packet=None)
    with pytest.raises(IncompatibleAiortcError, match=r"__decoder_queue.*aiortc==1\.16\.0"):
        reception.attach(receiver)
