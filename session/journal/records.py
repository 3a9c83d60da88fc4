"""What the journal holds of sessions, events and answers: statements, each within a transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from session import wire
from session.engine.views import NO_MEMORY
from session.errors import BadRequest, SessionUnknown
from session.notes import records as note_records
from session.watch import records as watch_records

STOPPED = "the service stopped unexpectedly"
AFTER_ALL = 2**63 - 1  # SQLite's greatest integer
PRUNED = 1_000  # events and answers given up at once when the journal is too large

Db = sqlite3.Connection


@dataclass(frozen=True, slots=True)
class Record:
    """A session as the journal knows it."""

    session: wire.Session
    settings: wire.SessionPatch
    last_event: int


# --- Sessions -------------------------------------------------------------------------------------


def save(db: Db, session: wire.Session, settings: wire.SessionPatch | None = None) -> None:
    """Write a session as it is now; without `settings` those stay."""
    db.execute(
        """INSERT INTO sessions (id, state, created_at, changed_at, settings, described)
        VALUES (:id, :state, :created_at, :now, coalesce(:settings, '{}'), :described)
        ON CONFLICT (id) DO UPDATE SET state = :state, changed_at = :now, described = :described,
        settings = coalesce(:settings, settings)""",
        {
            "id": session.id,
            "state": session.state,
            "created_at": session.created_at,
            "now": time.time(),
            "settings": settings.model_dump_json(exclude_none=True) if settings else None,
            "described": session.model_dump_json(),
        },
    )


def load(db: Db, session: str) -> Record:
    """Raises SessionUnknown."""
    row = db.execute(
        "SELECT described, settings, last_event FROM sessions WHERE id = ?", (session,)
    ).fetchone()
    if row is None:
        raise SessionUnknown(f"there is no session {session[:64]!r}")
    return record(row)


def record(row: tuple[str, str, int]) -> Record:
    described, settings, last_event = row
    return Record(
        wire.Session.model_validate_json(described),
        wire.SessionPatch.model_validate_json(settings),
        last_event,
    )


def in_state(db: Db, state: wire.SessionState) -> list[Record]:
    """All of them, oldest first."""
    rows = db.execute(
        "SELECT described, settings, last_event FROM sessions WHERE state = ? ORDER BY created_at",
        (state,),
    )
    return [record(row) for row in rows]


def ended(db: Db, before: str | None, limit: int) -> list[wire.Session]:
    """Ended sessions, newest first, from the one that began before session `before`. Raises
    BadRequest."""
    place: tuple[Any, ...] = (1e300, "")
    if before is not None:
        found = "SELECT created_at, id FROM sessions WHERE id = ?"
        place = place_of(db.execute(found, (before,)), "before", f"session {before[:64]!r}")
    rows = db.execute(
        """SELECT described FROM sessions WHERE state = 'ended' AND (created_at, id) < (?, ?)
        ORDER BY created_at DESC, id DESC LIMIT ?""",
        (*place, limit),
    )
    return [wire.Session.model_validate_json(described) for (described,) in rows]


# --- Events ---------------------------------------------------------------------------------------


def add_event(db: Db, session: str, type: str, body: str) -> int:
    """Its number. Raises SessionUnknown where the session has been removed."""
    row = db.execute(
        "UPDATE sessions SET last_event = last_event + 1 WHERE id = ? RETURNING last_event",
        (session,),
    ).fetchone()
    if row is None:
        raise SessionUnknown(f"the record of session {session} has been removed")
    number = int(row[0])
    values = (session, number, time.time(), type, body)
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", values)
    return number


def events(
    db: Db, session: str, after: int, up_to: int, limit: int
) -> Sequence[tuple[int, str, str]]:
    """(number, type, body) of the events after one number up to another."""
    return db.execute(
        """SELECT number, type, body FROM events
        WHERE session = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?""",
        (session, after, up_to, limit),
    ).fetchall()


# --- Answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it goes into the journal."""

    id: str
    session: str
    asked_at: float
    asked_s: float
    question: str
    remembered: bool


def ask(db: Db, asked: Asked) -> None:
    db.execute(
        """INSERT INTO answers (id, session, asked_at, asked_s, question, remembered)
        VALUES (?, ?, ?, ?, ?, ?)""",
        (
            asked.id,
            asked.session,
            asked.asked_at,
            asked.asked_s,
            asked.question,
            asked.remembered,
        ),
    )


def answer(db: Db, given: wire.Answer) -> None:
    """It comes after every answer that there is, whenever its question was put: whoever pages on
    after the newest one they know finds it."""
    db.execute(
        """UPDATE answers SET answer = ?,
        finished = (SELECT coalesce(max(finished), 0) + 1 FROM answers) WHERE id = ?""",
        (given.model_dump_json(), given.id),
    )


def answers_after(db: Db, session: str, after: str | None, limit: int) -> list[wire.Answer]:
    """Those that were finished after answer `after`, or all, in that order. Raises BadRequest."""
    finished = 0 if after is None else finish_of(db, session, after, "after")
    rows = db.execute(
        "SELECT answer FROM answers WHERE session = ? AND finished > ? ORDER BY finished LIMIT ?",
        (session, finished, limit),
    )
    return [wire.Answer.model_validate_json(body) for (body,) in rows]


def answers_before(db: Db, session: str, before: str, limit: int) -> list[wire.Answer]:
    """Those that were finished before answer `before`, or of all where that is `wire.NEWEST`,
    newest first. Raises BadRequest."""
    newest = before == wire.NEWEST
    end = AFTER_ALL if newest else finish_of(db, session, before, "before")
    rows = db.execute(
        """SELECT answer FROM answers WHERE session = ? AND finished < ?
        ORDER BY finished DESC LIMIT ?""",
        (session, end, limit),
    )
    return [wire.Answer.model_validate_json(body) for (body,) in rows]


