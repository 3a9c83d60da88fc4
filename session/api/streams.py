"""How many streams of events are open at once. A client that does not read holds its own."""

from __future__ import annotations

from collections import Counter

from session.config import Limits
from session.errors import TooManySubscribers


class Streams:
    """So many to a session, so many at all: connections are left for everything else."""

    def __init__(self, limits: Limits) -> None:
        self._a_session, self._at_all = limits.subscribers, limits.streams
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def enter(self, session: str) -> None:
        """Raises TooManySubscribers."""
        if self._open[session] >= self._a_session:
            raise TooManySubscribers(f"{self._a_session} subscribers listen to this session")
        if len(self) >= self._at_all:
            raise TooManySubscribers(f"{self._at_all} subscribers listen to this service")
        self._open[session] += 1

    def leave(self, session: str) -> None:
        self._open[session] -= 1
        self._open += Counter()  # without those that are zero
