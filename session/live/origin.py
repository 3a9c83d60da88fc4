"""What a session is made of when its stream begins: where it comes from, and what all share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from session.config import Limits
from session.engine.worker import Worker
from session.journal.shelf import Shelf
from session.live.pace import Paces


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session comes from. One that is opened again has a past: its clock goes on at
    `begins_s`, a multiple of a window, and `history` are its newest turns, oldest first."""

    id: str
    room: str
    created_at: float  # Unix seconds
    begins_s: float = 0.0
    history: tuple[tuple[str, str], ...] = ()
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of a service have in common."""

    worker: Worker
    shelf: Shelf
    limits: Limits
    paces: Paces
    now: Callable[[], float] = time.monotonic  # seconds
