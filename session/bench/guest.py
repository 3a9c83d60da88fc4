"""A sender in a process of its own, which can vanish like any other: for tests of what comes and
goes.

guest = Guest("http://localhost:8080/whip/room", seed=1, seconds=20.0)
guest.start()
...                                  # guest.shown_s tells how far its scene has been played
guest.kill()                         # kill -9: no goodbye
await guest.gone()
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from stream.publish import PublishError, publish
from stream.source import SceneSource
from stream.window import Frame, Item
from stream.world.scene import Scene

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

_SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit the threads of decoders


class Guest:
    """Sends the first ``seconds`` of a scene to a WHIP endpoint, and ends the session then."""

    def __init__(self, url: str, *, seed: int, seconds: float) -> None:
        self._shown_s = _SPAWN.Value("d", 0.0)
        self._process = _SPAWN.Process(
            target=_send, args=(url, seed, seconds, self._shown_s), daemon=True
        )

    @property
    def shown_s(self) -> float:
        """Scene seconds that have been sent."""
        return float(self._shown_s.value)

    def start(self) -> None:
        """Comes; the first picture is sent a second or more later."""
        self._process.start()

    def kill(self) -> None:
        """Vanishes without a word."""
        self._process.kill()

    async def gone(self) -> None:
        """Waits until the process has ended, by whatever cause."""
        while self._process.is_alive():  # noqa: ASYNC110 - a process gives no sign
            await asyncio.sleep(0.05)


def _send(url: str, seed: int, seconds: float, shown_s: Synchronized[float]) -> None:
    asyncio.run(_publish(_Shown(Scene(seed), seconds, shown_s), url))


async def _publish(source: _Shown, url: str) -> None:
    publication = await publish(source, url)
    try:
        await publication.finished()
    except PublishError:
        return  # the session was ended by the other side
    finally:
        await publication.close()


class _Shown:
    """A scene that tells how far it has been sent."""

    has_audio = True
    has_video = True

    def __init__(self, scene: Scene, seconds: float, shown_s: Synchronized[float]) -> None:
        self._source = SceneSource(scene, seconds)
        self._shown_s = shown_s

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for item in self._source:
            self._shown_s.value = item.time_s if isinstance(item, Frame) else item.start_s
            yield item
