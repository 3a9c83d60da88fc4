"""One live session: its life from the offer to the end, and what it is set to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from session import wire
from session.config import Settings
from session.engine import reports
from session.engine.jobs import Close, Configure, Open, Watch
from session.errors import STOPPED, EngineFailed, SettingInvalid, Stopping, over
from session.journal import records
from session.journal.events import Hub
from session.live.attendant import Attendant
from session.live.intake import Intake, Media, raw_window, waiting
from session.live.leaving import Leaving
from session.live.origin import Origin, Shared
from session.live.progress import Progress
from session.live.questions import Questions
from session.live.requests import Requests
from session.live.turn import Dialogue
from sieve.tokens import MemoryState
from stream.window import Window

log = logging.getLogger(__name__)

FAREWELL_S = 1.0  # for a companion to tell of the end
RECORD_S = 5.0  # for the journal to take down the end
CUT_OFF = "the service stopped before the answer was complete: ask again when it is back"
ENDINGS = {
    "remote": "the sender left",
    "timeout": "the sender did not connect",
    "silent": "the sender fell silent",
    "failed": "the connection failed",
}
ORDERLY = "remote"  # who was cut off comes back soon, and should not find its place taken


class Companion(Protocol):
    """Speaks for the session on a channel of its own; ends by itself when the session has."""

    @property
    def heard(self) -> bool:
        """Whether somebody listens on the channel."""
        ...

    async def run(self) -> None: ...


class LiveSession:
    """A session from its offer to its end. All of it on the event loop's thread."""

    def __init__(
        self, *, origin: Origin, hub: Hub, media: Media, settings: Settings, shared: Shared
    ) -> None:
        self.id = origin.id
        self.hub = hub
        self.settings = settings
        self._origin, self._media = origin, media
        self._worker, self._now = shared.worker, shared.now
        self._dialogue = Dialogue(
            in_flight=shared.limits.questions_in_flight,
            history=settings.history_turns,
            past=origin.history,
        )
        self._intake = Intake(
            media, fps=settings.fps, take=self._take_windows, begins_s=origin.begins_s
        )
        self.progress = Progress(hub, self._publish)
        self._requests = Requests(shared.worker)
        self.questions = Questions(
            self.id, self._dialogue, intake=self._intake, hub=hub, settings=settings, shared=shared
        )
        self.attendant = Attendant(
            self.id, shared.worker, post=self._request, tell=hub.publish, shelf=shared.shelf
        )
        self._leaving = Leaving(
            self.id,
            shared.worker,
            intake=self._intake,
            progress=self.progress,
            attendant=self.attendant,
            hand=self._hand,
            patience_s=shared.limits.settle_s,
        )
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    # --- Life ---

    @property
    def room(self) -> str:
        return self._origin.room

    @property
    def ended(self) -> bool:
        return self._dialogue.state == "ended"

    @property
    def ending(self) -> bool:
        """Whether it ends soon, or has."""
        return self._leaving.begun or self._over.done()

    async def open(self) -> None:
        """Take a row of the engine, and tell of it when all is in its place. Raises SettingInvalid
        with the engine's reason."""
        settings = self.settings
        job = Open(
            self.id, settings.retention, settings.selector, settings.instruction, settings.slots
        )
        self.progress.holds(await self._request(job))
        if self._origin.reopened:
            await self.attendant.restore()
        self.hub.open()
        self.hub.tap = self.questions.hear
        kind = wire.SessionReopened if self._origin.reopened else wire.SessionCreated
        self._publish(kind(session=self.describe()))

    async def run(self, talk: Companion) -> None:
        """Stream until the sender has left or `stop` is called; `talk` lives as long as it does."""
        reason = STOPPED
        try:
            reason = await self._stream(talk)
        finally:
            self._finish(reason)
            await self._media.close()
            await self._told()

    async def abandon(self, reason: str) -> None:
        """Give everything back of a session that was never opened; nothing is told of it."""
        if not self.ended:
            self._give_back(reason)
        await self._media.close()

    def leave(self, reason: str) -> None:
        """End the session when what its sender has sent is seen, or cannot be in time; the first
        reason stays."""
        self._leaving.begin(reason)

    def stop(self, reason: str) -> None:
        """End the session soon; the first reason stays."""
        if not self._over.done():
            self._over.set_result(reason)

    async def _stream(self, talk: Companion) -> str:
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(self._guarded(talk.run))
            parts = (self._pump, self._intake.tick, self._leave)
            tasks = [group.create_task(self._guarded(part)) for part in parts]
            reason = await self._over
            for task in tasks:
                task.cancel()
            self._finish(reason)
            if talk.heard:
                await asyncio.wait({talking}, timeout=FAREWELL_S)
            talking.cancel()
        return reason

    async def _guarded(self, part: Callable[[], Awaitable[None]]) -> None:
        """A part that fails ends the session, but not the others before they have told of it."""
        try:
            await part()
        except Exception as error:
            log.exception("session %s fails", self.id)
            if not self.ended:
                self.stop(self._fail(str(error)))

    async def _pump(self) -> None:
        await self._intake.pump()
        why = await self._media.closed()
        if why == ORDERLY:
            self.leave(ENDINGS[why])
        elif not self._leaving.begun:
            self.stop(ENDINGS.get(why, why))

    async def _leave(self) -> None:
        self.stop(await self._leaving.over())

    def _take_windows(self) -> None:
        """Hand closed windows to the engine."""
        if self._intake.started and self._dialogue.go_live():
            self._tell_updated()
        for window in self._intake.closed():
            self._hand(window)

    def _hand(self, window: Window) -> None:
        raw = raw_window(window)
        if raw is None:
            self.progress.skip(window.index, window.start_s, window.end_s, wire.NOTHING_CAME)
        else:
            self.progress.expect(window)
            self._worker.window(self.id, waiting(window, raw, self._now()))

    def _finish(self, reason: str) -> None:
        """Give everything back and tell everyone, once. Nothing of the session happens after it."""
        if self.ended:
            return
        cut_off = Stopping(CUT_OFF).detail() if reason == STOPPED else None
        self.questions.end_all("cancelled", cut_off)
        self._leaving.cut_short(reason)
        self.attendant.finish(self._intake.now())
        self._give_back(reason)
        self._publish(wire.SessionClosed(session=self.id, reason=reason))
        self.hub.close()

    def _give_back(self, reason: str) -> None:
        self._dialogue.end(reason)
        self._requests.refuse_all(over(reason))
        self._worker.control(Close(self.id))

    async def _told(self) -> None:
        """Wait until the end is on file, unless the disk hangs."""
        try:
            async with asyncio.timeout(RECORD_S):
                await self.hub.told()
        except TimeoutError:
            log.error("the end of session %s waits for the journal", self.id)

    def _fail(self, message: str) -> str:
        """Tell that the session fails; the turns in flight fail with it. Gives the reason."""
        detail = EngineFailed(message).detail()
        self.hub.publish(wire.ErrorEvent(error=detail))
        self.questions.end_all("failed", detail)
        return f"error: {message}"

    # --- Settings ---

    async def configure(self, patch: wire.SessionPatch) -> wire.Session:
        """Change settings; when it returns they are on file. Raises SessionOver, SettingInvalid."""
        instruction = patch.instruction
        if "instruction" in patch.model_fields_set:
            instruction = instruction or ""  # null takes it away
        changes = patch.retention, patch.selector, instruction, patch.slots
        job = Configure(self.id, *changes)
        try:
            self.progress.holds(await self._request(job))
        except SettingInvalid as error:
            raise named(error, patch) from error
        self.settings = self.settings.changed(*changes)
        self._tell_updated()
        await self.hub.told()
        return self.describe()

    def describe(self) -> wire.Session:
        """The session as it is now."""
        return wire.Session(
            id=self.id,
            room=self._origin.room,
            state=self._dialogue.state,
            reason=self._dialogue.end_reason,
            created_at=self._origin.created_at,
            clock_s=self._intake.now(),
            has_video=self._media.has_video,
            has_audio=self._media.has_audio,
            instruction=self.settings.instruction,
            retention=self.settings.retention,
            selector=self.settings.selector,
            memory=self.progress.memory,
            windows=self.progress.windows,
            skipped=self.progress.skipped,
            behind_windows=self._worker.behind(self.id),
            overload=self.progress.level,
            answering=len(self._dialogue.turns),
        )

    async def _request(self, job: Open | Configure | Watch) -> MemoryState:
        """Post a control job and wait for what the engine says to it."""
        if self.ended:
            raise over(self._dialogue.end_reason)
        return await self._requests.post(job)

    # --- What the engine reports ---

    def on_report(self, report: reports.Report) -> None:
        """Take a report of the engine thread, on the event loop's thread."""
        if self.ended or self.attendant.on_report(report):
            return
        match report:
            case reports.Opened() | reports.Configured() | reports.Refused():
                self._requests.on_report(report)
            case reports.Failed():
                self.stop(self._fail(report.message))
            case reports.TurnBegun() | reports.TurnSaid() | reports.TurnEnded():
                self.questions.on_report(report, self.progress.newest_frame_s)
            case reports.Settled():
                self._leaving.on_report(report)
            case reports.WindowDone() | reports.WindowSkipped() | reports.LevelChanged():
                self.progress.on_report(report)

    def _tell_updated(self) -> None:
        self._publish(wire.SessionUpdated(session=self.describe()))

    def _publish(self, event: wire.Event) -> None:
        """Tell an event that changes how the session is described in the journal."""
        save = partial(records.save, session=self.describe(), settings=self.settings.patch)
        self.hub.publish(event, also=save)


def named(error: SettingInvalid, patch: wire.SessionPatch) -> SettingInvalid:
    """The engine's refusal with the setting that it is about, where only one can be meant."""
    match patch.selector, patch.instruction, patch.slots:
        case str(), None, None:
            return SettingInvalid(str(error), param="selector")
        case None, None, int():
            return SettingInvalid(str(error), param="slots")
        case None, str(), None:
            return SettingInvalid(f"the instruction is too long: {error}", param="instruction")
    return error
