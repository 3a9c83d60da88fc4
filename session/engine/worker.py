"""The one thread that owns the engine, and the mailbox in front of it.

Any thread posts; the engine thread takes one job at a time from the schedule and delivers reports.
What waits is bounded: windows by `overload.MAX_BEHIND` a session, questions by the session's own
limit, control jobs by the number of sessions. An error in one session ends that session. Only an
engine that is no longer sound ends the thread; `alive` is then false and every session has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from session import wire
from session.engine import reports
from session.engine.overload import Waiting
from session.engine.schedule import (
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
    Schedule,
    Watch,
)
from sieve import RowConfig
from sieve.errors import QuestionTooLong, SieveError
from sieve.prompt import DEFAULT_INSTRUCTION
from sieve.tokens import Begun, Ingested, MemoryState, RawWindow, Step
from sieve.verdict import Verdict

log = logging.getLogger(__name__)


class EngineLike(Protocol):
    """What the worker needs of `sieve.Engine`: synchronous, used by one thread."""

    def open(self, config: RowConfig) -> int: ...

    def configure(
        self,
        row: int,
        *,
        retention: float | None = None,
        selector: str | None = None,
        instruction: str | None = None,
        slots: int | None = None,
    ) -> None: ...

    def ingest(self, row: int, window: RawWindow) -> Ingested: ...

    def ask(
        self,
        row: int,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        open_window: RawWindow | None = None,
        max_tokens: int = 64,
    ) -> Begun: ...

    def judge(self, asked: Sequence[tuple[int, str]]) -> list[Verdict]: ...

    def step(self, branch: int) -> Step: ...

    def cancel(self, branch: int) -> None: ...

    def close(self, row: int) -> None: ...

    def memory(self, row: int) -> MemoryState: ...

    def check_integrity(self) -> bool: ...


class EngineBroken(Exception):
    """The engine's state is not sound after an error; nothing it says can be trusted."""


@dataclass(slots=True)
class Row:
    """A session's row in the engine: the retention it chose and the one in force, its branches."""

    number: int
    chosen: float
    in_force: float
    branches: dict[str, int] = field(default_factory=dict)  # turn -> branch


