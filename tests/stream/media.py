"""Sources and loopback connections for the tests of the live path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from stream.publish import Sending
from stream.rtc import Peer, PeerConfig
from stream.source import Source
from stream.window import SAMPLE_RATE, Frame, Item, Sound


@dataclass
class FlashAndBeep:
    """Once a second a flash of 100 ms and a beep begin at the same instant."""

    seconds: float
    fps: int = 20
    has_audio: bool = True
    has_video: bool = True

    async def __aiter__(self) -> AsyncIterator[Item]:
        frames = 0
        for i in range(round(self.seconds * 50)):
            while self.has_video and frames / self.fps < (i + 1) / 50:
                bright = 255 if frames % self.fps < self.fps // 10 else 0
                yield Frame(frames / self.fps, np.full((96, 96, 3), bright, np.uint8))
                frames += 1
            if self.has_audio:
                t = i / 50 + np.arange(320) / SAMPLE_RATE
                loud = 0.7 * (t % 1.0 < 0.1)
                yield Sound(i / 50, (loud * np.sin(2 * np.pi * 1000 * t)).astype(np.float32))


@asynccontextmanager
async def loopback(
    source: Source, config: PeerConfig | None = None, *, with_channel: bool = False
) -> AsyncIterator[tuple[Sending, Peer]]:
    """A source on its way to a peer of this process, connected."""
    sending = Sending(source, with_channel=with_channel)
    try:
        peer, answer = await Peer.answer(await sending.offer(), config=config)
        try:
            await sending.accept(answer)
            assert await peer.connected()
            yield sending, peer
        finally:
            await peer.close()
    finally:
        await sending.close()
