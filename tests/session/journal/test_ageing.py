"""What ages out of the journal, what is spared, and what is left of a session that is removed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest

from session import wire
from session.config import Keep, ServiceConfig
from session.journal import records
from session.journal.journal import IN_MEMORY, opened
from session.journal.schema import STEPS
from session.roster import archive as archive_module
from session.watch import records as watch_records
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine, eventually
from tests.session.journal.test_shelf import pictures, shown

LONG_AGO_AT = time.time() - 40 * 86_400.0
WATCH = {"query": "the secret is it there since 0", "describe": True, "snapshot": True}


async def lived(house: House) -> str:
    """A session that has everything a session can have."""
    session, peer = await house.join()
    await house.http.post(f"/v1/sessions/{session}/watches", json=WATCH)
    await house.http.patch(f"/v1/sessions/{session}/notes", json={"events": True})
    await shown(house, session, peer, 2)
    assert (await house.ask(session, "the secret question")).status_code == 200
    await (await house.manager.live(session)).hub.told()
    return session


async def make_old(house: House, session: str) -> None:
    """All that is on file of it is of long ago."""

    def work(db: sqlite3.Connection) -> None:
        at = (LONG_AGO_AT, session)
        db.execute("UPDATE sessions SET changed_at = ? WHERE id = ?", at)
        db.execute("UPDATE events SET told_at = ? WHERE session = ?", at)
        db.execute("UPDATE answers SET asked_at = ? WHERE session = ?", at)
        db.execute("UPDATE notes SET noted_at = ? WHERE session = ?", at)

    await house.app.state.service.shelf.journal.do(work)
    for picture in house.app.state.service.shelf.snapshots.folder.glob(f"{session}/*.jpg"):
        os.utime(picture, (LONG_AGO_AT, LONG_AGO_AT))


async def rows_with(house: House, *texts: str) -> dict[str, int]:
    """How many rows of each table, also those of the index, hold one of the texts."""

    def work(db: sqlite3.Connection) -> dict[str, int]:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE sql > ''")]
        found = {}
        for table in tables:
            try:
                rows = db.execute(f"SELECT * FROM [{table}]").fetchall()
            except sqlite3.OperationalError:  # an index or a trigger
                continue
            held = [row for row in rows if any(text in str(row) for text in texts)]
            if held:
                found[table] = len(held)
        return found

    return dict(await house.app.state.service.shelf.journal.do(work))


def everything_in(folder: Path) -> bytes:
    """The bytes and names of all that lies there."""
    paths = list(folder.rglob("*"))
    return b"".join([*(bytes(p) for p in paths), *(p.read_bytes() for p in paths if p.is_file())])


async def test_an_ended_session_ages_out_with_all_that_is_of_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(), ServiceConfig(journal=str(file))):
        old, young = await lived(house), await lived(house)
        for session in (old, young):
            await house.manager.end(session, "enough")
            house.manager.recent.drop(session)
        await make_old(house, old)
        await house.app.state.service.archive.prune(Keep(days=30.0))
        assert await rows_with(house, old) == {}
        assert (await house.http.get(f"/v1/sessions/{old}")).status_code == 404
        assert {picture.parent.name for picture in pictures(file)} == {young}
        kept = await rows_with(house, young)
        assert {"sessions", "events", "answers", "notes", "watches", "note_settings"} <= set(kept)


async def test_of_a_session_that_goes_on_only_what_is_old_leaves(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(), ServiceConfig(journal=str(file))):
        session = await lived(house)
        made = await house.http.post("/v1/sessions", json={"room": "room"})
        waits = made.json()["id"]
        await make_old(house, session)
        await make_old(house, waits)
        await house.app.state.service.archive.prune(Keep(days=30.0))
        assert set(await rows_with(house, session)) == {"sessions", "watches", "note_settings"}
        assert not pictures(file)
        assert not (await house.manager.live(session)).ended
        assert (await house.ask(session, "still")).status_code == 200
        told = (await house.http.patch(f"/v1/sessions/{waits}", json={"retention": 0.1})).json()
        assert (told["state"], told["retention"]) == ("waiting", 0.1)


async def test_a_journal_that_is_too_large_gives_up_its_oldest_ended_session() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        sessions = []
        for _ in range(2):
            sessions.append(await lived(house))
            await house.manager.end(sessions[-1], "enough")
        sessions.append(await lived(house))
        journal = house.app.state.service.shelf.journal
        assert await journal.do(records.remove_oldest) == sessions[:1]
        assert await journal.do(records.remove_oldest) == sessions[1:2]
        assert await journal.do(records.remove_oldest) == []
        assert await journal.do(records.remove_oldest) is None
        assert {"sessions", "notes"} <= set(await rows_with(house, sessions[2]))


async def test_older_events_of_a_session_that_goes_on_go_before_a_session_that_has_just_ended() -> (
    None
):
    async for house in open_house(FakeEngine(), ServiceConfig()):
        camera, meeting = await lived(house), await lived(house)
        await make_old(house, camera)
        await house.manager.end(meeting, "enough")
        journal = house.app.state.service.shelf.journal
        assert await journal.do(records.remove_oldest) == []
        assert not {"events", "answers"} & set(await rows_with(house, camera))
        assert {"events", "answers"} <= set(await rows_with(house, meeting))
        assert await journal.do(records.remove_oldest) == [meeting]


async def test_the_oldest_are_found_by_their_age_and_not_by_reading_all() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):

        def plan(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(f"EXPLAIN QUERY PLAN {records._OLDEST[0]}", (1.0, 10)).fetchall()
            return [row[-1] for row in rows]

        steps = await house.app.state.service.shelf.journal.do(plan)
        assert any("events_by_age (told_at<?)" in step for step in steps)
        assert not any("TEMP B-TREE" in step for step in steps)


async def test_a_journal_that_is_too_large_gives_up_all_that_can_go_whatever_the_file_saves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is small shares its page of the file with others."""
    monkeypatch.setattr(archive_module, "MIB", 1)
    config = ServiceConfig(journal=str(tmp_path / "journal.db"))
    async for house in open_house(FakeEngine(), config):
        sessions = [await lived(house) for _ in range(3)]
        for session in sessions[:2]:
            await house.manager.end(session, "enough")
        await house.app.state.service.archive.prune(Keep(mib=1))
        for session in sessions[:2]:
            assert await rows_with(house, session) == {}
        left = await rows_with(house, sessions[2])
        assert "sessions" in left
        assert not {"events", "answers"} & set(left)
    assert "do not age" in caplog.text


