"""A SQLite file of a client: what it must not forget over restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from clients.sdk.errors import EchoSieveError


def database(path: Path | str, schema: str, use: str) -> sqlite3.Connection:
    """Opened in WAL mode, with the tables of ``schema``; what was written outlives a loss of power.
    Raises EchoSieveError where the file cannot be used; ``use`` says for what."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(schema)
    except sqlite3.Error as error:
        raise EchoSieveError(
            f"{path}: cannot be used {use} ({error}): name another folder, or remove the file"
        ) from error
    return db
