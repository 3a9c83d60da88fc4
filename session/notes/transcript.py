"""Notes as documents: Markdown to read, WebVTT to lay beside a recording. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from session import wire

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|"})


def markdown(session: wire.Session, notes: Sequence[wire.Note]) -> str:
    """A list with the times on the session clock, and when each was written (UTC)."""
    lines = [f"# Notes of {session.room}", "", f"Session {session.id}.", ""]
    for note in notes:
        stretch = f"{clock(note.start_s)} to {clock(note.end_s)}"
        written = datetime.fromtimestamp(note.noted_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"- **{stretch}** ({written} UTC) {note.text.translate(_MARKS)}")
    return "\n".join(lines) + "\n"


def webvtt(notes: Sequence[wire.Note]) -> str:
    """One cue a note, in the order of their beginnings (WebVTT, W3C, section 4)."""
    cues = [
        f"{note.id}\n{stamp(note.start_s)} --> {stamp(note.end_s)}\n{cue_text(note.text)}\n"
        for note in sorted(notes, key=lambda note: (note.start_s, note.end_s))
    ]
    return "\n".join(["WEBVTT\n", *cues])


def cue_text(text: str) -> str:
    """On one line, with what WebVTT would read as markup written out."""
    plain = " ".join(text.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clock(seconds: float) -> str:
    """90 -> "1:30", 3700 -> "1:01:40"."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def stamp(seconds: float) -> str:
    """90.5 -> "00:01:30.500"."""
    whole, thousandths = divmod(round(seconds * 1_000), 1_000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{thousandths:03}"
