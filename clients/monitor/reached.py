"""How far each file has been watched, so that one that was cut goes on there.

What counts is what the service took in, window by window, and not what was sent: that a connection
is broken is noticed seconds after the last picture arrived. Until then the service still takes in
windows in which nothing came, so what came of each counts. At a cut at most a window is lost.
"""

from __future__ import annotations

from pathlib import Path

from clients.database import database

SCHEMA = """
CREATE TABLE IF NOT EXISTS reached (
    source TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    seconds REAL NOT NULL, -- of the file
    session TEXT,          -- that took in the newest of it
    clock_s REAL           -- how far this had come
)
"""


class Reached:
    """One SQLite file a monitor; it outlives a restart."""

    def __init__(self, path: Path | str) -> None:
        """Raises EchoSieveError where the file cannot be used."""
        self._db = database(path, SCHEMA, "to keep how far files have been watched")

    def close(self) -> None:
        self._db.close()

    def seconds(self, source: str, file: str) -> float:
        """Where the file of a source goes on; 0 where the source had another file, or none."""
        self._db.execute("DELETE FROM reached WHERE source = ? AND file <> ?", (source, file))
        self._db.execute(
            "INSERT OR IGNORE INTO reached (source, file, seconds) VALUES (?, ?, 0)", (source, file)
        )
        query = "SELECT seconds FROM reached WHERE source = ?"
        return float(self._db.execute(query, (source,)).fetchone()[0])

    def window(
        self, source: str, session: str, start_s: float, end_s: float, came_s: float
    ) -> None:
        """A session of the source has had this stretch, in which something came for `came_s`
        seconds; the same may be told again. Nothing for sources that are neither a file nor on a
        web server."""
        if came_s <= 0:
            return  # it may be told before an earlier one, which the engine had to take in
        self._db.execute(
            """UPDATE reached SET seconds = seconds + :came_s, session = :session, clock_s = :end_s
            WHERE source = :source AND (session IS NOT :session OR clock_s <= :start_s)""",
            {
                "source": source,
                "session": session,
                "start_s": start_s,
                "end_s": end_s,
                "came_s": came_s,
            },
        )

    def forget(self, source: str) -> None:
        """It has come to its end: the next time it begins anew."""
        self._db.execute("DELETE FROM reached WHERE source = ?", (source,))
