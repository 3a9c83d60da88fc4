"""The standing queries of a session, around an engine that can refuse."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from session import wire
from session.engine import reports
from session.engine.aside import Then
from session.engine.jobs import Watch
from session.engine.overload import Waiting
from session.errors import SettingInvalid
from session.watch.hysteresis import STATE, State
from session.watch.snapshots import Snapshots
from session.watch.watches import Watches, Write
from sieve.tokens import Ingested, MemoryState
from sieve.verdict import Verdict
from tests.session.fakes import kept_map, raw

QUERY = "a red circle"
YES, NO = Verdict(0.9, 0.99), Verdict(0.1, 0.99)


class Moody:
    """An engine that takes standing queries while it is willing."""

    def __init__(self) -> None:
        self.willing = True

    async def take(self, _: Watch) -> None:
        if not self.willing:
            raise SettingInvalid("the question takes 9999 tokens, at most 1024 are read")


@dataclass
class Stage:
    """Watches whose windows and sentences come when the test says so."""

    pictures: Path
    journal: sqlite3.Connection
    engine: Moody = field(default_factory=Moody)
    told: list[wire.Event] = field(default_factory=list)
    writing: list[Then] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    watches: Watches = field(init=False)

    def __post_init__(self) -> None:
        self.watches = Watches(
            "ses",
            post=self.engine.take,
            tell=self.tell,
            ask=self._written,
            noted=lambda _, __, sentence: self.noted.append(sentence),
            snapshots=Snapshots(self.pictures),
        )

    def tell(self, event: wire.Event, also: Write | None = None) -> None:
        self.told.append(event)
        if also is not None:
            also(self.journal)

    async def describing(self, **settings: Any) -> str:
        """A watch whose events are described."""
        wanted = wire.WatchCreate(query=QUERY, describe=True, **settings)
        return (await self.watches.add(wanted)).id

    def judge(self, index: int, verdict: Verdict) -> None:
        (watch,) = self.watches.all()
        window = raw(index)
        kept = Ingested(kept_map(window), MemoryState(512, 12, 12, 0, 0, 4096, None, None), 0)
        waiting = Waiting(index, window, arrived=0.0)
        done = reports.WindowDone("ses", waiting, kept, 0.2, ingest_s=0.1, behind=0)
        self.watches.on_judged(reports.Judged("ses", index, {watch.id: verdict}, 0.1), done)

    def _written(self, _: str, then: Then) -> bool:
        self.writing.append(then)
        return True

    def changes(self) -> list[tuple[str, str, str | None]]:
        """Of each that was told of an event: what, of which, with which sentence."""
        events = [event for event in self.told if isinstance(event, wire.WatchEvent)]
        return [(event.change, event.id.rpartition(".")[2], event.sentence) for event in events]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with closing(sqlite3.connect(":memory:")) as journal:
        journal.execute("CREATE TABLE watches (id UNIQUE, session, settings, state)")
        yield Stage(tmp_path, journal)


async def test_a_watch_that_the_engine_refuses_to_change_stays_as_it_was(stage: Stage) -> None:
    watches = stage.watches
    before = await watches.add(wire.WatchCreate(query=QUERY, describe=True))
    stage.engine.willing = False
    with pytest.raises(SettingInvalid):
        await watches.change(before.id, wire.WatchPatch(within_s=30.0, min_s=4.0, describe=False))
    assert watches.all() == [before]
    stage.engine.willing = True
    changed = await watches.change(before.id, wire.WatchPatch(within_s=30.0))
    assert (changed.within_s, changed.min_s, changed.describe) == (30.0, 0.0, True)


async def test_what_had_to_last_begins_anew_when_a_watch_goes_on_with_its_record(
    stage: Stage,
) -> None:
    settings = wire.WatchCreate(query=QUERY, min_s=4.0)
    await stage.watches.restore([("wat_1", settings, State(since_s=0.0))])
    stage.judge(5, YES)
    assert stage.changes() == []  # it has lasted for two seconds of those that were watched
    stage.judge(6, YES)
    assert [change for change, *_ in stage.changes()] == ["new"]


async def test_a_query_that_the_engine_refuses_is_named(stage: Stage) -> None:
    stage.engine.willing = False
    with pytest.raises(SettingInvalid) as refused:
        await stage.watches.add(wire.WatchCreate(query=QUERY * 30))
    assert refused.value.param == "query"
    assert stage.watches.all() == []


async def test_the_sentence_of_an_event_of_one_window_is_told_with_its_end(stage: Stage) -> None:
    await stage.describing()
    stage.judge(0, YES)
    stage.judge(1, NO)
    stage.judge(2, NO)
    assert stage.changes() == [("new", "1", None)]
    (write,) = stage.writing
    write("a red circle, and a buzz")
    assert stage.changes()[1:] == [("end", "1", "a red circle, and a buzz")]
    end = stage.told[-1]
    assert isinstance(end, wire.WatchEvent)
    assert (end.started_s, end.ended_s, end.kept is not None) == (0.0, 2.0, True)
    assert stage.noted == ["a red circle, and a buzz"]


async def test_an_event_whose_picture_cannot_be_kept_is_told_without_it(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.watches.add(wire.WatchCreate(query=QUERY, snapshot=True))
    (stage.pictures / "ses").touch()  # where its folder should be
    stage.judge(0, YES)
    stage.judge(1, NO)
    assert [change for change, *_ in stage.changes()] == ["new", "end"]
    assert "is not kept" in caplog.text


async def test_an_end_is_told_where_there_is_no_sentence(stage: Stage) -> None:
    await stage.describing()
    stage.judge(0, YES)
    stage.judge(1, NO)
    stage.writing.pop()(None)
    assert stage.changes() == [("new", "1", None), ("end", "1", None)]


async def test_an_end_does_not_wait_for_its_sentence_for_ever(stage: Stage) -> None:
    await stage.describing()
    stage.judge(0, YES)
    for index in range(1, 7):
        stage.judge(index, NO)
    assert stage.changes() == [("new", "1", None), ("end", "1", None)]
    stage.writing.pop()("much too late")
    assert len(stage.changes()) == 2
    assert stage.noted == ["much too late"]


async def test_the_next_event_begins_after_the_end_that_waited(stage: Stage) -> None:
    await stage.describing()
    for index, verdict in enumerate([YES, NO, YES]):
        stage.judge(index, verdict)
    assert stage.changes() == [("new", "1", None), ("end", "1", None), ("new", "2", None)]
    first, second = stage.writing
    first("late")
    second("in time")
    assert stage.changes()[3:] == [("update", "2", "in time")]


@pytest.mark.parametrize("over", ["removed", "changed", "finished"])
async def test_what_is_told_of_a_watch_is_told_after_the_end_that_waits(
    over: str, stage: Stage
) -> None:
    watch = await stage.describing()
    stage.judge(0, YES)
    stage.judge(1, NO)
    match over:
        case "removed":
            await stage.watches.remove(watch, 4.0)
        case "changed":
            await stage.watches.change(watch, wire.WatchPatch(min_s=2.0))
        case _:
            stage.watches.finish(4.0)
    assert stage.changes() == [("new", "1", None), ("end", "1", None)]
    stage.writing.pop()("nobody needs this any more")
    assert len(stage.changes()) == 2
    assert over == "finished" or not isinstance(stage.told[-1], wire.WatchEvent)


async def test_a_service_that_is_killed_finds_an_event_open_whose_end_waits(stage: Stage) -> None:
    await stage.describing()
    stage.judge(0, YES)
    stage.judge(1, NO)
    assert open_on_file(stage.journal)
    stage.writing.pop()(None)
    assert not open_on_file(stage.journal)


def open_on_file(journal: sqlite3.Connection) -> bool:
    ((state,),) = journal.execute("SELECT state FROM watches").fetchall()
    return STATE.validate_json(state).open is not None
