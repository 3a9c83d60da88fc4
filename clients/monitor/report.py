"""What a monitor has seen: kept as it happens, written at the end as Markdown with a timeline.

The record is a SQLite file, so that a report covers what was before a restart too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from clients.database import database
from clients.sdk.errors import EchoSieveError
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
)
"""
Recorded = wire.WatchEvent | wire.WatchCounted | wire.NoteAdded
_RECORDED: TypeAdapter[Recorded] = TypeAdapter(Recorded)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stood last, a new number of what is counted, or a note."""

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
        key = event.note.id if isinstance(event, wire.NoteAdded) else event.id
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET event = excluded.event",
            (key, entry.source, entry.session, entry.told_at, event.model_dump_json()),
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
        """In the order in which they began."""
        return [Gap(*row) for row in self._db.execute("SELECT * FROM gaps ORDER BY rowid")]

    def entries(self) -> list[Entry]:
        """In the order in which they were first told."""
        rows = self._db.execute("SELECT source, session, told_at, event FROM record ORDER BY rowid")
        return [
            Entry(source, session, told_at, _RECORDED.validate_json(event))
            for source, session, told_at, event in rows
        ]


def write(record: Record, folder: Path) -> Path:
    """`report.md` and, where there are events, `timeline.png`; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, gaps = record.entries(), record.gaps()
    drawn = draw(entries, gaps, folder / "timeline.png")
    path = folder / "report.md"
    path.write_text(markdown(entries, gaps, timeline=drawn))
    return path


def markdown(entries: Sequence[Entry], gaps: Sequence[Gap], *, timeline: bool) -> str:
    """The report, a section for each session."""
    lines = ["# What was seen", ""]
    counted = f"{len(events_of(entries))} events, {len(notes_of(entries))} notes"
    lines.append(f"{counted}, {len(gaps)} gaps." if gaps else f"{counted}.")
    if timeline:
        lines += ["", "![Events over time](timeline.png)"]
    lines += _gaps(gaps)
    for source, session in dict.fromkeys((entry.source, entry.session) for entry in entries):
        mine = [e for e in entries if (e.source, e.session) == (source, session)]
        lines += ["", f"## {escaped(source)} ({escaped(session)})"]
        lines += _events(mine) + _counts(mine) + _notes(mine)
    return "\n".join(lines) + "\n"


def _events(entries: Sequence[Entry]) -> list[str]:
    found = events_of(entries)
    if not found:
        return [] if counts_of(entries) else ["", "No event."]
    lines = ["", "| told (UTC) | from | to | what | |", "|---|---|---|---|---|"]
    for entry, event in found:
        end = "still there" if event.ended_s is None else clock(event.ended_s)
        sentence = escaped(event.sentence or "")
        row = (utc(entry.told_at), clock(event.started_s), end, escaped(event.query), sentence)
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _counts(entries: Sequence[Entry]) -> list[str]:
    """Every change of what is counted."""
    found = counts_of(entries)
    if not found:
        return []
    lines = ["", "| told (UTC) | at | counted | number | before |", "|---|---|---|---|---|"]
    for entry, event in found:
        before = "" if event.before is None else str(event.before)
        row = (
            utc(entry.told_at),
            clock(event.end_s),
            escaped(event.query),
            str(event.count),
            before,
        )
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _gaps(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    lines = ["", "## Gaps", "", "| source | from (UTC) | to (UTC) | at | why |"]
    lines.append("|---|---|---|---|---|")
    for gap in gaps:
        end = "still down" if gap.to_at is None else utc(gap.to_at)
        at = "" if gap.clock_s is None else clock(gap.clock_s)
        row = (escaped(gap.source), utc(gap.from_at), end, at, escaped(gap.reason))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _notes(entries: Sequence[Entry]) -> list[str]:
    found = notes_of(entries)
    if not found:
        return []
    return ["", *(f"- {clock(n.start_s)} to {clock(n.end_s)}: {escaped(n.text)}" for n in found)]


def events_of(entries: Sequence[Entry]) -> list[tuple[Entry, wire.WatchEvent]]:
    return [(e, e.event) for e in entries if isinstance(e.event, wire.WatchEvent)]


def counts_of(entries: Sequence[Entry]) -> list[tuple[Entry, wire.WatchCounted]]:
    return [(e, e.event) for e in entries if isinstance(e.event, wire.WatchCounted)]


def notes_of(entries: Sequence[Entry]) -> list[wire.Note]:
    return [e.event.note for e in entries if isinstance(e.event, wire.NoteAdded)]


def draw(entries: Sequence[Entry], gaps: Sequence[Gap], path: Path) -> bool:
    """A bar for each event, a line for each query of a source; a red stroke where the source was
    lost. Whether there was anything to draw. Raises EchoSieveError without matplotlib."""
    found = events_of(entries)
    if not found:
        return False
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise EchoSieveError("matplotlib is missing: pip install 'echosieve[monitor]'") from error
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}  # by source and query
    for entry, event in found:
        end_s = event.started_s if event.ended_s is None else event.ended_s
        bar = (event.started_s / 60, max(end_s - event.started_s, 1.0) / 60)
        rows.setdefault((entry.source, event.query), []).append(bar)
    figure = Figure(figsize=(10.0, 1.2 + 0.4 * len(rows)))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, ((source, _), bars) in enumerate(rows.items()):
        axes.broken_barh(bars, (place - 0.3, 0.6))
        lost = [
            gap.clock_s / 60 for gap in gaps if gap.source == source and gap.clock_s is not None
        ]
        axes.vlines(lost, place - 0.45, place + 0.45, colors="tab:red")
    axes.set_yticks(range(len(rows)), [f"{source}: {query}"[:60] for source, query in rows])
    axes.invert_yaxis()
    axes.set_xlabel("minutes of the session")
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    return True


def utc(at: float) -> str:
    """Unix seconds as a date and a time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(seconds: float) -> str:
    """Session time as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def escaped(text: str) -> str:
    """What was said or asked is text, not markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|!" else c for c in plain)
