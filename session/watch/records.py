"""What the journal holds of standing queries: statements, each within a transaction."""

from __future__ import annotations

import sqlite3

from session import wire
from session.watch.hysteresis import STATE, State, finish
from session.watch.telling import event_of, rule_of

TABLES = """
CREATE TABLE watches (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    settings TEXT NOT NULL,                 -- wire.WatchCreate
    state TEXT NOT NULL                     -- session.watch.State
) STRICT;
CREATE INDEX watches_by_session ON watches (session, place);
"""
TOLD = """
CREATE INDEX events_of_watches ON events (session, number) WHERE type = 'watch.event';
"""

COUNTED = """
CREATE INDEX counts_of_watches ON events (session, number) WHERE type = 'watch.count';
"""

EVENTS = """
SELECT body, max(number) AS newest FROM events INDEXED BY events_of_watches
WHERE session = ? AND type = 'watch.event' GROUP BY body ->> 'id' ORDER BY newest DESC LIMIT ?
"""
COUNTS = """
SELECT body FROM events INDEXED BY counts_of_watches
WHERE session = ? AND type = 'watch.count' ORDER BY number DESC LIMIT ?
"""


def save(
    db: sqlite3.Connection, *, session: str, watch: str, settings: wire.WatchCreate, state: State
) -> None:
    db.execute(
        """INSERT INTO watches (id, session, settings, state) VALUES (?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, state = excluded.state""",
        (
            watch,
            session,
            settings.model_dump_json(exclude_none=True),
            STATE.dump_json(state).decode(),
        ),
    )


def remove(db: sqlite3.Connection, *, watch: str) -> None:
    db.execute("DELETE FROM watches WHERE id = ?", (watch,))


def load(db: sqlite3.Connection, session: str) -> list[tuple[str, wire.WatchCreate, State]]:
    """The watches of a session, in the order they were set."""
    rows = db.execute(
        "SELECT id, settings, state FROM watches WHERE session = ? ORDER BY place", (session,)
    )
    return [
        (id, wire.WatchCreate.model_validate_json(settings), STATE.validate_json(state))
        for id, settings, state in rows
    ]


def events(db: sqlite3.Connection, session: str, limit: int) -> list[wire.WatchEvent]:
    """The newest that has been told of each of the newest `limit` events, oldest first."""
    rows = db.execute(EVENTS, (session, limit)).fetchall()
    return [wire.WatchEvent.model_validate_json(body) for body, _ in reversed(rows)]


def counts(db: sqlite3.Connection, session: str, limit: int) -> list[wire.WatchCounted]:
    """The newest numbers that have been told, oldest first."""
    rows = db.execute(COUNTS, (session, limit)).fetchall()
    return [wire.WatchCounted.model_validate_json(body) for (body,) in reversed(rows)]


def told(db: sqlite3.Connection, session: str, limit: int) -> wire.WatchEventList:
    return wire.WatchEventList(events=events(db, session, limit), counts=counts(db, session, limit))


def bury(db: sqlite3.Connection, session: str) -> list[wire.WatchEvent]:
    """End what was open when the process was killed, where it was last told of; what is to be
    told of that."""
    told = []
    for watch, settings, state in load(db, session):
        if state.open is not None:
            over, changes = finish(rule_of(settings), state, state.open.told_s)
            save(db, session=session, watch=watch, settings=settings, state=over)
            told += [event_of(watch, settings, change) for change in changes]
    return told
