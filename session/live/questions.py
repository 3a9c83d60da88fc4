"""What is asked in one session: questions to the engine, its tokens to those who listen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from session import wire
from session.config import Settings
from session.engine import reports
from session.engine.jobs import Ask, Cancel
from session.errors import AnswerUnknown, NothingSeen, QuestionEmpty, QuestionTooLong
from session.ids import new_id
from session.journal import records
from session.journal.events import Hub
from session.live.answering import Answering, answer_of, publish_done, publish_started
from session.live.intake import Intake, raw_window
from session.live.origin import Shared
from session.live.turn import Dialogue, Turn
from session.notes import recall
from stream.window import Window


class Questions:
    """The questions of one session, each a turn of its dialogue."""

    def __init__(
        self,
        session: str,
        dialogue: Dialogue,
        *,
        intake: Intake,
        hub: Hub,
        settings: Settings,
        shared: Shared,
    ) -> None:
        self._session = session
        self._dialogue = dialogue
        self._intake = intake
        self._hub = hub
        self._reads_notes = settings.reads_notes
        self._grid_s = 2 / settings.fps  # a grid is a pair of frames
        self._worker, self._paces, self._now = shared.worker, shared.paces, shared.now
        self._journal = shared.shelf.journal
        self._most_characters = shared.limits.question_chars
        self._answering: dict[str, Answering] = {}

    def ask(
        self,
        request: wire.AskRequest,
        holder: str | None = None,
        notes: Sequence[wire.Note] | None = None,
    ) -> Answering:
        """Put a question, for the holder of a token, to be answered from `notes` where there are
        any. Raises QuestionEmpty, QuestionTooLong, NothingSeen, SessionOver, TooManyQuestions."""
        question = checked(request.question, self._most_characters)
        self._paces.take("questions", self._session, holder)
        self._intake.take()  # what has closed goes before the question
        window = self._intake.open_window()
        if missing := self._intake.lacks(window):
            raise NothingSeen(f"nothing has been seen yet: the first {missing} has not come")
        turn = self._turn(question, window, remembered=request.conversation == "auto")
        answering = self._begin(turn)
        if notes is None:
            self._look(turn, window, request.max_tokens)
        else:
            self._recall(turn, notes, request.max_tokens)
        return answering

    def cancel(self, turn_id: str) -> None:
        """Stop an answer within one step; it ends as `cancelled`. Raises AnswerUnknown."""
        if self._dialogue.find(turn_id) is None:
            raise AnswerUnknown(f"no answer {turn_id} is being written")
        self._worker.control(Cancel(self._session, turn_id))

    def forget(self, answering: Answering) -> None:
        """Whoever asked does not listen any more: an answer still being written is cancelled."""
        if self._dialogue.find(answering.id) is not None:
            self.cancel(answering.id)

    async def unremember(self, turn_id: str) -> None:
        """Later questions are not read with it, nor when the session is opened again; the answer
        stays on record. Raises JournalBehind, JournalFailed."""
        await self._journal.do(partial(records.unremember, answer=turn_id))
        self._dialogue.unremember(turn_id)

    def end_all(self, status: wire.AnswerStatus, error: wire.ErrorDetail | None = None) -> None:
        """End the questions in flight."""
        for turn in self._dialogue.turns:
            self._end(turn.id, status, error)

    # --- Asking ---

    def _turn(self, question: str, window: Window | None, *, remembered: bool) -> Turn:
        return Turn(
            id=new_id("ans"),
            question=question,
            asked_at=time.time(),
            asked_s=self._intake.now(),
            received=self._now(),
            remembered=remembered,
            newest_frame_s=window.newest_frame_s if window else None,
        )

    def _begin(self, turn: Turn) -> Answering:
        """Take the question in, write it down and tell of it. Raises as `Dialogue.ask`."""
        self._dialogue.ask(turn)
        answering = self._answering[turn.id] = Answering(turn)
        publish_started(self._hub, self._session, turn)
        return answering

    def _look(self, turn: Turn, window: Window | None, max_tokens: int) -> None:
        """Answer from the memory and the open window."""
        history = self._dialogue.history if turn.remembered else ()
        raw = raw_window(window) if window else None
        self._worker.ask(Ask(self._session, turn.id, turn.question, history, raw, max_tokens))

    def _recall(self, turn: Turn, notes: Sequence[wire.Note], max_tokens: int) -> None:
        """Answer from notes: a model that can read is given them, for the other they are read
        out."""
        turn.notes = tuple(notes)
        if self._reads_notes and notes:
            turn.pieces.append(recall.CAUTION)
            self._hub.tell(wire.AnswerDelta(id=turn.id, delta=recall.CAUTION))
            question = recall.given(notes, turn.question)
            self._worker.ask(Ask(self._session, turn.id, question, (), None, max_tokens))
            return
        text = recall.told(notes)
        turn.say(text, self._now())
        self._hub.tell(wire.AnswerDelta(id=turn.id, delta=text))
        self._end(turn.id, "completed")

    # --- What is said ---

    def on_report(self, report: reports.TurnReport, newest_frame_s: float | None) -> None:
        """`newest_frame_s` is that of the memory."""
        match report:
            case reports.TurnBegun():
                self._dialogue.begin(report.turn, report.begun, newest_frame_s)
            case reports.TurnSaid():
                self._say(report)
            case reports.TurnEnded():
                self._end(report.turn, report.status, detail_of(report))

    def hear(self, event: wire.Event) -> None:
        """What has been told to all goes to whoever asked, too; not what was asked before the
        session was opened again."""
        match event:
            case wire.AnswerStarted() | wire.AnswerDelta():
                answering = self._answering.get(event.id)
            case wire.AnswerDone():
                answering = self._answering.pop(event.answer.id, None)
            case _:
                return
        if answering is not None:
            answering.put(event)

    def _say(self, report: reports.TurnSaid) -> None:
        if self._dialogue.say(report.turn, report.text, self._now()) and report.text:
            self._hub.tell(wire.AnswerDelta(id=report.turn, delta=report.text))

    def _end(
        self, turn_id: str, status: wire.AnswerStatus, error: wire.ErrorDetail | None = None
    ) -> None:
        turn = self._dialogue.finish(turn_id, status)
        if turn is None:
            return
        answer = answer_of(
            self._session, turn, status, now=self._now(), grid_s=self._grid_s, error=error
        )
        publish_done(self._hub, answer)


def checked(question: str, most_characters: int) -> str:
    """The question as it is put. Raises QuestionEmpty, QuestionTooLong."""
    question = question.strip()
    if not any(character.isprintable() for character in question):
        raise QuestionEmpty("a question must hold some text", param="question")
    if len(question) > most_characters:
        raise QuestionTooLong(
            f"a question holds at most {most_characters} characters, not {len(question)}",
            param="question",
        )
    return question


def detail_of(report: reports.TurnEnded) -> wire.ErrorDetail | None:
    if report.error is None:
        return None
    return wire.ErrorDetail(type=report.kind or "engine_failed", message=report.error)
