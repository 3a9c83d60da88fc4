"""A running record in words: a line about every stretch of the stream, and about every event."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from session import wire
from session.engine import reports
from session.engine.aside import Ask
from session.ids import new_id
from session.notes import records as note_records
from session.watch.watches import DESCRIBE, Tell
from sieve.tokens import WINDOW_S

MINUTE = "describe the last minute"
SHORT_S = 20.0  # stretches up to this are told by what happened in their last seconds
REST_S = 4.0  # what is left at the stream's end is noted from here on; less says hardly anything
MOST_CHARACTERS = 1_000  # of a note


@dataclass(slots=True)
class NoteTaker:
    """Takes the notes of one session as its settings ask for. ``noted_s``: up to where;
    ``seen_s``: up to where the stream was seen."""

    session: str
    tell: Tell
    ask: Ask
    wall: Callable[[], float] = time.time
    settings: wire.NoteSettings = field(default_factory=wire.NoteSettings)
    noted_s: float | None = None
    seen_s: float = 0.0

    def set(self, patch: wire.NoteSettings) -> wire.NoteSettings:
        """From now on; what is absent stays, and so does what was noted."""
        before = self.settings
        self.settings = before.model_copy(update=patch.model_dump(exclude_unset=True))
        if self.settings.every_s != before.every_s:
            self.noted_s = None
        self.tell(wire.NotesSet(settings=self.settings), also=self._keep)
        return self.settings

    def on_window(self, done: reports.WindowDone) -> None:
        """A window went in. While the engine is behind, or has no time to be asked, the stretch
        becomes longer."""
        every_s, start_s = self.settings.every_s, done.waiting.window.start_s
        self.seen_s = done.waiting.end_s  # the notes of events need it too
        if every_s is None:
            return
        if self.noted_s is None:
            self.noted_s = start_s
        if self.seen_s - self.noted_s >= every_s and not done.behind:
            self._describe(self.noted_s)

    def on_end(self) -> None:
        """The stream has ended: what is left of it is noted too, however long a stretch is."""
        start_s = self.noted_s
        if self.settings.every_s is None or start_s is None:
            return
        if self.seen_s - start_s >= REST_S:
            self._describe(start_s)

    def on_event(self, query: str, started_s: float, sentence: str) -> None:
        """The model said a sentence about an event of a watch, which began a window ago; or less,
        where the stream ended in that window."""
        if self.settings.events:
            end_s = min(started_s + WINDOW_S, self.seen_s)
            self._add(started_s, end_s, "event", f"{query}: {sentence}")

    def _describe(self, start_s: float) -> None:
        end_s = self.seen_s
        question = DESCRIBE if end_s - start_s <= SHORT_S else MINUTE
        if self.ask(question, partial(self._add, start_s, end_s, "time")):
            self.noted_s = end_s

    def _add(self, start_s: float, end_s: float, reason: wire.NoteReason, text: str | None) -> None:
        if text is None:
            return
        note = wire.Note(
            id=new_id("note"),
            session=self.session,
            start_s=start_s,
            end_s=end_s,
            noted_at=self.wall(),
            text=" ".join(text.split())[:MOST_CHARACTERS],
            reason=reason,
        )
        self.tell(wire.NoteAdded(note=note), also=partial(note_records.add, note=note))

    def _keep(self, db: sqlite3.Connection) -> None:
        note_records.set_to(db, self.session, self.settings)
