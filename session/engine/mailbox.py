"""The mailbox in front of the engine: one schedule, many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from session.engine.jobs import Job
from session.engine.schedule import Schedule


class Mailbox:
    """Any thread puts in, the engine thread takes out."""

    def __init__(self, max_branches: int, now: Callable[[], float]) -> None:
        self._schedule = Schedule(max_branches)
        self._now = now  # monotonic seconds
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def schedule(self) -> Iterator[Schedule]:
        """The schedule, for this thread alone; then whoever waits for a job looks again."""
        with self._changed:
            yield self._schedule
            self._changed.notify()

    def behind(self, session: str) -> int:
        """As `Schedule.behind`."""
        return self._schedule.behind(session)

    def take(self) -> Job | None:
        """The next job; None when there is none."""
        with self._changed:
            return self._schedule.take(self._now())

    def wait(self) -> Job | None:
        """The next job, as soon as there is one; None when the mailbox is closed."""
        with self._changed:
            while not self._closed:
                if job := self._schedule.take(self._now()):
                    return job
                self._changed.wait()
        return None

    def close(self) -> None:
        """What still waits is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
