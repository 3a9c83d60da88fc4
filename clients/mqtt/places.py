"""How far each session has been told to somebody: the number of the last event that was taken.

The service's journal is the outbox; this is a reader's place in it, one SQLite file (WAL) for each
reader. Number and story are written together, so after a kill both are of the same moment. What was
taken and not noted is told again, under the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from clients.database import database
from clients.mqtt.mapping import Story

SCHEMA = """
CREATE TABLE IF NOT EXISTS places (
    session TEXT PRIMARY KEY,
    number INTEGER NOT NULL,  -- of the last event that was told
    story TEXT NOT NULL,      -- as JSON
    closed INTEGER NOT NULL   -- the session has ended, and this was told
)
"""


@dataclass(frozen=True, slots=True)
class Place:
    number: int
    story: Story


class Places:
    """One process at a time."""

    def __init__(self, path: Path | str) -> None:
        """Raises EchoSieveError where the file cannot be used."""
        self._db = database(path, SCHEMA, "to keep what was told")

    def close(self) -> None:
        self._db.close()

    def begin_as(self, other: Places) -> None:
        """Of a reader that begins: everything that another has been told has been told to this one.
        Only the first time, whole or not at all."""
        if self._db.execute("PRAGMA user_version").fetchone()[0]:
            return
        rows = other._db.execute("SELECT * FROM places ORDER BY rowid").fetchall()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)", rows)
        self._db.execute("PRAGMA user_version = 1")
        self._db.execute("COMMIT")

    def note(self, number: int, story: Story) -> None:
        """Everything up to `number` has been told."""
        self._db.execute(
            "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)",
            (story.session, number, story.model_dump_json(), story.closed),
        )

    def find(self, session: str) -> Place | None:
        query = "SELECT number, story FROM places WHERE session = ?"
        row = self._db.execute(query, (session,)).fetchone()
        return _place(*row) if row else None

    def unfinished(self) -> list[Place]:
        """Sessions whose end has not been told, the one told of last at the end."""
        query = "SELECT number, story FROM places WHERE NOT closed ORDER BY rowid"
        rows = self._db.execute(query).fetchall()
        return [place for row in rows if (place := _place(*row))]

    def forget(self, session: str) -> None:
        self._db.execute("DELETE FROM places WHERE session = ?", (session,))


def _place(number: int, story: str) -> Place | None:
    """None where the story is of another version: then it is told from the beginning."""
    try:
        return Place(number, Story.model_validate_json(story))
    except ValidationError:
        return None
