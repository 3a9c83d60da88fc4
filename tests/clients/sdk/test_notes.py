"""Notes of a session, and counting, as a program reads them."""

from __future__ import annotations

import asyncio

import pytest

from clients.sdk import Session, SyncEchoSieve, errors
from session import wire
from tests.clients.sdk.conftest import Line
from tests.clients.sdk.test_restarts import attach
from tests.session.journal.test_shelf import shown


async def noted(line: Line) -> Session:
    """A session with two notes."""
    session, peer = await line.join()
    await session.notes.set(every_s=10.0)
    await shown(line.house, session.id, peer, 10)
    return session


async def test_notes_are_listed_searched_and_exported_also_after_the_end(line: Line) -> None:
    session = await noted(line)
    assert await session.notes.settings() == wire.NoteSettings(every_s=10.0)
    await session.close()
    listed = await session.notes.list()
    assert [(note.start_s, note.end_s) for note in listed] == [(0.0, 10.0), (10.0, 20.0)]
    assert await session.notes.list(limit=1) == listed[1:]
    assert await session.notes.search("10") == listed[1:]
    assert await session.notes.search("dog") == []
    assert "0:10 to 0:20" in await session.notes.export()
    assert (await session.notes.export("vtt")).startswith("WEBVTT")


async def test_a_wrong_number_of_notes_is_named(line: Line) -> None:
    session, _ = await line.join()
    with pytest.raises(errors.Invalid, match="limit"):
        await session.notes.list(limit=0)


async def test_a_question_is_answered_from_the_notes_where_that_is_wanted(line: Line) -> None:
    session = await noted(line)
    answer = await session.ask("describe it", notes="only")
    assert answer.text.startswith("From the notes: ")
    assert len(answer.notes) == 2
    assert (await session.ask("describe it", notes="never")).notes == []
    await session.close()
    again = await session.ask("describe it", notes="only")
    assert (again.text, again.notes) == (answer.text, answer.notes)
    with pytest.raises(errors.Conflict, match="answers from its notes alone"):
        await session.ask("describe it")


async def test_notes_and_watches_of_a_session_that_has_ended_are_set_for_when_it_goes_on(
    line: Line,
) -> None:
    session, _ = await line.join()
    await session.close()
    watch = await session.watches.create("a dog")
    await session.notes.set(every_s=20.0)
    with pytest.raises(errors.Conflict, match="session_over"):
        await session.update(retention=0.5)
    await attach(line.house, session.id)
    assert [one.id for one in await session.watches.list()] == [watch.id]
    assert await session.notes.settings() == wire.NoteSettings(every_s=20.0)


async def test_notes_need_no_await(line: Line) -> None:
    session = await noted(line)

    def work() -> tuple[list[wire.Note], str, wire.NoteSettings]:
        with SyncEchoSieve(line.url) as client:
            answer = client.sessions.get(session.id).ask("describe it", notes="only").whole()
            assert len(answer.notes) == 2
            notes = client.sessions.get(session.id).notes
            assert notes.settings().every_s == 10.0
            assert len(notes.list()) == 2
            return notes.search("10"), notes.export("md"), notes.set(None, events=True)

    found, document, settings = await asyncio.to_thread(work)
    assert len(found) == 1
    assert document.startswith("# Notes of room")
    assert settings == wire.NoteSettings(every_s=None, events=True)


async def test_what_is_counted_comes_among_the_events(line: Line) -> None:
    session, peer = await line.join()
    watch = await session.watches.count("windows", threshold=0.7)
    assert (watch.kind, watch.question) == ("count", "how many windows were there?")
    await shown(line.house, session.id, peer, 2)
    await session.close()
    events = [event async for event in session.events(after=0)]
    counts = [event.count for event in events if isinstance(event, wire.WatchCounted)]
    assert counts == [1, 2]
    assert (await session.watches.list())[0].count == 2