class Worker:
    """Takes jobs from any thread and runs them on one. `deliver` is called on the engine thread."""

    def __init__(
        self,
        engine: EngineLike,
        *,
        retention: float,
        max_branches: int,
        deliver: Callable[[reports.Report], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._retention = retention
        self.deliver = deliver
        self._now = now
        self._schedule = Schedule(max_branches)
        self._rows: dict[str, Row] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # --- Any thread ---

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the thread after the job in hand; what still waits is dropped."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def control(self, job: Control) -> None:
        with self._wake:
            self._schedule.control(job)
            self._wake.notify()

    def window(self, session: str, waiting: Waiting) -> None:
        """A window closed. What it pushes out, and a change of level, is reported at once."""
        with self._wake:
            arrival = self._schedule.window(session, waiting)
            behind = self.behind(session)
            self._wake.notify()
        if arrival and arrival.skipped:
            self.deliver(reports.WindowSkipped(session, arrival.skipped))
        if arrival and arrival.level:
            self.deliver(reports.LevelChanged(session, arrival.level, behind))

    def ask(self, job: Ask) -> None:
        with self._wake:
            taken = self._schedule.ask(job)
            self._wake.notify()
        if not taken:
            self._end(job.session, job.turn, "failed", "session_ended", "the session has ended")

    def behind(self, session: str) -> int:
        """How many closed windows of a session are not in its memory yet."""
        backlog = self._schedule.backlog(session)
        return backlog.behind if backlog else 0

    # --- The engine thread ---

    def _run(self) -> None:
        try:
            while (job := self._wait()) is not None:
                self._do(job)
            for session in tuple(self._rows):
                self._close(session)
        except Exception:
            log.exception("the engine thread ends")
            for session in tuple(self._rows):
                self.deliver(reports.Failed(session, "the engine has failed"))

    def _wait(self) -> Job | None:
        """The next job; None when the worker stops."""
        with self._wake:
            while not self._stopping:
                if job := self._schedule.take(self._now()):
                    return job
                self._wake.wait()
        return None

    def run_one(self) -> bool:
        """Run the next job on the calling thread; False when there is none. Raises EngineBroken."""
        with self._wake:
            job = self._schedule.take(self._now())
        if job is not None:
            self._do(job)
        return job is not None

    def _do(self, job: Job) -> None:
        if isinstance(job, Judge):
            self._judge(job)
            return
        try:
            self._dispatch(job)
        except Exception as error:
            log.exception("session %s fails", job.session)
            self._fail(job.session, error)

    def _dispatch(self, job: Control | Ask | Ingest | Advance) -> None:
        if isinstance(job, Open):
            self._open(job)
        elif isinstance(job, Close):
            self._close(job.session)
        elif row := self._rows.get(job.session):  # it may have been closed while the job waited
            self._serve(row, job)

    def _serve(self, row: Row, job: Configure | Watch | Cancel | Ask | Ingest | Advance) -> None:
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
            case Advance():
                self._step(row, job.session, job.turn)

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
            self.deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        self._rows[job.session] = Row(number, retention, retention)
        self.deliver(reports.Opened(job.session, self._engine.memory(number)))

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
            self.deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        if job.retention is not None:
            row.chosen = row.in_force = job.retention
        self.deliver(reports.Configured(job.session, self._engine.memory(row.number)))

    def _ingest(self, row: Row, job: Ingest) -> None:
        self._apply_overload(row, job.session)
        started = self._now()
        result = self._engine.ingest(row.number, job.waiting.window)
        took_s = self._now() - started
        with self._wake:
            self._schedule.ingested(job.session)
            behind = self.behind(job.session)
            overtaken = self._schedule.judge(job.session, job.waiting)
        if overtaken:
            self._not_judged(overtaken, "the next window came first")
        self.deliver(
            reports.WindowDone(job.session, job.waiting, result, row.in_force, took_s, behind)
        )

    def _apply_overload(self, row: Row, session: str) -> None:
        """Bring the engine's retention to what the session's level of overload asks for."""
        with self._wake:
            backlog = self._schedule.backlog(session)
        wanted = backlog.retention(row.chosen) if backlog else row.chosen
        if wanted != row.in_force:
            self._engine.configure(row.number, retention=wanted)
            row.in_force = wanted

    def _watch(self, row: Row, job: Watch) -> None:
        """Take standing queries, having judged them once: what cannot be is refused."""
        try:
            self._engine.judge([(row.number, question) for _, question in job.questions])
        except SieveError as error:
            self.deliver(reports.Refused(job.session, kind_of(error), str(error)))
            return
        with self._wake:
            self._schedule.watch(job.session, job.questions)
        self.deliver(reports.Configured(job.session, self._engine.memory(row.number)))

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
        asked = [(self._rows[d.session].number, text) for d in due for _, text in d.questions]
        found = iter(self._engine.judge(asked))
        took_s = self._now() - started
        for one in due:
            verdicts = {watch: next(found) for watch, _ in one.questions}
            self.deliver(reports.Judged(one.session, one.index, verdicts, took_s))

    def _not_judged(self, due: Due, reason: str) -> None:
        self.deliver(reports.NotJudged(due.session, due.index, due.start_s, reason))

    def _ask(self, row: Row, job: Ask) -> None:
        """Begin a question and take its first step at once: that is the first token."""
        try:
            begun = self._begin(row, job)
        except SieveError as error:
            self._end(job.session, job.turn, "failed", kind_of(error), str(error))
            return
        row.branches[job.turn] = begun.branch
        with self._wake:
            self._schedule.began(job.session, job.turn)
        self.deliver(reports.TurnBegun(job.session, job.turn, begun))
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
        self.deliver(reports.TurnSaid(session, turn, step.text))
        if step.done:
            del row.branches[turn]
            self._end(session, turn, "truncated" if step.reason == "length" else "completed")

    def _cancel(self, row: Row, job: Cancel) -> None:
        branch = row.branches.pop(job.turn, None)
        if branch is not None:
            self._engine.cancel(branch)
        self._end(job.session, job.turn, "cancelled")

    def _close(self, session: str) -> None:
        row = self._rows.pop(session, None)
        if row is not None:
            self._engine.close(row.number)

    def _end(
        self,
        session: str,
        turn: str,
        status: wire.AnswerStatus,
        kind: str | None = None,
        error: str | None = None,
    ) -> None:
        with self._wake:
            self._schedule.ended(session, turn)
        self.deliver(reports.TurnEnded(session, turn, status, kind, error))

    def _fail(self, session: str, error: Exception) -> None:
        """End one session after an error in it. Raises EngineBroken when that is not enough."""
        self._drop(session)
        self.deliver(reports.Failed(session, f"{type(error).__name__}: {error}"))
        self._close(session)
        if not self._engine.check_integrity():
            raise EngineBroken("the engine's memory is not sound") from error

    def _drop(self, session: str) -> None:
        with self._wake:
            self._schedule.drop(session)


def kind_of(error: SieveError) -> str:
    """The error's class as clients read it: QuestionTooLong -> question_too_long."""
    name = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
