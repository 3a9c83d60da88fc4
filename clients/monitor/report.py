"""What a monitor has seen: kept as it happens, written at the end as Markdown with a timeline.

The record is a SQLite file, so that a report covers what was before a restart too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
)
"""
Recorded = wire.WatchEvent | wire.NoteAdded
_RECORDED: TypeAdapter[Recorded] = TypeAdapter(Recorded)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stood last, or a note."""

    source: str
    session: str
    told_at: float
    event: Recorded


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
        key = event.id if isinstance(event, wire.WatchEvent) else event.note.id
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET event = excluded.event",
            (key, entry.source, entry.session, entry.told_at, event.model_dump_json()),
        )

    def entries(self) -> list[Entry]:
        """In the order in which they were first told."""
        rows = self._db.execute("SELECT source, session, told_at, event FROM record ORDER BY rowid")
        return [
            Entry(source, session, told_at, _RECORDED.validate_json(event))
            for source, session, told_at, event in rows
        ]


def write(entries: Sequence[Entry], folder: Path) -> Path:
    """`report.md` and, where there are events, `timeline.png`; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(entries, folder / "timeline.png")
    path = folder / "report.md"
    path.write_text(markdown(entries, timeline=drawn))
    return path


def markdown(entries: Sequence[Entry], *, timeline: bool) -> str:
    """The report, a section for each session."""
    lines = ["# What was seen", ""]
    lines.append(f"{len(events_of(entries))} events, {len(notes_of(entries))} notes.")
    if timeline:
        lines += ["", "![Events over time](timeline.png)"]
    for source, session in dict.fromkeys((entry.source, entry.session) for entry in entries):
        mine = [e for e in entries if (e.source, e.session) == (source, session)]
        lines += ["", f"## {escaped(source)} ({escaped(session)})"]
        lines += _events(mine) + _notes(mine)
    return "\n".join(lines) + "\n"


def _events(entries: Sequence[Entry]) -> list[str]:
    found = events_of(entries)
    if not found:
        return ["", "No event."]
    lines = ["", "| told (UTC) | from | to | what | |", "|---|---|---|---|---|"]
    for entry, event in found:
        end = "still there" if event.ended_s is None else clock(event.ended_s)
        told = datetime.fromtimestamp(entry.told_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        sentence = escaped(event.sentence or "")
        row = (told, clock(event.started_s), end, escaped(event.query), sentence)
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _notes(entries: Sequence[Entry]) -> list[str]:
    found = notes_of(entries)
    if not found:
        return []
    return ["", *(f"- {clock(n.start_s)} to {clock(n.end_s)}: {escaped(n.text)}" for n in found)]


def events_of(entries: Sequence[Entry]) -> list[tuple[Entry, wire.WatchEvent]]:
    return [(e, e.event) for e in entries if isinstance(e.event, wire.WatchEvent)]


def notes_of(entries: Sequence[Entry]) -> list[wire.Note]:
    return [e.event.note for e in entries if isinstance(e.event, wire.NoteAdded)]


def draw(entries: Sequence[Entry], path: Path) -> bool:
    """A bar for each event, a line for each query of a source. Whether there was anything to draw.
    Raises EchoSieveError without matplotlib."""
    found = events_of(entries)
    if not found:
        return False
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise EchoSieveError("matplotlib is missing: pip install 'echosieve[monitor]'") from error
    rows: dict[str, list[tuple[float, float]]] = {}
    for entry, event in found:
        end_s = event.started_s if event.ended_s is None else event.ended_s
        bar = (event.started_s / 60, max(end_s - event.started_s, 1.0) / 60)
        rows.setdefault(f"{entry.source}: {event.query}"[:60], []).append(bar)
    figure = Figure(figsize=(10.0, 1.2 + 0.4 * len(rows)))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, bars in enumerate(rows.values()):
        axes.broken_barh(bars, (place - 0.3, 0.6))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("minutes of the session")
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    return True


def clock(seconds: float) -> str:
    """Session time as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def escaped(text: str) -> str:
    """What was said or asked is text, not markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|!" else c for c in plain)
