"""The one thread that owns the engine.

Any thread posts; the engine thread takes one job at a time from the mailbox and delivers reports.
What waits is bounded: windows by `overload.MAX_BEHIND` a session, questions by the session's own
limit, control jobs by the number of sessions. An error in one session ends that session. Only an
engine that is no longer sound ends the thread; `alive` is then false and every session has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from session.engine import reports
from session.engine.jobs import Ask, Control
from session.engine.mailbox import Mailbox
from session.engine.overload import Waiting
from session.engine.protocol import EngineLike
from session.engine.rows import Rows

log = logging.getLogger(__name__)


class Worker:
    """Takes jobs from any thread and runs them on one. `deliver` is called on the engine thread,
    and for what a window pushes out or a question that comes too late on that which posts it."""

    def __init__(
        self,
        engine: EngineLike,
        *,
        retention: float,
        max_branches: int,
        deliver: Callable[[reports.Report], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliver = deliver
        self._mailbox = Mailbox(max_branches, now)
        self._rows = Rows(
            engine, retention=retention, mailbox=self._mailbox, deliver=deliver, now=now
        )
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # --- Any thread ---

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the thread after the job in hand; what still waits is dropped."""
        self._mailbox.close()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def control(self, job: Control) -> None:
        with self._mailbox.schedule() as schedule:
            schedule.control(job)

    def window(self, session: str, waiting: Waiting) -> None:
        """A window closed. What it pushes out, and a change of level, is reported at once."""
        with self._mailbox.schedule() as schedule:
            arrival = schedule.window(session, waiting)
            behind = schedule.behind(session)
        if arrival and arrival.skipped:
            self._deliver(reports.WindowSkipped(session, arrival.skipped))
        if arrival and arrival.level:
            self._deliver(reports.LevelChanged(session, arrival.level, behind))

    def ask(self, job: Ask) -> None:
        with self._mailbox.schedule() as schedule:
            taken = schedule.ask(job)
        if not taken:
            why = "session_ended", "the session has ended"
            self._deliver(reports.TurnEnded(job.session, job.turn, "failed", *why))

    def settle(self, session: str) -> None:
        """`Settled` is reported once the windows so far are done; never where the session ends."""
        with self._mailbox.schedule() as schedule:
            schedule.settle(session)

    def behind(self, session: str) -> int:
        """How many closed windows of a session are not in its memory yet."""
        return self._mailbox.behind(session)

    # --- The engine thread ---

    def _run(self) -> None:
        try:
            while (job := self._mailbox.wait()) is not None:
                self._rows.do(job)
            self._rows.close()
        except Exception:
            log.exception("the engine thread ends")
            for session in self._rows.sessions:
                self._deliver(reports.Failed(session, "the engine has failed"))

    def run_one(self) -> bool:
        """Run the next job on the calling thread; False when there is none. Raises EngineBroken."""
        job = self._mailbox.take()
        if job is not None:
            self._rows.do(job)
        return job is not None