def finish_of(db: Db, session: str, answer: str, param: str) -> int:
    found = "SELECT finished FROM answers WHERE session = ? AND id = ? AND finished IS NOT NULL"
    said = f"answer {answer[:64]!r} in this session"
    return int(place_of(db.execute(found, (session, answer)), param, said)[0])


def place_of(found: sqlite3.Cursor, param: str, said: str) -> tuple[Any, ...]:
    """Where a page begins. Raises BadRequest where nothing has the id that was given for it."""
    row = found.fetchone()
    if row is None:
        raise BadRequest(f"{param}: there is no {said}, or not any more", param=param)
    return tuple(row)


def history(db: Db, session: str, turns: int) -> list[tuple[str, str]]:
    """The newest turns that later questions are read with, oldest first."""
    rows = db.execute(
        """SELECT question, answer ->> 'text' FROM answers
        WHERE session = ? AND remembered AND answer ->> 'status' IN ('completed', 'truncated')
        ORDER BY place DESC LIMIT ?""",
        (session, turns),
    ).fetchall()
    return [(question, text) for question, text in reversed(rows)]


def unremember(db: Db, answer: str) -> None:
    """Later questions are not read with it."""
    db.execute("UPDATE answers SET remembered = 0 WHERE id = ?", (answer,))


# --- After a stop without warning -----------------------------------------------------------------


def bury(db: Db) -> list[str]:
    """End what was live when the process was killed, its questions in flight first; their ids."""
    stopped = [*in_state(db, "connecting"), *in_state(db, "live")]
    for found in stopped:
        session = found.session
        for lost in unanswered(db, session.id):
            answer(db, lost)
            tell(db, session.id, wire.AnswerDone(answer=lost))
        for event in watch_records.bury(db, session.id):
            tell(db, session.id, event)
        changes = {"state": "ended", "reason": STOPPED, "answering": 0, "memory": NO_MEMORY}
        save(db, session.model_copy(update=changes))
        tell(db, session.id, wire.SessionClosed(session=session.id, reason=STOPPED))
    return [found.session.id for found in stopped]


def unanswered(db: Db, session: str) -> list[wire.Answer]:
    """The questions in flight, as answers that failed."""
    rows = db.execute(
        """SELECT id, session, asked_at, asked_s, question FROM answers
        WHERE session = ? AND answer IS NULL ORDER BY place""",
        (session,),
    ).fetchall()
    return [failed(*row) for row in rows]


def failed(id: str, session: str, asked_at: float, asked_s: float, question: str) -> wire.Answer:
    nothing = wire.Counts(video=0, audio=0)
    return wire.Answer(
        id=id,
        session=session,
        question=question,
        text="",
        status="failed",
        asked_at=asked_at,
        asked_s=asked_s,
        newest_frame_s=None,
        spans=[],
        first_token_ms=None,
        total_ms=0.0,
        seen=nothing,
        kept=nothing,
        retention=0.0,
        output_tokens=0,
        second_look=None,
        error=wire.ErrorDetail(type="service_stopped", message=STOPPED),
    )


def tell(db: Db, session: str, event: wire.Event) -> None:
    add_event(db, session, event.type, event.model_dump_json())


# --- Deletion -------------------------------------------------------------------------------------


def remove(db: Db, session: str) -> None:
    """Everything of it, in every table that refers to it."""
    with note_records.forgetting(db):
        db.execute("DELETE FROM sessions WHERE id = ?", (session,))


def remove_old(db: Db, before_at: float, ahead_s: float) -> list[str]:
    """Ended sessions that have not changed since, and old events, answers and notes of all. The
    ids. Where notes are among them, what will be old in `ahead_s` goes with them: to forget the
    words of notes takes as long for one as for all, and everything waits."""
    old = "DELETE FROM sessions WHERE state = 'ended' AND changed_at < ? RETURNING id"
    until_at = before_at + (ahead_s if note_records.any_old(db, before_at) else 0.0)
    with note_records.forgetting(db):
        rows = db.execute(old, (until_at,)).fetchall()
        note_records.remove_old(db, until_at)
    db.execute("DELETE FROM events WHERE told_at < ?", (before_at,))
    db.execute("DELETE FROM answers WHERE asked_at < ? AND answer IS NOT NULL", (before_at,))
    return [id for (id,) in rows]


def remove_oldest(db: Db) -> list[str] | None:
    """The ended session that was changed longest ago, or, where these are older, the oldest events
    and answers of those that go on. The ids of sessions that are gone; None where there is nothing
    that could go."""
    ended = """SELECT id, changed_at FROM sessions WHERE state = 'ended'
        ORDER BY changed_at LIMIT 1"""
    id, changed_at = db.execute(ended).fetchone() or (None, inf)
    gone = sum(db.execute(oldest, (changed_at, PRUNED)).rowcount for oldest in _OLDEST)
    if gone:
        return []
    if id is None:
        return None
    remove(db, id)
    return [id]


# The plus keeps SQLite from the key of the session, by which it would read and sort all of them.
_GOING_ON = "+session IN (SELECT id FROM sessions WHERE state <> 'ended')"
_OLDEST = (
    f"""DELETE FROM events WHERE (session, number) IN (SELECT session, number FROM events
    WHERE told_at < ? AND {_GOING_ON} ORDER BY told_at LIMIT ?)""",
    f"""DELETE FROM answers WHERE place IN (SELECT place FROM answers
    WHERE asked_at < ? AND answer IS NOT NULL AND {_GOING_ON} ORDER BY place LIMIT ?)""",
)


def size_bytes(db: Db) -> int:
    """What is in use of the file."""
    pages, free, page_bytes = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)
