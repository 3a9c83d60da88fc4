"""The receive layer's queues, guards and repairs, one by one."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from stream import receive
from stream.connection import Loopback, close_connection, prepare_ice
from stream.receive import IncompatibleAiortcError, ItemQueue, ReceiveConfig, Reception
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


def test_a_full_decoder_queue_drops_the_oldest_and_asks_for_a_key_frame() -> None:
    ask = threading.Event()
    queue = receive._DecoderQueue(3, ask)
    for i in range(3):
        queue.put(i)
    assert not ask.is_set()
    queue.put(3)
    assert ask.is_set()
    assert queue.dropped == 1
    assert [queue.get() for _ in range(3)] == [1, 2, 3]


def test_the_end_of_a_decoder_queue_comes_before_all_that_waits() -> None:
    queue = receive._DecoderQueue(30, threading.Event())
    for i in range(30):
        queue.put(i)
    queue.put(None)
    assert queue.get() is None


async def test_an_aiortc_that_has_changed_inside_is_named_with_the_remedy() -> None:
    reception = Reception(ReceiveConfig(), lambda: 0.0, lambda error: None)
    receiver = SimpleNamespace(track=SimpleNamespace(kind="video"), _handle_rtp_packet=None)
    with pytest.raises(IncompatibleAiortcError, match=r"__decoder_queue.*aiortc==1\.16\.0"):
        reception.attach(receiver)


async def candidates(loopback: Loopback) -> list[str]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio")
    connection.createDataChannel("x")
    prepare_ice(connection, loopback)
    await connection.setLocalDescription(await connection.createOffer())
    lines = connection.localDescription.sdp.splitlines()
    await close_connection(connection)
    return [line.split()[4] for line in lines if line.startswith("a=candidate:")]


async def test_loopback_is_offered_always_never_or_where_there_is_nothing_else() -> None:
    assert "127.0.0.1" in await candidates("always")
    elsewhere = await candidates("never")
    assert "127.0.0.1" not in elsewhere
    assert ("127.0.0.1" in await candidates("auto")) == (not elsewhere)


async def test_a_stun_request_without_priority_is_given_one() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("audio")
    agent = transceiver.receiver.transport.transport._connection
    seen = []
    agent.check_incoming = lambda message, addr, protocol: seen.append(message.attributes)
    prepare_ice(connection, "auto")
    agent.check_incoming(SimpleNamespace(attributes={}), ("192.0.2.1", 5000), None)
    agent.check_incoming(SimpleNamespace(attributes={"PRIORITY": 7}), ("192.0.2.1", 5000), None)
    await close_connection(connection)
    assert [attributes["PRIORITY"] for attributes in seen] == [(110 << 24) + (65535 << 8) + 255, 7]


@pytest.mark.parametrize("trouble", ["raises", "hangs"])
async def test_a_connection_that_cannot_close_itself_is_stopped_in_parts(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("audio")
    connection.createDataChannel("x")
    await connection.setLocalDescription(await connection.createOffer())

    async def close() -> None:
        if trouble == "hangs":
            await asyncio.sleep(3600)
        raise KeyError("nonsense")

    connection.close = close
    await close_connection(connection, patience_s=0.1)
    assert "stopping its parts" in caplog.text
    assert transceiver.receiver.transport.transport.state == "closed"
    assert connection.sctp.transport.transport.state == "closed"
