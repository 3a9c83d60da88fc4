"""A monitor's folder belongs to one monitor at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from clients.database import make_private
from clients.sdk.errors import EchoSieveError


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Holds `folder` for the length of the block. Raises EchoSieveError where another monitor does.

    The lock is the operating system's, on an empty SQLite file (https://www.sqlite.org/lockingv3.html),
    so it is gone with its process, however that ends.
    """
    with closing(locked(folder)):
        yield


def locked(folder: Path) -> sqlite3.Connection:
    """The lock is gone when this is closed. Raises EchoSieveError."""
    db = None
    try:
        make_private(folder / "lock.db")
        db = sqlite3.connect(folder / "lock.db", timeout=0, isolation_level=None)
        db.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error) as error:
        if db is not None:
            db.close()
        raise EchoSieveError(refusal(folder, error)) from error
    return db


def refusal(folder: Path, error: OSError | sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return (
            f"another monitor is running in {folder}: stop that one, or give this one a `folder` "
            "of its own"
        )
    return f"{folder / 'lock.db'}: cannot be locked ({error}): name another folder"