async def test_notes_leave_together_and_their_words_are_forgotten_seldom() -> None:
    """To forget the words of one takes as long as to forget those of all."""
    async for house in open_house(FakeEngine(), ServiceConfig()):
        session, service = await lived(house), house.app.state.service
        at = time.time() - 29.5 * 86_400.0
        await service.shelf.journal.do(partial(noted, at=at))
        await service.archive.prune(Keep(days=30.0))
        assert "notes" in await rows_with(house, session)
        await service.shelf.journal.do(partial(noted_again, at=LONG_AGO_AT))
        await service.archive.prune(Keep(days=30.0))
        assert "notes" not in await rows_with(house, session)


def noted(db: sqlite3.Connection, at: float) -> None:
    """All of them."""
    db.execute("UPDATE notes SET noted_at = ?", (at,))


def noted_again(db: sqlite3.Connection, at: float) -> None:
    """One of them, at another time."""
    db.execute(
        "INSERT INTO notes SELECT 1000, 'again', session, start_s, end_s, ?, text, reason "
        "FROM notes LIMIT 1",
        (at,),
    )


async def test_nothing_of_a_removed_session_is_in_any_table_or_file(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(), ServiceConfig(journal=str(file))):
        session = await lived(house)
        assert {"notes", "notes_text"} <= set(await rows_with(house, session, "secret"))
        removed = await house.http.delete(f"/v1/sessions/{session}/record")
        assert removed.status_code == 204
        assert await rows_with(house, session, "secret") == {}
        held = everything_in(tmp_path)
        assert session.encode() not in held
        assert b"secret" not in held


# --- Pages ----------------------------------------------------------------------------------------


async def page(house: House, path: str, **params: str | int) -> list[str]:
    """The questions of a page of answers, or the ids of a page of sessions."""
    body = (await house.http.get(path, params=params)).json()
    if "answers" in body:
        return [answer["question"] for answer in body["answers"]]
    return [session["id"] for session in body["sessions"]]


async def test_pages_of_answers_go_both_ways_and_miss_nothing_that_came_meanwhile() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        session, _ = await house.join()
        ids = [(await house.ask(session, f"q{number}")).json()["id"] for number in range(5)]
        path = f"/v1/sessions/{session}/answers"
        assert await page(house, path, limit=2) == ["q0", "q1"]
        ids.append((await house.ask(session, "q5")).json()["id"])
        assert await page(house, path, limit=2, after=ids[1]) == ["q2", "q3"]
        assert await page(house, path, limit=9, after=ids[3]) == ["q4", "q5"]
        assert await page(house, path, limit=2, before=ids[4]) == ["q2", "q3"]
        first = await house.http.get(path, params={"before": ids[2], "limit": 2})
        assert [a["question"] for a in first.json()["answers"]] == ["q0", "q1"]
        assert not first.json()["has_more"]
        newest = await house.http.get(path, params={"before": "newest", "limit": 2})
        assert [a["question"] for a in newest.json()["answers"]] == ["q4", "q5"]
        assert newest.json()["has_more"]


