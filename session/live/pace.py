"""How much a minute: one bucket for each session and each holder of tokens. Pure."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from session.config import Limits
from session.errors import ServiceError, TooManyQuestions, TooManyRequests

Kind = Literal["questions", "sessions", "changes", "reads"]

BUCKETS = 4_096  # the one used longest ago is forgotten


class Pace:
    """A bucket holds `a_minute` of what is counted and fills up as fast. `now` gives seconds."""

    def __init__(
        self,
        a_minute: int,
        now: Callable[[], float] = time.monotonic,
        *,
        what: str = "questions a minute are answered",
        refusal: type[ServiceError] = TooManyQuestions,
    ) -> None:
        self._a_minute = a_minute
        self._what, self._refusal = what, refusal
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, at

    def take(self, *names: str) -> None:
        """One out of each bucket. Raises the refusal and takes none."""
        now = self._now()
        left = {name: self._left(name, now) for name in names}
        if (least := min(left.values())) < 1.0:
            wait_s = math.ceil((1.0 - least) * 60.0 / self._a_minute)
            said = f"at most {self._a_minute} {self._what}: the next in {wait_s} s"
            raise self._refusal(said, retry_after_s=wait_s)
        for name, still in left.items():
            self._buckets[name] = still - 1.0, now
            self._buckets.move_to_end(name)
        while len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)

    def _left(self, name: str, now: float) -> float:
        held, at = self._buckets.get(name, (float(self._a_minute), now))
        return min(float(self._a_minute), held + (now - at) * self._a_minute / 60.0)


@dataclass(frozen=True, slots=True)
class Paces:
    """Those of one service."""

    questions: Pace
    sessions: Pace
    changes: Pace
    reads: Pace

    @staticmethod
    def of(limits: Limits) -> Paces:
        def pace(a_minute: int, what: str) -> Pace:
            return Pace(a_minute, what=what, refusal=TooManyRequests)

        return Paces(
            Pace(limits.questions_a_minute),
            pace(limits.sessions_a_minute, "sessions a minute are made or sent to"),
            pace(limits.changes_a_minute, "changes a minute are made"),
            pace(limits.reads_a_minute, "pages of the record a minute are read"),
        )

    def take(self, kind: Kind, session: str | None, holder: str | None) -> None:
        """For the holder of a token, in a session, where there are such; else for everyone. Raises
        TooManyQuestions, TooManyRequests."""
        names = [f"session {session}"] if session else []
        names += [f"token {holder}"] if holder else []
        pace: Pace = getattr(self, kind)
        pace.take(*(names or ["everyone"]))
