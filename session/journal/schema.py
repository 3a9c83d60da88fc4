"""The tables of the journal, as steps by name. To add tables, add a step; never change one.

A step runs once for each journal, in one transaction. Refer to `sessions (id)` with ON DELETE
CASCADE, so that what belongs to a session goes with it (a full text index needs triggers and its
option `secure-delete`). Times ending in `_at` are Unix seconds.
"""

from __future__ import annotations

from session.notes import records as note_records
from session.watch import records as watch_records

SESSIONS = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    last_event INTEGER NOT NULL DEFAULT 0,  -- the number of its newest event
    settings TEXT NOT NULL,                 -- wire.SessionPatch: what a sender finds set
    described TEXT NOT NULL                 -- wire.Session as it last was
) STRICT;
CREATE INDEX sessions_by_state ON sessions (state, created_at);

CREATE TABLE events (
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,                -- goes up by one within a session
    told_at REAL NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,                     -- the event as JSON
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_age ON events (told_at);

CREATE TABLE answers (
    place INTEGER PRIMARY KEY,              -- in the order of the questions
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    asked_at REAL NOT NULL,
    asked_s REAL NOT NULL,
    question TEXT NOT NULL,
    remembered INTEGER NOT NULL,            -- whether later questions are read with it
    answer TEXT                             -- wire.Answer; NULL while it is written
) STRICT;
CREATE INDEX answers_by_session ON answers (session, place);
CREATE INDEX answers_by_age ON answers (asked_at);
"""

FINISHED = """
ALTER TABLE answers ADD COLUMN finished INTEGER;  -- in the order of the answers, as they were told
UPDATE answers SET finished = place WHERE answer IS NOT NULL;
CREATE UNIQUE INDEX answers_by_finish ON answers (finished);
CREATE INDEX answers_of_session ON answers (session, finished);
"""

STEPS: dict[str, str] = {
    "sessions": SESSIONS,
    "watches": watch_records.TABLES,
    "notes": note_records.TABLES,
    "events of watches": watch_records.TOLD,
    "order of answers": FINISHED,
    "counts of watches": watch_records.COUNTED,
    "words of notes": note_records.FORGOTTEN,
}
