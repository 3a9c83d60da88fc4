"""Questions that the service itself asks: they have no history, leave none, and are told nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from session.engine import jobs, reports
from session.engine.worker import Worker
from session.ids import new_id

WAITING = 4  # asides of a session that wait for the one being answered; more are not asked
MAX_TOKENS = 64

Then = Callable[[str | None], None]
"""What is done with the answer; None where there is none."""

Ask = Callable[[str, Then], bool]
"""Whether the question is asked; where too many wait it is not, and has no answer at once."""


@dataclass(slots=True)
class Pending:
    """An aside and what of its answer has been said."""

    turn: str
    question: str
    then: Then
    pieces: list[str] = field(default_factory=list)


class Asides:
    """Those of one session, one at a time: what people ask should not wait for them."""

    def __init__(self, session: str, worker: Worker) -> None:
        self._session, self._worker = session, worker
        self._waiting: deque[Pending] = deque()
        self._asked: Pending | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def idle(self) -> bool:
        return self._asked is None and not self._waiting

    async def answered(self) -> None:
        """Waits until nothing is being asked."""
        await self._quiet.wait()

    def ask(self, question: str, then: Then) -> bool:
        """`then` gets the answer, sooner or later; at once, and None, where too many wait and False
        is returned."""
        if len(self._waiting) >= WAITING:
            then(None)
            return False
        self._waiting.append(Pending(new_id("aside"), question, then))
        self._next()
        return True

    def on_report(self, report: reports.TurnReport) -> bool:
        """Whether the report was about an aside."""
        pending = self._asked
        if pending is None or report.turn != pending.turn:
            return False
        match report:
            case reports.TurnSaid():
                pending.pieces.append(report.text)
            case reports.TurnEnded():
                self._asked = None
                said = "".join(pending.pieces).strip()
                whole = report.status in ("completed", "truncated")
                pending.then(said if whole and said else None)
                self._next()
            case reports.TurnBegun():
                pass
        return True

    def close(self) -> None:
        """Ask nothing more; what waits gets no answer."""
        waiting = [self._asked] if self._asked else []
        waiting += self._waiting
        if self._asked:
            self._worker.control(jobs.Cancel(self._session, self._asked.turn))
        self._asked = None
        self._waiting.clear()
        self._quiet.set()
        for pending in waiting:
            pending.then(None)

    def _next(self) -> None:
        if self.idle:
            self._quiet.set()
        elif self._asked is None:
            self._quiet.clear()
            pending = self._asked = self._waiting.popleft()
            self._worker.ask(
                jobs.Ask(self._session, pending.turn, pending.question, (), None, MAX_TOKENS)
            )
