"""What is wanted of the engine: jobs, each of one session but the last kind."""

from __future__ import annotations

from dataclasses import dataclass

from session.engine.overload import Waiting
from sieve.tokens import Query, RawWindow

# --- What the asyncio side posts ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    session: str
    retention: float | None = None
    selector: str | None = None
    instruction: str | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Configure:
    """`None` leaves a setting as it is; an empty instruction takes it away."""

    session: str
    retention: float | None = None
    selector: str | None = None
    instruction: str | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    session: str
    turn: str
    question: str
    history: tuple[tuple[str, str], ...]
    open_window: RawWindow | None
    max_tokens: int
    after_index: int = -1  # begins when no window up to this one waits; set by the schedule


@dataclass(frozen=True, slots=True)
class Cancel:
    session: str
    turn: str


@dataclass(frozen=True, slots=True)
class Close:
    session: str


@dataclass(frozen=True, slots=True)
class Watch:
    """The standing queries of a session from now on: questions of yes or no by watch."""

    session: str
    questions: tuple[tuple[str, Query], ...]


Control = Open | Configure | Cancel | Close | Watch

# --- What the engine thread takes -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ingest:
    session: str
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Settle:
    """Say that every window of the session so far has been ingested and judged, as it now has."""

    session: str


@dataclass(frozen=True, slots=True)
class Advance:
    """One decoding step of a turn's branch."""

    session: str
    turn: str


@dataclass(frozen=True, slots=True)
class Due:
    """A window of a session that has been ingested and is to be judged."""

    session: str
    index: int
    start_s: float
    by: float  # monotonic
    questions: tuple[tuple[str, Query], ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """The newest window of every session that has standing queries and was not judged yet."""

    due: tuple[Due, ...]


Job = Control | Ask | Ingest | Settle | Advance | Judge
