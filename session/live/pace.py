"""How many questions a minute: one bucket for each session and each token. Pure."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from session.errors import TooManyQuestions

BUCKETS = 4_096  # the one used longest ago is forgotten


class Pace:
    """A bucket holds `a_minute` questions and fills up as fast. `now` gives seconds."""

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, at

    def take(self, *names: str) -> None:
        """One question out of each bucket. Raises TooManyQuestions and takes none."""
        now = self._now()
        left = {name: self._left(name, now) for name in names}
        if (least := min(left.values())) < 1.0:
            wait_s = math.ceil((1.0 - least) * 60.0 / self._a_minute)
            raise TooManyQuestions(
                f"at most {self._a_minute} questions a minute are answered", retry_after_s=wait_s
            )
        for name, questions in left.items():
            self._buckets[name] = questions - 1.0, now
            self._buckets.move_to_end(name)
        while len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)

    def _left(self, name: str, now: float) -> float:
        questions, at = self._buckets.get(name, (float(self._a_minute), now))
        return min(float(self._a_minute), questions + (now - at) * self._a_minute / 60.0)
