"""The end of a stream whose sender leaves: what it sent is seen before its session ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from session.engine import reports
from session.engine.worker import Worker
from session.live.attendant import Attendant
from session.live.intake import Intake
from session.live.progress import Progress
from stream.window import Window

ON_ITS_WAY_S = 0.3  # for media that was sent before the word that the sender leaves, and is slower


class Leaving:
    """That of one session, on the event loop's thread. `hand` gives a window to the engine, which
    has `patience_s` for all that is left."""

    def __init__(
        self,
        session: str,
        worker: Worker,
        *,
        intake: Intake,
        progress: Progress,
        attendant: Attendant,
        hand: Callable[[Window], None],
        patience_s: float,
    ) -> None:
        self._session, self._worker = session, worker
        self._intake, self._progress, self._attendant = intake, progress, attendant
        self._hand = hand
        self._patience_s = patience_s
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._settled = asyncio.Event()

    @property
    def begun(self) -> bool:
        return self._reason.done()

    def begin(self, reason: str) -> None:
        """The sender leaves, and its stream ends now. The first reason stays."""
        if not self.begun:
            self._intake.end()
            self._reason.set_result(reason)

    async def over(self) -> str:
        """Waits until a sender has left and what it sent is seen, or given up; says why it left."""
        reason = await self._reason
        with suppress(TimeoutError):
            async with asyncio.timeout(ON_ITS_WAY_S):
                await self._intake.dry.wait()
        windows = self._finish()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._see(windows)
        except TimeoutError:
            self._progress.give_up()
        return reason

    def cut_short(self, reason: str) -> None:
        """The session ends now: what its sender has sent and the engine has not seen is told as
        skipped. Nothing, where the sender has not left, or all of it is seen or given up."""
        if self.begun and not self._reason.cancelled():  # as the wait for one that did not come is
            self._finish()
            self._progress.give_up(reason)

    def on_report(self, _: reports.Settled) -> None:
        self._settled.set()

    def _finish(self) -> list[Window]:
        """The last windows of the stream, which the engine is expected to see."""
        windows = self._intake.finish()
        for window in windows:
            self._progress.expect(window)
        return windows

    async def _see(self, windows: Sequence[Window]) -> None:
        """One at a time: no newer one comes for whose sake the engine should leave one out."""
        await self._caught_up()
        for window in windows:
            self._hand(window)
            await self._caught_up()
        self._attendant.notes.on_end()
        await self._attendant.answered()

    async def _caught_up(self) -> None:
        """Waits until the engine has reported all that came of what it was handed."""
        self._settled.clear()
        self._worker.settle(self._session)
        await self._settled.wait()
