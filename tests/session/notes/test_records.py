"""Notes and watches in the journal's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session import wire
from session.notes import records as note_records
from session.watch import records as watch_records
from session.watch.hysteresis import Open, State

INDEX = "SELECT block FROM notes_text_data"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:")
    made.execute("PRAGMA foreign_keys = ON")
    made.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY)")
    made.executemany("INSERT INTO sessions VALUES (?)", [("ses_a",), ("ses_b",)])
    made.executescript(note_records.TABLES + note_records.FORGOTTEN)
    made.executescript(watch_records.TABLES)
    yield made
    made.close()


def note(number: int, text: str, session: str = "ses_a") -> wire.Note:
    start_s = 60.0 * number
    return wire.Note(
        id=f"note_{session}_{number}",
        session=session,
        start_s=start_s,
        end_s=start_s + 60.0,
        noted_at=1_800_000_000.0 + start_s,
        text=text,
        reason="time",
    )


def filled(db: sqlite3.Connection, *texts: str, session: str = "ses_a") -> list[wire.Note]:
    notes = [note(number, text, session) for number, text in enumerate(texts)]
    for one in notes:
        note_records.add(db, note=one)
    return notes


def test_notes_come_back_as_they_were(db: sqlite3.Connection) -> None:
    notes = filled(db, "a red circle", "a buzz")
    assert note_records.within(db, "ses_a", 0.0, 1e9, 10) == notes
    assert note_records.within(db, "ses_b", 0.0, 1e9, 10) == []


def test_a_stretch_has_the_notes_that_overlap_it_the_newest_when_there_are_many(
    db: sqlite3.Connection,
) -> None:
    notes = filled(db, "one", "two", "three", "four")
    assert note_records.within(db, "ses_a", 70.0, 130.0, 10) == notes[1:3]
    assert note_records.within(db, "ses_a", 60.0, 120.0, 10) == notes[1:2]
    assert note_records.within(db, "ses_a", 0.0, 1e9, 2) == notes[2:]


def test_the_best_match_comes_first(db: sqlite3.Connection) -> None:
    notes = filled(db, "a red circle and a blue square", "a red cross", "a buzz")
    assert note_records.search(db, "ses_a", "red circles", 10) == notes[:2]
    assert note_records.search(db, "ses_a", "BUZZ", 10) == notes[2:]
    assert note_records.search(db, "ses_a", "dog", 10) == []


def test_nobody_finds_the_notes_of_another_session(db: sqlite3.Connection) -> None:
    filled(db, "a secret", session="ses_b")
    assert note_records.search(db, "ses_a", "secret", 10) == []


@given(words=st.text())
def test_whatever_is_searched_for_is_no_syntax(words: str) -> None:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY)")
    made.executescript(note_records.TABLES)
    assert note_records.search(made, "ses_a", words, 10) == []
    made.close()


def test_with_a_session_goes_every_word_of_it(db: sqlite3.Connection) -> None:
    filled(db, "a secret")
    filled(db, "of another", session="ses_b")
    note_records.set_to(db, "ses_a", wire.NoteSettings(every_s=60.0))
    settings = wire.WatchCreate(query="a cat")
    watch_records.save(db, session="ses_a", watch="wat_1", settings=settings, state=State())
    assert any(b"secret" in block for (block,) in db.execute(INDEX))
    with note_records.forgetting(db):
        db.execute("DELETE FROM sessions WHERE id = 'ses_a'")
    assert not any(b"secret" in block for (block,) in db.execute(INDEX))
    assert note_records.settings(db, "ses_a") == wire.NoteSettings()
    assert watch_records.load(db, "ses_a") == []


def test_old_notes_leave_with_their_words(db: sqlite3.Connection) -> None:
    notes = filled(db, "a secret", "a buzz")
    with note_records.forgetting(db):
        note_records.remove_old(db, notes[1].noted_at)
    assert note_records.within(db, "ses_a", 0.0, 1e9, 10) == notes[1:]
    assert not any(b"secret" in block for (block,) in db.execute(INDEX))
    assert note_records.search(db, "ses_a", "buzz", 10) == notes[1:]


def test_the_index_is_made_anew_once_and_only_where_notes_have_gone(db: sqlite3.Connection) -> None:
    filled(db, "a secret")
    db.executemany("INSERT INTO sessions VALUES (?)", [("ses_c",), ("ses_d",)])
    done: list[str] = []
    db.set_trace_callback(done.append)
    for sessions, times in (("('ses_b', 'ses_c')", 0), ("('ses_a', 'ses_d')", 1)):
        with note_records.forgetting(db):
            db.execute(f"DELETE FROM sessions WHERE id IN {sessions}")
        assert sum("'rebuild'" in statement for statement in done) == times


def test_settings_are_kept_and_replaced(db: sqlite3.Connection) -> None:
    assert note_records.settings(db, "ses_a") == wire.NoteSettings()
    for settings in (wire.NoteSettings(every_s=60.0), wire.NoteSettings(events=True)):
        note_records.set_to(db, "ses_a", settings)
        assert note_records.settings(db, "ses_a") == settings


def test_a_watch_comes_back_with_its_state(db: sqlite3.Connection) -> None:
    quiet = wire.QuietHours(start="22:00", end="07:00", zone="Europe/Berlin")
    settings = wire.WatchCreate(query="a cat", threshold=0.7, quiet=[quiet], snapshot=True)
    states = [State(), State(events=3, open=Open(3, 4.0, 8.0, ((4.0, 8.0),)), calm_until_s=2.0)]
    for state in states:
        watch_records.save(db, session="ses_a", watch="wat_1", settings=settings, state=state)
        assert watch_records.load(db, "ses_a") == [("wat_1", settings, state)]
    watch_records.remove(db, watch="wat_1")
    assert watch_records.load(db, "ses_a") == []
