"""The sessions that ended not long ago."""

from __future__ import annotations

import asyncio

from session.config import Limits
from session.roster.archive import Archive
from session.roster.idle import Idle


class Recent:
    """At hand for `ended_s`, and no more than `ended_sessions` of them. One that nothing outlives
    is removed from the archive when it is let go."""

    def __init__(self, archive: Archive, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._ended: dict[str, Idle] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._ended)

    def find(self, session_id: str) -> Idle | None:
        return self._ended.get(session_id)

    def keep(self, idle: Idle) -> None:
        limits = self._limits
        self._ended[idle.id] = idle
        while len(self._ended) > limits.ended_sessions:
            self._let_go(next(iter(self._ended.values())))
        asyncio.get_running_loop().call_later(limits.ended_s, self._let_go, idle)

    def drop(self, session_id: str) -> None:
        """It streams again, or its record is removed."""
        self._ended.pop(session_id, None)

    def _let_go(self, idle: Idle) -> None:
        if self._ended.get(idle.id) is idle:
            del self._ended[idle.id]
            if self._archive.forgets:
                self._archive.forget(idle.id)
