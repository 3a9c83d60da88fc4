"""What jobs do to the engine: a row of it for each session. All of it on the engine's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from session import wire
from session.engine import reports
from session.engine.jobs import (
    Advance,
    Ask,
    Cancel,
    Close,
    Configure,
    Control,
    Due,
    Ingest,
    Job,
    Judge,
    Open,
    Settle,
    Watch,
)
from session.engine.mailbox import Mailbox
from session.engine.protocol import EngineLike
from sieve import RowConfig
from sieve.errors import QuestionTooLong, SieveError
from sieve.prompt import DEFAULT_INSTRUCTION
from sieve.tokens import Begun

log = logging.getLogger(__name__)


class EngineBroken(Exception):
    """The engine's state is not sound after an error; nothing it says can be trusted."""


@dataclass(slots=True)
class Row:
    """A session's row in the engine: the retention it chose and the one in force, its branches."""

    number: int
    chosen: float
    in_force: float
    branches: dict[str, int] = field(default_factory=dict)  # turn -> branch


class Rows:
    """The rows of all sessions. What happens to them is delivered as reports."""

    def __init__(
        self,
        engine: EngineLike,
        *,
        retention: float,
        mailbox: Mailbox,
        deliver: Callable[[reports.Report], None],
        now: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._retention = retention
        self._mailbox = mailbox
        self._deliver = deliver
        self._now = now
        self._rows: dict[str, Row] = {}

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(self._rows)

    def do(self, job: Job) -> None:
        """Run a job; an error in it ends its session alone. Raises EngineBroken."""
        if isinstance(job, Judge):
            self._judge(job)
            return
        try:
            self._dispatch(job)
        except Exception as error:
            log.exception("session %s fails", job.session)
            self._fail(job.session, error)

    def close(self) -> None:
        """Give all rows back."""
        for session in self.sessions:
            self._close(session)

    def _dispatch(self, job: Control | Ask | Ingest | Settle | Advance) -> None:
        if isinstance(job, Open):
            self._open(job)
        elif isinstance(job, Close):
            self._close(job.session)
        elif row := self._rows.get(job.session):  # it may have been closed while the job waited
            self._serve(row, job)

    def _serve(
        self, row: Row, job: Configure | Watch | Cancel | Ask | Ingest | Settle | Advance
    ) -> None:
        match job:
            case Configure():
                self._configure(row, job)
            case Watch():
                self._watch(row, job)
            case Cancel():
                self._cancel(row, job)
            case Ask():
                self._ask(row, job)
            case Ingest():
                self._ingest(row, job)
            case Settle():
                self._deliver(reports.Settled(job.session))
            case Advance():
                self._step(row, job.session, job.turn)

    # --- Rows ---

    def _open(self, job: Open) -> None:
        retention = job.retention or self._retention
        config = RowConfig(
            retention=retention,
            selector=job.selector,
            instruction=job.instruction,
            slots=job.slots,
        )
        try:
            number = self._engine.open(config)
        except SieveError as error:
            self._drop(job.session)
            self._deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        self._rows[job.session] = Row(number, retention, retention)
        self._deliver(reports.Opened(job.session, self._engine.memory(number)))

    def _configure(self, row: Row, job: Configure) -> None:
        try:
            self._engine.configure(
                row.number,
                retention=job.retention,
                selector=job.selector,
                instruction=DEFAULT_INSTRUCTION if job.instruction == "" else job.instruction,
                slots=job.slots,
            )
        except SieveError as error:
            self._deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        if job.retention is not None:
            row.chosen = row.in_force = job.retention
        self._deliver(reports.Configured(job.session, self._engine.memory(row.number)))

    def _close(self, session: str) -> None:
        row = self._rows.pop(session, None)
        if row is not None:
            self._engine.close(row.number)

    def _fail(self, session: str, error: Exception) -> None:
        """End one session after an error in it. Raises EngineBroken when that is not enough."""
        self._drop(session)
        self._deliver(reports.Failed(session, f"{type(error).__name__}: {error}"))
        self._close(session)
        if not self._engine.check_integrity():
            raise EngineBroken("the engine's memory is not sound") from error

    def _drop(self, session: str) -> None:
        with self._mailbox.schedule() as schedule:
            schedule.drop(session)

    # --- Windows ---

    def _ingest(self, row: Row, job: Ingest) -> None:
        self._apply_overload(row, job.session)
        started = self._now()
        result = self._engine.ingest(row.number, job.waiting.window)
        took_s = self._now() - started
        with self._mailbox.schedule() as schedule:
            schedule.ingested(job.session)
            behind = schedule.behind(job.session)
            overtaken = schedule.judge(job.session, job.waiting)
        if overtaken:
            self._not_judged(overtaken, "the next window came first")
        self._deliver(
            reports.WindowDone(job.session, job.waiting, result, row.in_force, took_s, behind)
        )

    def _apply_overload(self, row: Row, session: str) -> None:
        """Bring the engine's retention to what the session's level of overload asks for."""
        with self._mailbox.schedule() as schedule:
            backlog = schedule.backlog(session)
        wanted = backlog.retention(row.chosen) if backlog else row.chosen
        if wanted != row.in_force:
            self._engine.configure(row.number, retention=wanted)
            row.in_force = wanted

    # --- Standing queries ---

    def _watch(self, row: Row, job: Watch) -> None:
        """Take standing queries, having judged them once: what cannot be is refused."""
        try:
            self._engine.judge([(row.number, query) for _, query in job.questions])
        except SieveError as error:
            self._deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        with self._mailbox.schedule() as schedule:
            schedule.watch(job.session, job.questions)
        self._deliver(reports.Configured(job.session, self._engine.memory(row.number)))

    def _judge(self, job: Judge) -> None:
        """All sessions in one pass; where that fails, each in its own, so that one alone fails."""
        now = self._now()
        for late in (due for due in job.due if due.by < now):
            self._not_judged(late, "the engine is behind")
        due = [one for one in job.due if one.by >= now and one.session in self._rows]
        try:
            self._judge_together(due)
        except Exception:
            log.exception("standing queries are judged one session at a time")
            for one in due:
                self._judge_alone(one)

    def _judge_alone(self, due: Due) -> None:
        try:
            self._judge_together([due])
        except Exception as error:
            self._fail(due.session, error)

    def _judge_together(self, due: Sequence[Due]) -> None:
        started = self._now()
        asked = [(self._rows[d.session].number, query) for d in due for _, query in d.questions]
        found = iter(self._engine.judge(asked))
        took_s = self._now() - started
        for one in due:
            verdicts = {watch: next(found) for watch, _ in one.questions}
            self._deliver(reports.Judged(one.session, one.index, verdicts, took_s))

    def _not_judged(self, due: Due, reason: str) -> None:
        self._deliver(reports.NotJudged(due.session, due.index, due.start_s, reason))

    # --- Questions ---

    def _ask(self, row: Row, job: Ask) -> None:
        """Begin a question and take its first step at once: that is the first token."""
        try:
            begun = self._begin(row, job)
        except SieveError as error:
            self._end(job.session, job.turn, "failed", kind_of(error), str(error))
            return
        row.branches[job.turn] = begun.branch
        with self._mailbox.schedule() as schedule:
            schedule.began(job.session, job.turn)
        self._deliver(reports.TurnBegun(job.session, job.turn, begun))
        self._step(row, job.session, job.turn)

    def _begin(self, row: Row, job: Ask) -> Begun:
        """Where question and history are too long together, the oldest turns are left out."""
        for left_out in range(len(job.history) + 1):
            try:
                return self._engine.ask(
                    row.number,
                    job.question,
                    history=job.history[left_out:],
                    open_window=job.open_window,
                    max_tokens=job.max_tokens,
                )
            except QuestionTooLong:
                if left_out == len(job.history):
                    raise
        raise AssertionError("the loop returns or raises")

    def _step(self, row: Row, session: str, turn: str) -> None:
        step = self._engine.step(row.branches[turn])
        self._deliver(reports.TurnSaid(session, turn, step.text))
        if step.done:
            del row.branches[turn]
            self._end(session, turn, "truncated" if step.reason == "length" else "completed")

    def _cancel(self, row: Row, job: Cancel) -> None:
        """What has ended already, ends once."""
        branch = row.branches.pop(job.turn, None)
        if branch is not None:
            self._engine.cancel(branch)
        with self._mailbox.schedule() as schedule:
            ends = schedule.ended(job.session, job.turn)
        if ends:
            self._deliver(reports.TurnEnded(job.session, job.turn, "cancelled"))

    def _end(
        self,
        session: str,
        turn: str,
        status: wire.AnswerStatus,
        kind: str | None = None,
        error: str | None = None,
    ) -> None:
        with self._mailbox.schedule() as schedule:
            schedule.ended(session, turn)
        self._deliver(reports.TurnEnded(session, turn, status, kind, error))


def kind_of(error: SieveError) -> str:
    """The error's class as clients read it: QuestionTooLong -> question_too_long."""
    name = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
