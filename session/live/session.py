"""One live session: windows to the engine, questions in, answers and events out."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from session import wire
from session.config import Limits, Settings
from session.engine import reports, views
from session.engine.schedule import Ask, Cancel, Close, Configure, Open, Watch
from session.engine.worker import Worker
from session.errors import (
    AnswerUnknown,
    EngineFailed,
    NothingSeen,
    QuestionEmpty,
    QuestionTooLong,
    ServiceError,
    SessionOver,
    SettingInvalid,
)
from session.journal import records
from session.journal.events import Hub
from session.journal.shelf import Shelf
from session.live.attendant import Attendant
from session.live.intake import Intake, Media, raw_window, waiting
from session.live.pace import Pace
from session.live.turn import Dialogue, Turn
from session.notes import recall
from sieve.tokens import WINDOW_S, MemoryState

log = logging.getLogger(__name__)

FAREWELL_S = 1.0  # for a companion to tell of the end
RECORD_S = 5.0  # for the journal to take down the end
ENDINGS = {
    "remote": "the sender left",
    "timeout": "the sender did not connect",
    "silent": "the sender fell silent",
    "failed": "the connection failed",
}

AnswerEvent = wire.AnswerStarted | wire.AnswerDelta | wire.AnswerDone


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session comes from. One that is opened again has a past: its clock goes on at
    `begins_s`, a multiple of a window, and `history` are its newest turns, oldest first."""

    id: str
    room: str
    created_at: float  # Unix seconds
    begins_s: float = 0.0
    history: tuple[tuple[str, str], ...] = ()
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of a service have in common."""

    worker: Worker
    shelf: Shelf
    limits: Limits
    pace: Pace
    now: Callable[[], float] = time.monotonic  # seconds


class Companion(Protocol):
    """Speaks for the session on a channel of its own; ends by itself when the session has."""

    @property
    def heard(self) -> bool:
        """Whether somebody listens on the channel."""
        ...

    async def run(self) -> None: ...


class Answering:
    """An answer as it is written. It holds at most one event a token and needs no other bound."""

    def __init__(self, turn: Turn) -> None:
        self.id = turn.id
        self._events: asyncio.Queue[AnswerEvent] = asyncio.Queue()

    def put(self, event: AnswerEvent) -> None:
        self._events.put_nowait(event)

    async def __aiter__(self) -> AsyncIterator[AnswerEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, wire.AnswerDone):
                return

    async def done(self) -> wire.Answer:
        """The whole answer, whatever its status."""
        while not isinstance(event := await self._events.get(), wire.AnswerDone):
            pass
        return event.answer


class LiveSession:
    """A session from its offer to its end. All of it on the event loop's thread."""

    def __init__(
        self,
        *,
        origin: Origin,
        hub: Hub,
        media: Media,
        settings: Settings,
        shared: Shared,
    ) -> None:
        self.id = origin.id
        self.hub = hub
        self.windows = self.skipped = 0
        self.level: wire.OverloadLevel = "none"
        self._origin = origin
        self._media = media
        self._intake = Intake(
            media, fps=settings.fps, take=self._take_windows, begins_s=origin.begins_s
        )
        self._worker = worker = shared.worker
        self.settings = settings
        self._limits = limits = shared.limits
        self._pace = shared.pace
        self._now = shared.now
        self._dialogue = Dialogue(
            in_flight=limits.questions_in_flight,
            history=settings.history_turns,
            past=origin.history,
        )
        self.attendant = Attendant(
            self.id,
            worker,
            post=self._request,
            tell=hub.publish,
            shelf=shared.shelf,
        )
        self._memory = views.NO_MEMORY
        self._newest_frame_s: float | None = None  # in the memory
        self._answering: dict[str, Answering] = {}
        self._replies: deque[asyncio.Future[MemoryState]] = deque()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    # --- Life ---

    @property
    def ended(self) -> bool:
        return self._dialogue.state == "ended"

    async def open(self) -> None:
        """Take a row of the engine. Raises SettingInvalid with the engine's reason."""
        settings = self.settings
        job = Open(
            self.id, settings.retention, settings.selector, settings.instruction, settings.slots
        )
        self._memory = views.memory(await self._request(job))
        self.hub.open()
        self.hub.tap = self._hear
        kind = wire.SessionReopened if self._origin.reopened else wire.SessionCreated
        self._publish(kind(session=self.describe()))
        if self._origin.reopened:
            await self.attendant.restore()

    async def run(self, talk: Companion) -> None:
        """Stream until the sender leaves or `stop` is called; `talk` lives as long as it does."""
        reason = "the service stopped"
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

    def stop(self, reason: str) -> None:
        """End the session soon; the first reason stays."""
        if not self._over.done():
            self._over.set_result(reason)

    async def _stream(self, talk: Companion) -> str:
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(self._guarded(talk.run))
            parts = (self._guarded(self._pump), self._guarded(self._intake.tick))
            tasks = [group.create_task(part) for part in parts]
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
        self.stop(ENDINGS.get(why, why))

    def _take_windows(self) -> None:
        """Hand closed windows to the engine."""
        if self._intake.started and self._dialogue.go_live():
            self._tell_updated()
        for window in self._intake.closed():
            raw = raw_window(window)
            if raw is None:
                self._skip(window.index, window.start_s, window.end_s, "nothing came in it")
            else:
                self._worker.window(self.id, waiting(window, raw, self._now()))

    def _finish(self, reason: str) -> None:
        """Give everything back and tell everyone, once. Nothing of the session happens after it."""
        if self.ended:
            return
        for turn in self._dialogue.turns:
            self._end_turn(turn.id, "cancelled")
        self.attendant.finish(self._intake.now())
        self._give_back(reason)
        self._publish(wire.SessionClosed(session=self.id, reason=reason))
        self.hub.close()

    def _give_back(self, reason: str) -> None:
        self._dialogue.end(reason)
        while self._replies:
            self._reply(SessionOver(f"the session has ended ({reason})"))
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
        for turn in self._dialogue.turns:
            self._end_turn(turn.id, "failed", detail)
        return f"error: {message}"

    # --- Questions and settings ---

    def ask(
        self,
        request: wire.AskRequest,
        holder: str | None = None,
        notes: Sequence[wire.Note] | None = None,
    ) -> Answering:
        """Put a question, for the holder of a token, to be answered from `notes` where there are
        any. Raises QuestionEmpty, QuestionTooLong, NothingSeen, SessionOver, TooManyQuestions."""
        question = self._checked(request.question)
        self._pace.take(f"session {self.id}", *([f"token {holder}"] if holder else []))
        self._take_windows()
        window = self._intake.open_window()
        if missing := self._intake.lacks(window):
            raise NothingSeen(f"nothing has been seen yet: the first {missing} has not come")
        turn = Turn(
            id=new_id("ans"),
            question=question,
            asked_at=time.time(),
            asked_s=self._intake.now(),
            received=self._now(),
            remembered=request.conversation == "auto",
            newest_frame_s=window.newest_frame_s if window else None,
        )
        self._dialogue.ask(turn)
        answering = self._answering[turn.id] = Answering(turn)
        started = wire.AnswerStarted(id=turn.id, question=question, asked_s=turn.asked_s)
        self.hub.publish(started, also=partial(records.ask, asked=self._asked(turn)))
        if notes is not None:
            self._recall(turn, notes, request.max_tokens)
            return answering
        self._worker.ask(
            Ask(
                session=self.id,
                turn=turn.id,
                question=question,
                history=self._dialogue.history if turn.remembered else (),
                open_window=raw_window(window) if window else None,
                max_tokens=request.max_tokens,
            )
        )
        return answering

    def _recall(self, turn: Turn, notes: Sequence[wire.Note], max_tokens: int) -> None:
        """Answer from notes: a model that can read is given them, for the other they are read
        out."""
        turn.notes = tuple(notes)
        if self.settings.reads_notes and notes:
            turn.pieces.append(recall.CAUTION)
            self.hub.tell(wire.AnswerDelta(id=turn.id, delta=recall.CAUTION))
            question = recall.given(notes, turn.question)
            self._worker.ask(Ask(self.id, turn.id, question, (), None, max_tokens))
            return
        text = recall.told(notes)
        turn.say(text, self._now())
        self.hub.tell(wire.AnswerDelta(id=turn.id, delta=text))
        self._end_turn(turn.id, "completed")

    def cancel(self, turn_id: str) -> None:
        """Stop an answer within one step; it ends as `cancelled`. Raises AnswerUnknown."""
        if self._dialogue.find(turn_id) is None:
            raise AnswerUnknown(f"no answer {turn_id} is being written")
        self._worker.control(Cancel(self.id, turn_id))

    def forget(self, answering: Answering) -> None:
        """Whoever asked does not listen any more: an answer still being written is cancelled."""
        if self._dialogue.find(answering.id) is not None:
            self.cancel(answering.id)

    async def configure(self, patch: wire.SessionPatch) -> wire.Session:
        """Change settings. Raises SessionOver, SettingInvalid."""
        instruction = patch.instruction
        if "instruction" in patch.model_fields_set:
            instruction = instruction or ""  # null takes it away
        changes = patch.retention, patch.selector, instruction, patch.slots
        job = Configure(self.id, *changes)
        try:
            self._memory = views.memory(await self._request(job))
        except SettingInvalid as error:
            raise named(error, patch) from error
        self.settings = self.settings.changed(*changes)
        self._tell_updated()
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
            memory=self._memory,
            windows=self.windows,
            skipped=self.skipped,
            behind_windows=self._worker.behind(self.id),
            overload=self.level,
            answering=len(self._dialogue.turns),
        )

    def _checked(self, question: str) -> str:
        question = question.strip()
        if not any(character.isprintable() for character in question):
            raise QuestionEmpty("a question must hold some text", param="question")
        limit = self._limits.question_chars
        if len(question) > limit:
            raise QuestionTooLong(
                f"a question holds at most {limit} characters, not {len(question)}",
                param="question",
            )
        return question

    async def _request(self, job: Open | Configure | Watch) -> MemoryState:
        """Post a control job and wait for what the engine says to it."""
        if self.ended:
            raise SessionOver(f"the session has ended ({self._dialogue.end_reason})")
        reply: asyncio.Future[MemoryState] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        self._worker.control(job)
        return await reply

    # --- What the engine reports ---

    def on_report(self, report: reports.Report) -> None:
        """Take a report of the engine thread, on the event loop's thread."""
        if self.ended or self.attendant.on_report(report):
            return
        match report:
            case reports.Opened() | reports.Configured():
                self._reply(report.memory)
            case reports.Refused():
                self._reply(SettingInvalid(report.message))
            case reports.Failed():
                self.stop(self._fail(report.message))
            case reports.TurnBegun() | reports.TurnSaid() | reports.TurnEnded():
                self._on_turn(report)
            case reports.WindowDone() | reports.WindowSkipped() | reports.LevelChanged():
                self._on_window(report)

    def _on_turn(self, report: reports.TurnReport) -> None:
        match report:
            case reports.TurnBegun():
                self._dialogue.begin(report.turn, report.begun, self._newest_frame_s)
            case reports.TurnSaid():
                self._say(report)
            case reports.TurnEnded():
                self._end_turn(report.turn, report.status, detail_of(report))

    def _on_window(self, report: reports.WindowReport) -> None:
        match report:
            case reports.WindowDone():
                self._ingested(report)
            case reports.WindowSkipped(waiting=lost):
                end_s = lost.window.start_s + WINDOW_S
                self._skip(lost.index, lost.window.start_s, end_s, "the engine is overloaded")
            case reports.LevelChanged():
                self._level_changed(report)

    def _reply(self, result: MemoryState | ServiceError) -> None:
        reply = self._replies.popleft()
        if reply.done():  # whoever asked has gone
            return
        if isinstance(result, ServiceError):
            reply.set_exception(result)
        else:
            reply.set_result(result)

    def _ingested(self, report: reports.WindowDone) -> None:
        event = views.window_ingested(report)
        self.windows += 1
        self._memory = event.memory
        self._newest_frame_s = event.newest_frame_s or self._newest_frame_s
        self._publish(event)

    def _skip(self, index: int, start_s: float, end_s: float, reason: str) -> None:
        self.skipped += 1
        self.hub.publish(
            wire.WindowSkipped(index=index, start_s=start_s, end_s=end_s, reason=reason)
        )

    def _level_changed(self, report: reports.LevelChanged) -> None:
        self.level = report.level
        calm = "the engine keeps up again" if report.level == "none" else "the engine is behind"
        self.hub.publish(
            wire.Overload(level=report.level, reason=calm, behind_windows=report.behind)
        )

    def _say(self, report: reports.TurnSaid) -> None:
        if self._dialogue.say(report.turn, report.text, self._now()) and report.text:
            self.hub.tell(wire.AnswerDelta(id=report.turn, delta=report.text))

    def _end_turn(
        self, turn_id: str, status: wire.AnswerStatus, error: wire.ErrorDetail | None = None
    ) -> None:
        turn = self._dialogue.finish(turn_id, status)
        if turn is None:
            return
        grid_s = 2 / self.settings.fps
        answer = views.answer(self.id, turn, status, now=self._now(), grid_s=grid_s, error=error)
        self.hub.publish(wire.AnswerDone(answer=answer), also=partial(records.answer, given=answer))

    def _hear(self, event: wire.Event) -> None:
        """What has been told to all goes to whoever asked, too."""
        match event:
            case wire.AnswerStarted() | wire.AnswerDelta():
                self._answering[event.id].put(event)
            case wire.AnswerDone():
                self._answering.pop(event.answer.id).put(event)
            case _:
                pass

    def _asked(self, turn: Turn) -> records.Asked:
        return records.Asked(
            turn.id, self.id, turn.asked_at, turn.asked_s, turn.question, turn.remembered
        )

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


def detail_of(report: reports.TurnEnded) -> wire.ErrorDetail | None:
    if report.error is None:
        return None
    return wire.ErrorDetail(type=report.kind or "engine_failed", message=report.error)


def new_id(prefix: str) -> str:
    """An identifier nobody can guess, 128 bits."""
    return f"{prefix}_{secrets.token_urlsafe(16)}"
