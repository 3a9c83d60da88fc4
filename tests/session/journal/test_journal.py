"""The file that everything goes into, and what can be wrong with it."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from session.errors import JournalBehind, JournalFailed
from session.journal.journal import Job, Journal, JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    journal = Journal(path)
    yield journal
    await journal.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "journal"]


def note(db: sqlite3.Connection, name: str = "a note") -> None:
    db.execute("INSERT INTO steps VALUES (?)", (name,))


def names(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM steps ORDER BY rowid")]


async def test_what_is_done_is_on_file(path: Path) -> None:
    journal = Journal(path)
    await journal.do(note)
    await journal.close()
    with sqlite3.connect(path) as db:
        assert "a note" in names(db)
    db.close()


async def test_what_is_settled_is_synced_to_the_disk(journal: Journal) -> None:
    assert await journal.do(lambda db: db.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL


async def test_nobody_else_on_the_machine_may_read_it(journal: Journal, path: Path) -> None:
    await journal.do(note)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_jobs_are_settled_in_the_order_they_came(journal: Journal) -> None:
    settled: list[int] = []
    for number in range(600):  # more than one group

        def settle(result: None, error: Exception | None, number: int = number) -> None:
            settled.append(number)

        journal.put(Job(lambda db: None, settle))
    await journal.do(lambda db: None)
    assert settled == list(range(600))


async def test_a_job_that_fails_takes_nothing_of_its_group_with_it(journal: Journal) -> None:
    outcomes: list[object] = []

    def broken(db: sqlite3.Connection) -> None:
        note(db, "half")
        raise ZeroDivisionError

    for work in (note, broken, lambda db: note(db, "another")):
        journal.put(Job(work, lambda result, error: outcomes.append(error)))
    kept = await journal.do(names)
    assert [type(outcome) for outcome in outcomes] == [type(None), ZeroDivisionError, type(None)]
    assert kept[-2:] == ["a note", "another"]


async def test_who_asks_for_the_impossible_is_told(journal: Journal) -> None:
    with pytest.raises(JournalFailed, match="no such table"):
        await journal.do(lambda db: db.execute("SELECT * FROM nowhere"))
    with pytest.raises(KeyError):
        await journal.do(lambda db: {}["absent"])


def put_all(journal: Journal, jobs: list[Job]) -> None:
    for job in jobs:
        journal.put(job)


async def test_more_than_may_wait_is_refused(path: Path) -> None:
    journal = Journal(path, room=2)
    held = threading.Event()
    journal.put(Job(lambda db: held.wait(), lambda result, error: None))
    idle = Job(lambda db: None, lambda result, error: None)
    with pytest.raises(JournalBehind, match="keep up"):
        put_all(journal, [idle] * 4)
    held.set()
    await journal.close()


async def test_a_full_disk_is_told_and_passes(journal: Journal) -> None:
    pages = await journal.do(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await journal.do(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    with pytest.raises(JournalFailed, match="full"):
        await journal.do(lambda db: [note(db, "x" * 5_000 + str(n)) for n in range(20)])
    assert journal.failing is not None
    assert "full" in journal.failing
    assert await journal.do(names)  # what is on file can still be read
    assert journal.failing is not None
    await journal.do(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())
    await journal.do(note)
    assert journal.failing is None


async def test_what_was_deleted_is_nowhere_in_the_files(journal: Journal, path: Path) -> None:
    await journal.do(lambda db: note(db, "the secret word"))
    assert any(b"the secret word" in file.read_bytes() for file in path.parent.iterdir())
    await journal.do(lambda db: db.execute("DELETE FROM steps WHERE name LIKE 'the%'"), scrub=True)
    assert not any(b"the secret word" in file.read_bytes() for file in path.parent.iterdir())


HOLD = """
import asyncio, sys
from session.journal.journal import Journal

async def hold():
    journal = Journal(sys.argv[1])
    print("held", flush=True)
    sys.stdin.read()
    await journal.close()

asyncio.run(hold())
"""


async def test_a_file_that_another_process_holds_is_refused(path: Path) -> None:
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(path)), stdin=PIPE, stdout=PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    with pytest.raises(JournalError, match="another process"):
        Journal(path)
    await other.communicate(b"")
    await Journal(path).close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" * 99])
async def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"no journal|damaged"):
        Journal(path)
    assert path.read_bytes() == content


async def test_a_damaged_page_is_found_when_the_journal_is_opened(path: Path) -> None:
    journal = Journal(path)
    await journal.do(lambda db: [note(db, f"{n} " + "x" * 900) for n in range(50)])
    await journal.close()
    with path.open("r+b") as file:
        file.seek(20_000)
        file.write(b"\xff" * 3_000)
    with pytest.raises(JournalError, match="damaged"):
        Journal(path)


async def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.db")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path)


async def test_a_step_is_taken_once_and_a_newer_journal_is_refused(path: Path) -> None:
    steps = {"first": "CREATE TABLE a (x)"}
    await Journal(path, steps=steps).close()
    more = {**steps, "second": "CREATE TABLE b (x)"}
    journal = Journal(path, steps=more)
    assert await journal.do(names) == ["first", "second"]
    await journal.close()
    with pytest.raises(JournalError, match=r"newer version .*second"):
        Journal(path, steps=steps)


async def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with pytest.raises(JournalError):
        Journal(path, steps={"bad": "CREATE TABLE a (x); CREATE TABLE a (x)"})
    journal = Journal(path, steps={"good": "CREATE TABLE a (x)"})
    assert await journal.do(names) == ["good"]
    await journal.close()
