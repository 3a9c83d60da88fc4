"""The journal: one SQLite file, one connection, one thread that everything goes through.

Jobs are committed in groups, in the order they came; each is settled on the event loop, and only
once its group is on file. `synchronous=FULL` syncs the write-ahead log with every group: what was
settled outlives a loss of power too, and a number that was told is never given again. That costs a
few milliseconds on an SSD, once for all that waits. The connection holds the file alone, so no
statement ever waits for another process.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from session.errors import JournalBehind, JournalFailed
from session.journal.schema import STEPS

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""What a job does in its transaction. Done again where the group it was in fails."""

IN_MEMORY = ":memory:"
GROUP = 256  # jobs in one commit at most


class JournalError(Exception):
    """The journal cannot be used; the text says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Job:
    """`settle` gets the result, or what was raised, on the event loop's thread."""

    work: Work[Any]
    settle: Callable[[Any, Exception | None], None]
    scrub: bool = False  # leave nothing of what was deleted in the file


class Journal:
    """Open it on the event loop; `close` waits for all that was put."""

    def __init__(self, path: str | Path, *, steps: dict[str, str] = STEPS, room: int = 8_192):
        """`room`: jobs that may wait. Raises JournalError."""
        self.path = str(path)
        self.failing: str | None = None  # why the newest job that failed did
        self._jobs: queue.Queue[Job | None] = queue.Queue(room)
        self._db = opened(self.path, steps)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work_off, name="journal", daemon=True)
        self._thread.start()

    @property
    def in_memory(self) -> bool:
        return self.path == IN_MEMORY

    @property
    def waiting(self) -> int:
        """Jobs that are not on file yet."""
        return self._jobs.qsize()

    def put(self, job: Job) -> None:
        """Raises JournalBehind when too many wait."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise JournalBehind("the disk of the journal does not keep up") from None

    async def do(self, work: Work[T], *, scrub: bool = False) -> T:
        """Do it in a transaction, and return when that is on file. Raises JournalBehind,
        JournalFailed, and what `work` raises."""
        done: asyncio.Future[T] = self._loop.create_future()

        def settle(result: T, error: Exception | None) -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        self.put(Job(work, settle, scrub))
        try:
            return await done
        except sqlite3.Error as error:
            raise JournalFailed(f"the journal cannot do this: {error}") from error

    async def close(self) -> None:
        """Finish what was put, and give the file back."""
        await asyncio.to_thread(self._jobs.put, None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # what was settled last
        self._db.close()

    # --- On the journal's thread ---

    def _work_off(self) -> None:
        while (job := self._jobs.get()) is not None:
            group, ended = self._group(job)
            settled = self._commit(group)
            try:
                self._loop.call_soon_threadsafe(settle_all, settled)
            except RuntimeError:  # the loop has been closed under us: nobody waits any more
                return
            if ended:
                return

    def _group(self, first: Job) -> tuple[list[Job], bool]:
        """The job and those that wait behind it; whether the end is among them."""
        group = [first]
        while len(group) < GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _commit(self, group: list[Job]) -> list[tuple[Job, Any, Exception | None]]:
        """Together, or where that fails, each on its own: who is at fault harms no other."""
        try:
            results = self._transact(group)
        except Exception as error:
            if len(group) == 1:
                self._note_failure(error)
                return [(group[0], None, error)]
            return [settled for job in group for settled in self._commit([job])]
        if any(job.scrub for job in group):
            self._scrub()
        return [(job, result, None) for job, result in zip(group, results, strict=True)]

    def _transact(self, group: Iterable[Job]) -> list[Any]:
        changes = self._db.total_changes
        self._db.execute("BEGIN")
        try:
            results = [job.work(self._db) for job in group]
            self._db.execute("COMMIT")
            if self._db.total_changes > changes:
                self.failing = None
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results

    def _note_failure(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            if self.failing is None:
                log.error("the journal %s cannot be written: %s", self.path, error)
            self.failing = str(error)

    def _scrub(self) -> None:
        """Give free pages back, and empty the log, which still holds what was deleted."""
        try:
            self._db.execute("PRAGMA incremental_vacuum").fetchall()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            log.error("deleted text may still be in the log of the journal: %s", error)


def settle_all(settled: list[tuple[Job, Any, Exception | None]]) -> None:
    for job, result, error in settled:
        job.settle(result, error)


# --- Opening --------------------------------------------------------------------------------------


def opened(path: str, steps: dict[str, str]) -> sqlite3.Connection:
    """A connection that holds the file alone, with all tables. Raises JournalError."""
    try:
        make_private(path)
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"the journal {path} cannot be opened: {error}") from error
    try:
        prepare(db, path)
        migrate(db, path, steps)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise JournalError(f"the journal {path} {remedy(error)}") from error
        raise
    return db


def probe(path: str) -> None:
    """See whether the journal can be used. Raises JournalError."""
    opened(path, STEPS).close()


def make_private(path: str) -> None:
    """Nobody else on the machine may read it."""
    if path != IN_MEMORY:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch(mode=0o600)


def prepare(db: sqlite3.Connection, path: str) -> None:
    """Raises sqlite3.Error, JournalError."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("BEGIN EXCLUSIVE")  # raises where another process holds the file
    db.execute("COMMIT")
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise JournalError(
            f"the journal {path} is damaged ({found}): move it away, or repair a copy by "
            "`sqlite3 FILE .recover`"
        )


def migrate(db: sqlite3.Connection, path: str, steps: dict[str, str]) -> None:
    """Take the steps that the file has not seen. Raises sqlite3.Error, JournalError."""
    db.execute("CREATE TABLE IF NOT EXISTS steps (name TEXT PRIMARY KEY) STRICT")
    taken = {name for (name,) in db.execute("SELECT name FROM steps")}
    if unknown := taken - steps.keys():
        raise JournalError(
            f"the journal {path} was written by a newer version (it has {', '.join(unknown)}): "
            "use that version, or another file"
        )
    for name in (name for name in steps if name not in taken):
        db.executescript(f"BEGIN;{steps[name]};INSERT INTO steps VALUES ('{name}');COMMIT;")


def remedy(error: sqlite3.Error) -> str:
    """What is wrong with the file and what can be done."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is held by another process: stop that, or name another file by --journal"
    if name.startswith("SQLITE_READONLY"):
        return "cannot be written: change its permissions, or name another file by --journal"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return f"is no journal, or a damaged one ({error}): move it away, or name another file"
    if name.startswith("SQLITE_FULL"):
        return "lies on a disk that is full: make room, or name another file by --journal"
    return f"cannot be used: {error}"
