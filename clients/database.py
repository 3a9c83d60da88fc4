"""A SQLite file of a client: what it must not forget over restarts."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from clients.sdk.errors import EchoSieveError

IN_MEMORY = ":memory:"


def database(path: Path | str, schema: str, use: str) -> sqlite3.Connection:
    """Opened in WAL mode, with the tables of ``schema``; what was written outlives a loss of power.
    A file that was not there is its owner's alone.
    Raises EchoSieveError where the file cannot be used; ``use`` says for what."""
    try:
        make_private(path)
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        raise EchoSieveError(
            f"{path}: cannot be used {use} ({error}): name another folder, or remove the file"
        ) from error
    return db


def make_private(path: Path | str) -> None:
    """A file that is not there is made, for its owner alone; one that is stays as it is. SQLite
    makes what it puts beside a file as the file is. Raises OSError."""
    if str(path) != IN_MEMORY:
        with suppress(FileExistsError):
            Path(path).touch(mode=0o600, exist_ok=False)
