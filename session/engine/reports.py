"""What the engine thread tells the sessions. Each names its session."""

from __future__ import annotations

from dataclasses import dataclass

from session import wire
from session.engine.overload import Waiting
from sieve.tokens import Begun, Ingested, MemoryState
from sieve.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Opened:
    session: str
    memory: MemoryState


@dataclass(frozen=True, slots=True)
class Configured:
    session: str
    memory: MemoryState


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting or an opening that the engine did not take; the session stays as it was."""

    session: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class WindowDone:
    session: str
    waiting: Waiting
    result: Ingested
    retention: float  # in force for this window
    ingest_s: float
    behind: int


@dataclass(frozen=True, slots=True)
class WindowSkipped:
    session: str
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class LevelChanged:
    session: str
    level: wire.OverloadLevel
    behind: int


@dataclass(frozen=True, slots=True)
class Judged:
    """The standing queries of a session after a window, by watch."""

    session: str
    index: int
    verdicts: dict[str, Verdict]
    took_s: float  # for all sessions that were judged together


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A window after which the standing queries were left out."""

    session: str
    index: int
    start_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """All that came of the windows so far has been reported."""

    session: str


@dataclass(frozen=True, slots=True)
class TurnBegun:
    session: str
    turn: str
    begun: Begun


@dataclass(frozen=True, slots=True)
class TurnSaid:
    """One token was decoded; its text may be empty."""

    session: str
    turn: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The last report of a turn. `error` says why when it failed."""

    session: str
    turn: str
    status: wire.AnswerStatus
    kind: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine failed in this session; its row is closed."""

    session: str
    message: str


WindowReport = WindowDone | WindowSkipped | LevelChanged
WatchReport = Judged | NotJudged
TurnReport = TurnBegun | TurnSaid | TurnEnded
Report = Opened | Configured | Refused | Failed | Settled | WindowReport | WatchReport | TurnReport
