"""What the engine does next. Pure: no thread, no clock of its own, no engine.

The order of the day: control first (open, configure, cancel, close: all short), then questions
that can begin, then one round of decoding steps over all branches, then one window, and again.
So a window waits for one round at most and a step for one window at most: neither starves. When
the oldest window has used up half of its time, only one step goes between two windows.

Standing queries are judged when no window waits, those of all sessions together. A session whose
next window is ingested before that is judged after that one only: its queries never delay a window.

Who waits for all windows of a session is told as soon as none of them is left, nor to be judged.

A question begins after every window of its session that was closed when it was asked: those go
before the windows of other sessions, oldest first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from session.engine.jobs import (
    Advance,
    Ask,
    Close,
    Control,
    Due,
    Ingest,
    Job,
    Judge,
    Open,
    Settle,
)
from session.engine.overload import Arrival, Backlog, Waiting
from sieve.tokens import WINDOW_S, Query

URGENT_S = WINDOW_S / 2
JUDGED_WITHIN_S = 2 * WINDOW_S  # from a window's end; later its verdict would be stale


@dataclass(slots=True)
class Lane:
    """What one session wants from the engine."""

    backlog: Backlog = field(default_factory=Backlog)
    asks: deque[Ask] = field(default_factory=deque)
    decoding: int = 0
    questions: tuple[tuple[str, Query], ...] = ()
    due: Due | None = None
    awaited: bool = False  # somebody waits for its windows to be done

    def ready(self) -> bool:
        """Whether its next question has nothing to wait for."""
        oldest = self.backlog.oldest
        return bool(self.asks) and (oldest is None or oldest.index > self.asks[0].after_index)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do about its windows."""
        return not self.backlog.behind and self.due is None


class Schedule:
    """Everything that waits for the engine, and the rule by which it is taken."""

    def __init__(self, max_branches: int) -> None:
        self._max_branches = max_branches
        self._control: deque[Control] = deque()
        self._lanes: dict[str, Lane] = {}
        self._branches: deque[Advance] = deque()  # in the order of their turns
        self._steps_left = 0  # of the round between two windows

    def __len__(self) -> int:
        """How many jobs wait; a branch counts as one."""
        waiting = sum(len(lane.asks) + lane.backlog.behind for lane in self._lanes.values())
        return len(self._control) + waiting + len(self._branches)

    def backlog(self, session: str) -> Backlog | None:
        lane = self._lanes.get(session)
        return lane.backlog if lane else None

    def behind(self, session: str) -> int:
        """How many closed windows of a session are not in its memory yet."""
        lane = self._lanes.get(session)
        return lane.backlog.behind if lane else 0

    # --- Putting in ---

    def control(self, job: Control) -> None:
        if isinstance(job, Open):
            self._lanes[job.session] = Lane()
        elif isinstance(job, Close):
            self.drop(job.session)
        self._control.append(job)

    def window(self, session: str, waiting: Waiting) -> Arrival | None:
        """A window closed. None when the session is not there any more."""
        lane = self._lanes.get(session)
        return lane.backlog.push(waiting) if lane else None

    def ask(self, job: Ask) -> bool:
        """A question came. False when the session is not there any more."""
        lane = self._lanes.get(job.session)
        if lane is None:
            return False
        lane.asks.append(replace(job, after_index=lane.backlog.newest_index))
        return True

    def watch(self, session: str, questions: tuple[tuple[str, Query], ...]) -> None:
        """What is judged from the next window on."""
        if lane := self._lanes.get(session):
            lane.questions = questions

    def settle(self, session: str) -> None:
        """Somebody waits for the windows so far to be done."""
        if lane := self._lanes.get(session):
            lane.awaited = True

    # --- What became of a job ---

    def began(self, session: str, turn: str) -> None:
        """A question has its branch."""
        if lane := self._lanes.get(session):
            lane.decoding += 1
            self._branches.append(Advance(session, turn))

    def ended(self, session: str, turn: str) -> bool:
        """A turn is over; whether it was not before: it had a branch, or still waited."""
        lane = self._lanes.get(session)
        if lane is None:
            return False
        asks = deque(ask for ask in lane.asks if ask.turn != turn)
        waited, lane.asks = len(asks) < len(lane.asks), asks
        branch = Advance(session, turn)
        if branch not in self._branches:
            return waited
        self._branches.remove(branch)
        lane.decoding -= 1
        return True

    def ingested(self, session: str) -> None:
        if lane := self._lanes.get(session):
            lane.backlog.done()

    def judge(self, session: str, waiting: Waiting) -> Due | None:
        """A window is in the memory; gives the one that is not judged because of it, if any."""
        lane = self._lanes.get(session)
        if lane is None or not lane.questions:
            return None
        by = waiting.arrived + JUDGED_WITHIN_S
        start_s = waiting.window.start_s
        overtaken, lane.due = lane.due, Due(session, waiting.index, start_s, by, lane.questions)
        return overtaken

    def drop(self, session: str) -> None:
        """Forget everything a session wanted."""
        self._lanes.pop(session, None)
        self._branches = deque(b for b in self._branches if b.session != session)

    # --- Taking out ---

    def take(self, now: float) -> Job | None:
        """The next job, or None when there is nothing to do. `now` is monotonic seconds."""
        if self._control:
            return self._control.popleft()
        return (
            self._settle()
            or self._ask()
            or self._step_of_round()
            or self._window(now)
            or self._judgement()
            or self._step()
        )

    def _settle(self) -> Settle | None:
        for session, lane in self._lanes.items():
            if lane.awaited and lane.settled:
                lane.awaited = False
                return Settle(session)
        return None

    def _ask(self) -> Ask | None:
        """The question of the session with the fewest branches, if there is a branch for it."""
        ready = [lane for lane in self._lanes.values() if lane.ready()]
        if not ready or len(self._branches) >= self._max_branches:
            return None
        return min(ready, key=lambda lane: lane.decoding).asks.popleft()

    def _step_of_round(self) -> Advance | None:
        if self._steps_left == 0:
            return None
        self._steps_left -= 1
        return self._step()

    def _step(self) -> Advance | None:
        """The branch whose turn it is; it goes to the end of the line."""
        if not self._branches:
            return None
        self._branches.rotate(-1)
        return self._branches[-1]

    def _judgement(self) -> Judge | None:
        """All that is due, in one job."""
        due = []
        for lane in self._lanes.values():
            if lane.due is not None:
                due.append(lane.due)
                lane.due = None
        return Judge(tuple(due)) if due else None

    def _window(self, now: float) -> Ingest | None:
        """The window most in need: those a question waits for first, then the oldest."""
        waiting = [
            (not lane.asks, oldest.arrived, session)
            for session, lane in self._lanes.items()
            if (oldest := lane.backlog.oldest) is not None
        ]
        if not waiting:
            return None
        _, _, session = min(waiting)
        urgent = now - min(arrived for _, arrived, _ in waiting) > URGENT_S
        self._steps_left = 1 if urgent else len(self._branches)
        return Ingest(session, self._lanes[session].backlog.pop())
