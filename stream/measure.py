"""What receiving costs: the media path of this project against bare aiortc, on the same stream."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

import numpy as np
from aiortc import RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from stream.connection import Connection
from stream.publish import Sending
from stream.rtc import Peer
from stream.window import SAMPLE_RATE, Frame, Item, Sound
from stream.windower import Windower

_WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class MediaCost:
    """CPU milliseconds of the receiving process per second of stream.

    ``bare``: aiortc connects, decodes, and every frame is read and thrown away. ``peer``: a
    :class:`stream.rtc.Peer` and a :class:`stream.windower.Windower`, with windows coming out.
    """

    bare_ms_per_s: float
    peer_ms_per_s: float
    windows: int

    @property
    def ratio(self) -> float:
        """Cost of the peer relative to bare aiortc."""
        return self.peer_ms_per_s / self.bare_ms_per_s


def measure_media(seconds: float = 10.0, *, rounds: int = 2, fps: int = 30) -> MediaCost:
    """Receives 640x480 VP8 and Opus from a process of its own, ``rounds`` times in each way.

    The least of the rounds counts: other work on the machine only adds. Takes about
    2 * rounds * (seconds + 3) seconds.
    """
    bare, peer, windows = [], [], 0
    for _ in range(rounds):
        bare.append(_cost(_receive_bare, seconds, fps)[0])
        cost, windows = _cost(_receive_windows, seconds, fps)
        peer.append(cost)
    return MediaCost(min(bare), min(peer), windows)


_Receive = Callable[[Pipe, Callable[[], Awaitable[None]]], Awaitable[int]]


def _cost(receive: _Receive, seconds: float, fps: int) -> tuple[float, int]:
    """CPU milliseconds per second of one round, and the windows that came out of it."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_send, args=(there, seconds, fps))
    process.start()
    spent = 0.0

    async def watch() -> None:
        nonlocal spent
        await asyncio.sleep(_WARM_UP_S)
        before = time.process_time()
        await asyncio.sleep(seconds)
        spent = time.process_time() - before

    async def run() -> int:
        return await receive(here, watch)

    try:
        windows = asyncio.run(run())
    finally:
        here.send("end")
        process.join()
    return spent * 1000 / seconds, windows


async def _receive_bare(pipe: Pipe, watch: Callable[[], Awaitable[None]]) -> int:
    connection = Connection()
    readers: list[asyncio.Task[None]] = []
    connection.pc.on("track", lambda track: readers.append(asyncio.create_task(_read(track))))
    offer = RTCSessionDescription(sdp=await asyncio.to_thread(pipe.recv), type="offer")
    await connection.pc.setRemoteDescription(offer)
    connection.prepare_ice("auto")
    await connection.pc.setLocalDescription(await connection.pc.createAnswer())
    pipe.send(connection.pc.localDescription.sdp)
    await watch()
    await connection.close()
    await asyncio.gather(*readers)
    return 0


async def _read(track: MediaStreamTrack) -> None:
    try:
        while True:
            await track.recv()
    except MediaStreamError:
        return


async def _receive_windows(pipe: Pipe, watch: Callable[[], Awaitable[None]]) -> int:
    peer, answer = await Peer.answer(await asyncio.to_thread(pipe.recv))
    pipe.send(answer)
    reading = asyncio.create_task(_count_windows(peer))
    await watch()
    await peer.close()
    return await reading


async def _count_windows(peer: Peer) -> int:
    windower, windows = Windower(), 0
    async for item in peer:
        windower.push(item)
        windower.advance(peer.now())
        while windower.pop() is not None:
            windows += 1
    return windows


def _send(pipe: Any, seconds: float, fps: int) -> None:
    """The sending process: offers over the pipe, and sends until told to end."""

    async def run() -> None:
        sending = Sending(_Pattern(seconds + 2 * _WARM_UP_S, fps))
        pipe.send(await sending.offer())
        await sending.accept(await asyncio.to_thread(pipe.recv))
        await asyncio.to_thread(pipe.recv)
        await sending.close()

    asyncio.run(run())


class _Pattern:
    """A textured picture that moves, and a tone."""

    has_audio = True
    has_video = True

    def __init__(self, seconds: float, fps: int) -> None:
        self._seconds = seconds
        self._fps = fps
        coarse = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
        self._picture = coarse.repeat(8, 0).repeat(8, 1)

    async def __aiter__(self) -> AsyncIterator[Item]:
        for i in range(round(self._seconds * self._fps)):
            yield Frame(i / self._fps, np.roll(self._picture, 4 * i, axis=1))
            first, end = (n * SAMPLE_RATE // self._fps for n in (i, i + 1))
            tone = np.sin(2 * np.pi * 440 * np.arange(first, end) / SAMPLE_RATE)
            yield Sound(first / SAMPLE_RATE, (0.3 * tone).astype(np.float32))