async def until_asked(house: House, questions: int) -> None:
    await eventually(lambda: len(house.engine.asked) == questions)


async def test_an_answer_that_is_finished_after_a_later_one_comes_after_it() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        session, _ = await house.join()
        path = f"/v1/sessions/{session}"
        slow = {"question": "slowly", "max_tokens": 256}
        asking = asyncio.create_task(house.http.post(f"{path}/ask", json=slow))
        await until_asked(house, 1)
        quick = (await house.ask(session, "quick")).json()["id"]
        assert await page(house, f"{path}/answers", after=quick) == []
        first = (await asking).json()["id"]
        assert await page(house, f"{path}/answers", after=quick) == ["slowly"]
        assert await page(house, f"{path}/answers", before=first) == ["quick"]
        assert await page(house, f"{path}/answers") == ["quick", "slowly"]


async def test_an_answer_that_is_being_written_begins_no_page() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        session, _ = await house.join()
        path = f"/v1/sessions/{session}"
        events = house.manager.get(session).hub.subscribe()
        slow = {"question": "slowly", "max_tokens": 256}
        asking = asyncio.create_task(house.http.post(f"{path}/ask", json=slow))
        started = await anext(n.event async for n in events if n.event.type == "answer.started")
        assert isinstance(started, wire.AnswerStarted)
        refused = await house.http.get(f"{path}/answers", params={"after": started.id})
        assert refused.status_code == 400
        await asking


def test_the_answers_of_an_older_journal_keep_the_order_of_their_questions(tmp_path: Path) -> None:
    file = str(tmp_path / "journal.db")
    older = dict(STEPS)
    del older["order of answers"]
    db = opened(file, older)
    db.execute("INSERT INTO sessions VALUES ('s', 'ended', 1, 1, 0, '{}', '{}')")
    for id, finished in (("a", True), ("b", False), ("c", True)):
        given = records.failed(id, "s", 1.0, 1.0, id).model_dump_json() if finished else None
        row = (id, "s", 1.0, 1.0, id, 1, given)
        columns = "id, session, asked_at, asked_s, question, remembered, answer"
        db.execute(f"INSERT INTO answers ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    db = opened(file, STEPS)
    assert [answer.id for answer in records.answers_after(db, "s", None, 9)] == ["a", "c"]
    records.answer(db, records.failed("b", "s", 1.0, 1.0, "b"))
    assert [answer.id for answer in records.answers_after(db, "s", "c", 9)] == ["b"]
    db.close()


async def test_pages_of_sessions_hold_each_once_also_those_of_one_moment() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        template = records.load
        ended = await house.join()
        await house.manager.end(ended[0], "enough")
        journal = house.app.state.service.shelf.journal
        made = (await journal.do(partial(template, session=ended[0]))).session
        for number in range(4):  # of one moment
            copy = made.model_copy(update={"id": f"ses_{number}", "created_at": 1e9})
            await journal.do(partial(records.save, session=copy))
        path, seen = "/v1/sessions", []
        last: dict[str, str] = {}
        for _ in range(3):
            seen += await page(house, path, state="ended", limit=2, **last)
            last = {"before": seen[-1]}
            new = made.model_copy(update={"id": f"new_{len(seen)}", "created_at": 9e9})
            await journal.do(partial(records.save, session=new))  # moves nothing
        assert seen == [ended[0], "ses_3", "ses_2", "ses_1", "ses_0"]


async def test_a_page_that_begins_nowhere_is_refused() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig()):
        one, _ = await house.join()
        two, _ = await house.join()
        other = (await house.ask(two, "mine")).json()["id"]
        for path, param, id in (
            (f"/v1/sessions/{one}/answers", "before", "ans_none"),
            (f"/v1/sessions/{one}/answers", "after", "ans_none"),
            (f"/v1/sessions/{one}/answers", "after", other),
            ("/v1/sessions?state=ended", "before", "ses_none"),
        ):
            glue = "&" if "?" in path else "?"
            refused = await house.http.get(f"{path}{glue}{param}={id}")
            error = wire.ErrorBody.model_validate_json(refused.content).error
            assert (refused.status_code, error.param) == (400, param)
            assert id in error.message
        both = await house.http.get(f"/v1/sessions/{two}/answers?before={other}&after={other}")
        assert both.status_code == 400


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (watch_records.EVENTS, "events_of_watches"),
        (watch_records.COUNTS, "counts_of_watches"),
    ],
)
def test_what_was_told_of_watches_is_found_without_reading_all_events(
    statement: str, index: str
) -> None:
    db = opened(IN_MEMORY, STEPS)
    plan = db.execute(f"EXPLAIN QUERY PLAN {statement}", ("", 1)).fetchall()
    assert f"USING INDEX {index}" in str(plan)
    db.close()
