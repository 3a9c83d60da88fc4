"""What the journal holds of notes, and how they are found: statements, each in a transaction.

The text is indexed by FTS5 with the Porter stemmer; a match may hold any of the words, the best
come first (BM25, https://www.sqlite.org/fts5.html#the_bm25_function).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from session import wire

TABLES = """
CREATE TABLE notes (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    noted_at REAL NOT NULL,
    text TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX notes_by_session ON notes (session, start_s);

CREATE VIRTUAL TABLE notes_text USING fts5 (
    text, content = 'notes', content_rowid = 'place', tokenize = 'porter unicode61'
);
CREATE TRIGGER notes_added AFTER INSERT ON notes BEGIN
    INSERT INTO notes_text (rowid, text) VALUES (new.place, new.text);
END;
CREATE TRIGGER notes_removed AFTER DELETE ON notes BEGIN
    INSERT INTO notes_text (notes_text, rowid, text) VALUES ('delete', old.place, old.text);
END;
-- The index marks what is deleted and forgets it some time; with a session it must forget at once.
CREATE TRIGGER notes_forgotten AFTER DELETE ON sessions BEGIN
    INSERT INTO notes_text (notes_text) VALUES ('rebuild');
END;

CREATE TABLE note_settings (
    session TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    settings TEXT NOT NULL                  -- wire.NoteSettings
) STRICT, WITHOUT ROWID;
"""

# One session at a time, and also where it had no notes: see `forgetting`.
FORGOTTEN = """
DROP TRIGGER notes_forgotten;
"""

_COLUMNS = "notes.id, session, start_s, end_s, noted_at, notes.text, reason"


def add(db: sqlite3.Connection, *, note: wire.Note) -> None:
    db.execute(
        """INSERT INTO notes (id, session, start_s, end_s, noted_at, text, reason)
        VALUES (:id, :session, :start_s, :end_s, :noted_at, :text, :reason)""",
        note.model_dump(),
    )


def within(
    db: sqlite3.Connection, session: str, start_s: float, end_s: float, limit: int
) -> list[wire.Note]:
    """The newest notes that overlap [start_s, end_s), oldest first."""
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM notes WHERE session = ? AND end_s > ? AND start_s < ?
        ORDER BY start_s DESC, place DESC LIMIT ?""",
        (session, start_s, end_s, limit),
    ).fetchall()
    return [_note(row) for row in reversed(rows)]


def search(db: sqlite3.Connection, session: str, words: str, limit: int) -> list[wire.Note]:
    """The notes that hold any of the words, the best match first; none where there is no word."""
    wanted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", words))
    if not wanted:
        return []
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM notes_text JOIN notes ON notes.place = notes_text.rowid
        WHERE notes_text MATCH ? AND session = ? ORDER BY notes_text.rank, start_s DESC LIMIT ?""",
        (wanted, session, limit),
    )
    return [_note(row) for row in rows]


def set_to(db: sqlite3.Connection, session: str, settings: wire.NoteSettings) -> None:
    db.execute(
        """INSERT INTO note_settings VALUES (?, ?)
        ON CONFLICT (session) DO UPDATE SET settings = excluded.settings""",
        (session, settings.model_dump_json()),
    )


def settings(db: sqlite3.Connection, session: str) -> wire.NoteSettings:
    row = db.execute("SELECT settings FROM note_settings WHERE session = ?", (session,)).fetchone()
    return wire.NoteSettings.model_validate_json(row[0]) if row else wire.NoteSettings()


def remove_old(db: sqlite3.Connection, before_at: float) -> None:
    """Notes of before a moment (Unix seconds)."""
    db.execute("DELETE FROM notes WHERE noted_at < ?", (before_at,))


def any_old(db: sqlite3.Connection, before_at: float) -> bool:
    """Whether there are notes of before a moment (Unix seconds)."""
    found = db.execute("SELECT EXISTS (SELECT 1 FROM notes WHERE noted_at < ?)", (before_at,))
    return bool(found.fetchone()[0])


@contextmanager
def forgetting(db: sqlite3.Connection) -> Iterator[None]:
    """The words of notes that are removed within are gone from the index after it. It marks what is
    deleted and forgets it some time; to make it anew takes seconds where there are many notes, so
    that is done once, and only where some have gone."""
    before = held(db)
    yield
    if held(db) < before:
        db.execute("INSERT INTO notes_text (notes_text) VALUES ('rebuild')")


def held(db: sqlite3.Connection) -> int:
    """How many notes there are of all sessions."""
    return int(db.execute("SELECT count(*) FROM notes").fetchone()[0])


def _note(row: tuple[object, ...]) -> wire.Note:
    return wire.Note.model_validate(dict(zip(wire.Note.model_fields, row, strict=True)))
