"""What a monitor has seen, kept as it happens: one SQLite file, so that a report covers what was
before a restart too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import TypeAdapter

from clients.database import database
from session import wire

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    key TEXT PRIMARY KEY,  -- an event's id, or a note's: the newest of it counts
    source TEXT NOT NULL,
    session TEXT NOT NULL,
    told_at REAL NOT NULL, -- Unix seconds
    event TEXT NOT NULL    -- as JSON
);
CREATE TABLE IF NOT EXISTS gaps (
    source TEXT NOT NULL,
    session TEXT,          -- that it had
    clock_s REAL,          -- how far this had come
    from_at REAL NOT NULL, -- Unix seconds
    to_at REAL,            -- NULL while it lasts
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS stretches (
    source TEXT NOT NULL,
    session TEXT NOT NULL,
    from_s REAL,           -- seconds of the session; NULL before the first window
    to_s REAL
);
CREATE TABLE IF NOT EXISTS blanks (
    source TEXT NOT NULL,
    session TEXT NOT NULL,
    what TEXT NOT NULL,
    from_s REAL NOT NULL,
    to_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (  -- of the monitor
    from_at REAL NOT NULL, -- Unix seconds
    to_at REAL NOT NULL,
    ended INTEGER NOT NULL -- as its sources had come to their ends
);
CREATE TABLE IF NOT EXISTS prepared (
    session TEXT PRIMARY KEY,
    digest TEXT NOT NULL   -- of the configuration that it was last set to
)
"""
AWAY_S = 10.0  # without a sign of a monitor: then there was none
ALL = "(all)"  # what no source is called
BLANK_S = 2.0  # a window: shorter ones are the jitter of a network, or a sender that connects
SEAM_S = 1e-3  # blanks that follow each other so closely are one
Recorded = wire.WatchEvent | wire.WatchCounted | wire.WatchUnanswered | wire.NoteAdded
_RECORDED: TypeAdapter[Recorded] = TypeAdapter(Recorded)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stood last, a new number of what is counted, a watch that the model cannot
    judge, or a note."""

    source: str
    session: str
    told_at: float
    event: Recorded


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a source was not watched: Unix seconds, and where in its session that lies
    (seconds of it), if it had one. A session's clock does not run meanwhile."""

    source: str
    session: str | None
    clock_s: float | None
    from_at: float
    to_at: float | None  # None while it lasts
    reason: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of a session that was watched, from one sender's coming to its going: seconds of it."""

    source: str
    session: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Blank:
    """Of a session that was watched, and of which something did not come: seconds of it."""

    source: str
    session: str
    what: str  # that did not
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is on record, each in the order in which it began."""

    entries: Sequence[Entry]
    gaps: Sequence[Gap] = ()
    stretches: Sequence[Stretch] = ()
    blanks: Sequence[Blank] = ()

    @property
    def sessions(self) -> dict[tuple[str, str], str]:
        """Of what was watched or told of, by source and session: the source's name, with a number
        where it had several."""
        watched = [(one.source, one.session) for one in self.stretches]
        told = [(one.source, one.session) for one in self.entries]
        found = list(dict.fromkeys(watched + told))
        names = [source for source, _ in found]
        numbers = (names[: place + 1].count(source) for place, source in enumerate(names))
        return {
            one: f"{one[0]} {number}" if names.count(one[0]) > 1 else one[0]
            for one, number in zip(found, numbers, strict=True)
        }


def key_of(event: Recorded) -> str:
    """The same for what is told of the same again."""
    match event:
        case wire.NoteAdded():
            return event.note.id
        case wire.WatchUnanswered():
            return f"{event.watch} unanswered"
    return event.id


class Record:
    """One file a monitor."""

    def __init__(self, path: Path | str) -> None:
        """Raises EchoSieveError where the file cannot be used."""
        self._db = database(path, SCHEMA, "as a record")

    def close(self) -> None:
        self._db.close()

    def add(self, entry: Entry) -> None:
        """What is known of an event already is replaced, except when it was first told."""
        event = entry.event
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET event = excluded.event",
            (key_of(event), entry.source, entry.session, entry.told_at, event.model_dump_json()),
        )

    def down(self, gap: Gap) -> None:
        """A gap begins, unless the source is in one already."""
        query = "SELECT 1 FROM gaps WHERE source = ? AND to_at IS NULL"
        if self._db.execute(query, (gap.source,)).fetchone() is None:
            self._db.execute("INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?)", astuple(gap))

    def up(self, source: str, at: float) -> None:
        """The gap of a source ends, if it was in one."""
        query = "UPDATE gaps SET to_at = ? WHERE source = ? AND to_at IS NULL"
        self._db.execute(query, (at, source))

    def gaps(self) -> list[Gap]:
        """In the order in which they began; what no monitor could see comes first."""
        rows = self._db.execute("SELECT * FROM gaps ORDER BY rowid")
        return [*self._away(), *(Gap(*row) for row in rows)]

    def run_begins(self, at: float) -> int:
        """There is a monitor. The number of its run: the one before, unless there was none for
        `AWAY_S`."""
        query = "SELECT rowid, to_at FROM runs WHERE NOT ended ORDER BY rowid DESC LIMIT 1"
        run, until = self._db.execute(query).fetchone() or (None, 0.0)
        if run is None or abs(at - until) > AWAY_S:
            run = self._db.execute("INSERT INTO runs VALUES (?, ?, FALSE)", (at, at)).lastrowid
        assert run is not None
        return int(run)

    def run_goes_on(self, run: int, at: float) -> None:
        """Whatever the clock says: it may be set meanwhile."""
        self._db.execute("UPDATE runs SET to_at = ? WHERE rowid = ?", (at, run))

    def run_ends(self) -> None:
        """There is nothing to watch any more: what comes after is no gap."""
        self._db.execute("UPDATE runs SET ended = TRUE WHERE rowid = (SELECT max(rowid) FROM runs)")

    def _away(self) -> list[Gap]:
        """From each run that was stopped or killed to the next."""
        runs = self._db.execute("SELECT from_at, to_at, ended FROM runs ORDER BY rowid").fetchall()
        return [
            Gap(ALL, None, None, until, again, "the monitor was not running")
            for (_, until, ended), (again, _, _) in pairwise(runs)
            if not ended and until < again
        ]

    def entries(self) -> list[Entry]:
        """In the order in which they were first told."""
        rows = self._db.execute("SELECT source, session, told_at, event FROM record ORDER BY rowid")
        return [
            Entry(source, session, told_at, _RECORDED.validate_json(event))
            for source, session, told_at, event in rows
        ]

    def begins(self, source: str, session: str) -> None:
        """A sender has come to the session; the same may be told again before a window of it is."""
        query = "INSERT INTO stretches VALUES (?, ?, NULL, NULL)"
        self._db.execute(query, (source, session))

    def watched(self, stretch: Stretch) -> None:
        """A window of it; the same may be told again."""
        if self._newest(stretch.session) is None:  # it began before there was a monitor
            self.begins(stretch.source, stretch.session)
        self._db.execute(
            "UPDATE stretches SET from_s = coalesce(from_s, ?), to_s = max(coalesce(to_s, 0.0), ?) "
            "WHERE rowid = ?",
            (stretch.from_s, stretch.to_s, self._newest(stretch.session)),
        )

    def blank(self, blank: Blank) -> None:
        """Of what has been `watched`: what was before the sender came is none. The same may be told
        again; one that follows another goes on with it."""
        query = "SELECT max(?, from_s) FROM stretches WHERE rowid = ?"
        newest = self._newest(blank.session)
        (from_s,) = self._db.execute(query, (blank.from_s, newest)).fetchone() or (blank.from_s,)
        if from_s >= blank.to_s:
            return
        row = {**asdict(blank), "from_s": from_s, "seam_s": SEAM_S}
        went_on = self._db.execute(
            "UPDATE blanks SET to_s = max(to_s, :to_s) WHERE source = :source AND "
            "session = :session AND what = :what AND :from_s BETWEEN from_s AND to_s + :seam_s",
            row,
        )
        if not went_on.rowcount:
            self._db.execute(
                "INSERT INTO blanks VALUES (:source, :session, :what, :from_s, :to_s)", row
            )

    def stretches(self) -> list[Stretch]:
        """In the order in which they began."""
        query = "SELECT * FROM stretches WHERE from_s IS NOT NULL ORDER BY rowid"
        return [Stretch(*row) for row in self._db.execute(query)]

    def blanks(self) -> list[Blank]:
        """Those that are worth to be told, in the order in which they began."""
        query = "SELECT * FROM blanks WHERE to_s - from_s >= ? ORDER BY rowid"
        return [Blank(*row) for row in self._db.execute(query, (BLANK_S,))]

    def prepared(self, session: str, digest: str) -> None:
        """A session was set as a configuration says that has this digest."""
        self._db.execute("INSERT OR REPLACE INTO prepared VALUES (?, ?)", (session, digest))

    def prepared_to(self, session: str) -> str | None:
        """The digest of the configuration that it was last set to; None where it never was."""
        query = "SELECT digest FROM prepared WHERE session = ?"
        found = self._db.execute(query, (session,)).fetchone()
        return str(found[0]) if found else None

    def seen(self) -> Seen:
        return Seen(self.entries(), self.gaps(), self.stretches(), self.blanks())

    def _newest(self, session: str) -> int | None:
        """The newest stretch of a session, by its row."""
        query = "SELECT max(rowid) FROM stretches WHERE session = ?"
        found: int | None = self._db.execute(query, (session,)).fetchone()[0]
        return found


def events_of(entries: Sequence[Entry]) -> list[tuple[Entry, wire.WatchEvent]]:
    return [(e, e.event) for e in entries if isinstance(e.event, wire.WatchEvent)]


def counts_of(entries: Sequence[Entry]) -> list[tuple[Entry, wire.WatchCounted]]:
    return [(e, e.event) for e in entries if isinstance(e.event, wire.WatchCounted)]


def notes_of(entries: Sequence[Entry]) -> list[wire.Note]:
    return [e.event.note for e in entries if isinstance(e.event, wire.NoteAdded)]
