"""Repairs that every connection gets, sending or receiving."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from types import SimpleNamespace

import pytest

from stream.connection import Connection, Loopback
from stream.publish import Sending
from stream.receive import ReceiveConfig
from stream.rtc import Peer, PeerConfig
from tests.session.fakes import eventually
from tests.stream.media import FlashAndBeep, loopback


async def candidates(loopback: Loopback) -> list[str]:
    connection = Connection()
    connection.pc.addTransceiver("audio")
    connection.pc.createDataChannel("x")
    connection.prepare_ice(loopback)
    await connection.pc.setLocalDescription(await connection.pc.createOffer())
    lines = connection.pc.localDescription.sdp.splitlines()
    await connection.close()
    return [line.split()[4] for line in lines if line.startswith("a=candidate:")]


async def test_loopback_is_offered_always_never_or_where_there_is_nothing_else() -> None:
    assert "127.0.0.1" in await candidates("always")
    elsewhere = await candidates("never")
    assert "127.0.0.1" not in elsewhere
    assert ("127.0.0.1" in await candidates("auto")) == (not elsewhere)


async def test_a_stun_request_without_priority_is_given_one() -> None:
    connection = Connection()
    transceiver = connection.pc.addTransceiver("audio")
    agent = transceiver.receiver.transport.transport._connection
    seen = []
    agent.check_incoming = lambda message, addr, protocol: seen.append(message.attributes)
    connection.prepare_ice("auto")
    agent.check_incoming(SimpleNamespace(attributes={}), ("192.0.2.1", 5000), None)
    agent.check_incoming(SimpleNamespace(attributes={"PRIORITY": 7}), ("192.0.2.1", 5000), None)
    await connection.close()
    assert [attributes["PRIORITY"] for attributes in seen] == [(110 << 24) + (65535 << 8) + 255, 7]


@pytest.mark.parametrize("trouble", ["raises", "hangs"])
async def test_a_connection_that_cannot_close_itself_is_stopped_in_parts(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection()
    transceiver = connection.pc.addTransceiver("audio")
    connection.pc.createDataChannel("x")
    await connection.pc.setLocalDescription(await connection.pc.createOffer())

    async def close() -> None:
        if trouble == "hangs":
            await asyncio.sleep(3600)
        raise KeyError("nonsense")

    connection.pc.close = close
    await connection.close(patience_s=0.1)
    assert "stopping its parts" in caplog.text
    assert transceiver.receiver.transport.transport.state == "closed"
    assert connection.pc.sctp.transport.transport.state == "closed"


async def test_a_closed_peer_is_freed_without_a_garbage_collection() -> None:
    config = PeerConfig(receive=ReceiveConfig(fps=20))
    gc.collect()
    gc.disable()
    try:
        async with loopback(FlashAndBeep(30.0), config, with_channel=True) as (sending, peer):
            await anext(aiter(peer))
            parts = [weakref.ref(part) for part in parts_of(peer)]
        del sending, peer
        await eventually(lambda: all(part() is None for part in parts))
    finally:
        gc.enable()


def parts_of(peer: Peer) -> list[object]:
    parts: list[object] = [peer, peer._connection.pc, peer._reception, peer._reception.items]
    for transceiver in peer._connection.pc.getTransceivers():
        receiver, dtls = transceiver.receiver, transceiver.receiver.transport
        decoder = receiver.track._queue
        parts += [receiver, dtls, dtls.transport, dtls.transport._connection, decoder]
        parts += [decoder._decoder] if decoder._decoder is not None else []
    return parts


async def test_a_connection_closed_while_it_is_being_made_leaves_nothing_running() -> None:
    rng = random.Random(3)
    for _ in range(20):
        sending = Sending(FlashAndBeep(1.0), with_channel=True)
        peer, answer = await Peer.answer(await sending.offer())
        await sending.accept(answer)
        await asyncio.sleep(rng.uniform(0, 0.1))
        for side in rng.sample([sending, peer], 2):
            await side.close()
    await eventually(lambda: not [t for t in threading.enumerate() if "decoder" in t.name])
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
