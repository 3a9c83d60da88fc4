"""A monitor's report: Markdown with a timeline, of what is in its record."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from clients.monitor.record import (
    Blank,
    Entry,
    Gap,
    Record,
    Seen,
    Stretch,
    counts_of,
    events_of,
    notes_of,
)
from clients.monitor.timeline import clock, draw
from clients.monitor.whole import replacing
from clients.sdk.errors import EchoSieveError
from session import wire

log = logging.getLogger("echosieve")


def write(record: Record, folder: Path) -> Path:
    """`report.md` and, where something was watched, `timeline.png`; returns the first. Raises
    EchoSieveError where it cannot be written: then the one before stands."""
    seen = record.seen()
    path = folder / "report.md"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        drawn = _drawn(seen, folder / "timeline.png")
        with replacing(path) as beside:
            beside.write_text(markdown(seen, timeline=drawn))
    except OSError as error:
        raise EchoSieveError(
            f"{path}: cannot be written ({error.strerror or error}); what has been seen is on "
            "record, and comes into the next report"
        ) from error
    return path


def _drawn(seen: Seen, path: Path) -> bool:
    """A report without a picture is better than none."""
    try:
        return draw(seen, path)
    except (EchoSieveError, OSError) as error:
        log.warning("the report has no timeline: %s", error)
        return False


def markdown(seen: Seen, *, timeline: bool) -> str:
    """The report, a section for each session."""
    counted = [number(len(events_of(seen.entries)), "event")]
    counted.append(number(len(notes_of(seen.entries)), "note"))
    if missing := len(seen.gaps) + len(seen.blanks):
        counted.append(number(missing, "gap"))
    lines = ["# What was seen", "", f"{', '.join(counted)}."]
    if timeline:
        lines += ["", "![What was watched and seen over time](timeline.png)"]
    lines += _gaps(seen)
    for (source, session), name in seen.sessions.items():
        mine = [e for e in seen.entries if (e.source, e.session) == (source, session)]
        lines += ["", f"## {escaped(name)} ({escaped(session)})"]
        lines += _watched([one for one in seen.stretches if one.session == session])
        lines += _events(mine) + _counts(mine) + _unjudged(mine) + _notes(mine)
    return "\n".join(lines) + "\n"


def _watched(stretches: Sequence[Stretch]) -> list[str]:
    """From the first window to the last: the clock does not run while there is no sender."""
    if not stretches:
        return []
    return ["", f"Watched from {clock(stretches[0].from_s)} to {clock(stretches[-1].to_s)}."]


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


def _unjudged(entries: Sequence[Entry]) -> list[str]:
    """Watches from which nothing can be concluded, not even that nothing happened."""
    said = (entry.event for entry in entries if isinstance(entry.event, wire.WatchUnanswered))
    lines = [f"- {escaped(event.query)} (asked as: {escaped(event.question)})" for event in said]
    return (
        ["", "Not judged, as the model had no answer; word these otherwise:", *lines]
        if lines
        else []
    )


def _gaps(seen: Seen) -> list[str]:
    """By source, in the order of the sections, and by time."""
    if not seen.gaps and not seen.blanks:
        return []
    sources = [*(source for source, _ in seen.sessions), *(gap.source for gap in seen.gaps)]
    places = {source: place for place, source in enumerate(dict.fromkeys(sources))}
    sessions = {session: place for place, session in enumerate(seen.sessions)}

    def at(blank: Blank) -> tuple[int, int, float]:
        last = len(places), len(sessions)
        session = sessions.get((blank.source, blank.session), last[1])
        return places.get(blank.source, last[0]), session, blank.from_s

    gaps = sorted(seen.gaps, key=lambda gap: (places[gap.source], gap.from_at))
    return ["", "## Gaps", *_lost(gaps), *_blank(sorted(seen.blanks, key=at))]


def _lost(gaps: Sequence[Gap]) -> list[str]:
    """Times in which a source was not watched."""
    if not gaps:
        return []
    lines = ["", "| source | from (UTC) | to (UTC) | at | why |", "|---|---|---|---|---|"]
    for gap in gaps:
        end = "still down" if gap.to_at is None else utc(gap.to_at)
        at = "" if gap.clock_s is None else clock(gap.clock_s)
        row = (escaped(gap.source), utc(gap.from_at), end, at, escaped(gap.reason))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _blank(blanks: Sequence[Blank]) -> list[str]:
    """Times in which it was watched, and something of it did not come."""
    if not blanks:
        return []
    lines = ["", "| source | session | from | to | |", "|---|---|---|---|---|"]
    for blank in blanks:
        names = escaped(blank.source), escaped(blank.session)
        row = (*names, clock(blank.from_s), clock(blank.to_s), escaped(blank.what))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _notes(entries: Sequence[Entry]) -> list[str]:
    found = notes_of(entries)
    if not found:
        return []
    return ["", *(f"- {clock(n.start_s)} to {clock(n.end_s)}: {escaped(n.text)}" for n in found)]


def number(count: int, what: str) -> str:
    """As one says it: `1 gap`, `2 gaps`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def utc(at: float) -> str:
    """Unix seconds as a date and a time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def escaped(text: str) -> str:
    """What was said or asked is text, not markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|!" else c for c in plain)
