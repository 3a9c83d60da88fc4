"""The numbered events of a session and those who listen to them."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session import wire
from session.journal import events, records
from session.journal.events import Hub, Numbered, Subscription
from session.journal.journal import Journal
from session.roster.idle import waiting

SESSION = waiting("room", wire.SessionPatch(retention=0.2, selector="cs2"))
A, B, C, D, E = (
    wire.WindowSkipped(index=index, start_s=2.0 * index, end_s=2.0 * index + 2.0, reason="a test")
    for index in range(5)
)
PIECE = wire.AnswerDelta(id="ans_1", delta="two\nlines")


def index_of(event: wire.Event | events.Past) -> int:
    return wire.WindowSkipped.model_validate_json(event.model_dump_json()).index


def indices(heard: list[Numbered]) -> list[int]:
    return [index_of(n.event) for n in heard if n.event.type == "window.skipped"]


async def rest_of(subscription: Subscription) -> list[Numbered]:
    return [numbered async for numbered in subscription]


async def journal_of(path: str) -> Journal:
    """A journal that knows the session of these tests."""
    journal = Journal(path)
    await journal.do(partial(records.save, session=SESSION, settings=wire.SessionPatch()))
    return journal


@pytest.fixture
async def journal() -> AsyncIterator[Journal]:
    journal = await journal_of(":memory:")
    yield journal
    await journal.close()


def hub_of(journal: Journal, *, ring: int = 8, queue: int = 8) -> Hub:
    return Hub(SESSION.id, journal, ring=ring, queue=queue)


async def test_every_listener_hears_every_event_in_order(journal: Journal) -> None:
    hub = hub_of(journal, ring=2)
    one, two = hub.subscribe(), hub.subscribe()
    for event in (A, B, C):
        hub.publish(event)
    hub.close()
    for subscription in (one, two):
        heard = await rest_of(subscription)
        assert indices(heard) == [0, 1, 2]
        assert [n.id for n in heard] == [1, 2, 3]


async def test_an_event_is_told_only_when_it_is_on_file(journal: Journal) -> None:
    hub = hub_of(journal)
    told: list[wire.Event] = []
    hub.tap = told.append
    hub.publish(A)
    assert not told
    await hub.told()
    assert told == [A]
    rows = await journal.do(lambda db: records.events(db, SESSION.id, 0, 9, 9))
    assert [number for number, _, _ in rows] == [1]


async def test_pieces_of_answers_keep_their_place_and_have_no_number(journal: Journal) -> None:
    hub = hub_of(journal)
    subscription = hub.subscribe()
    hub.publish(A)
    hub.tell(PIECE)
    hub.publish(B)
    hub.close()
    assert [n.id for n in await rest_of(subscription)] == [1, 0, 2]


@pytest.mark.parametrize("ring", [1, 2, 8])
async def test_who_comes_back_gets_what_was_missed_however_long_ago(
    journal: Journal, ring: int
) -> None:
    hub = hub_of(journal, ring=ring)
    for event in (A, B, C, D):
        hub.publish(event)
    await hub.told()
    again = hub.subscribe(after_id=1)
    hub.publish(E)
    hub.close()
    heard = await rest_of(again)
    assert [n.id for n in heard] == [2, 3, 4, 5]
    assert indices(heard) == [1, 2, 3, 4]


async def test_a_page_of_the_journal_is_not_the_end_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGE", 2)
    hub = hub_of(journal, ring=1, queue=2)
    for event in (A, B, C, D, E):
        hub.publish(event)
    await hub.told()
    hub.close()
    assert indices(await rest_of(hub.subscribe(after_id=0))) == [0, 1, 2, 3, 4]


async def test_what_has_been_removed_is_told_to_be_missing(journal: Journal) -> None:
    hub = hub_of(journal, ring=1)
    for event in (A, B, C, D):
        hub.publish(event)
    await hub.told()
    await journal.do(lambda db: db.execute("DELETE FROM events WHERE number < 3"))
    hub.close()
    heard = await rest_of(hub.subscribe(after_id=1))
    assert heard[0] == Numbered(0, wire.EventsMissed(after_id=1, next_id=3))
    assert indices(heard) == [2, 3]
    await journal.do(lambda db: db.execute("DELETE FROM events"))
    heard = await rest_of(hub.subscribe(after_id=1))
    assert [n.event for n in heard] == [wire.EventsMissed(after_id=1, next_id=5)]


async def test_a_number_that_was_never_given_is_told_and_what_is_new_follows(
    journal: Journal,
) -> None:
    hub = hub_of(journal)
    hub.publish(A)
    await hub.told()
    ahead = hub.subscribe(after_id=900)
    first = await ahead.next()
    assert first == Numbered(0, wire.EventsMissed(after_id=900, next_id=2))
    hub.publish(B)
    hub.close()
    assert indices(await rest_of(ahead)) == [1]


async def test_a_new_listener_hears_only_what_is_new(journal: Journal) -> None:
    hub = hub_of(journal)
    hub.publish(A)
    await hub.told()
    new = hub.subscribe()
    hub.publish(B)
    hub.close()
    assert indices(await rest_of(new)) == [1]


async def test_a_slow_listener_is_let_go_with_a_reason_and_the_others_go_on(
    journal: Journal,
) -> None:
    hub = hub_of(journal, ring=64, queue=3)
    slow, quick = hub.subscribe(), hub.subscribe()
    heard = []
    for event in (A, B, C, D, E):
        hub.publish(event)
        heard.append(await quick.next())
    assert (hub.listening, hub.dropped) == (1, 1)
    last = await rest_of(slow)
    assert [n.event.type for n in last] == ["events.dropped"]
    assert [n.id for n in heard if n] == [1, 2, 3, 4, 5]
    back = hub.subscribe(after_id=1)
    hub.close()
    assert indices(await rest_of(back)) == [1, 2, 3, 4]


async def test_a_listener_waits_until_something_happens(journal: Journal) -> None:
    hub = hub_of(journal)
    subscription = hub.subscribe()
    waiting_for = asyncio.create_task(subscription.next())
    await asyncio.sleep(0)
    assert not waiting_for.done()
    hub.publish(A)
    heard = await waiting_for
    assert heard is not None
    assert indices([heard]) == [0]


async def test_who_leaves_is_forgotten(journal: Journal) -> None:
    hub = hub_of(journal)
    subscription = hub.subscribe()
    hub.unsubscribe(subscription)
    hub.publish(A)
    assert hub.listening == 0


async def test_what_cannot_be_recorded_is_told_without_a_number(journal: Journal) -> None:
    """The disk is full for two events, then has room again."""
    hub = hub_of(journal)
    subscription = hub.subscribe()

    def full(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    hub.publish(A)
    hub.publish(B, also=full)
    hub.publish(C, also=full)
    hub.publish(D)
    await hub.told()
    hub.close()
    heard = await rest_of(subscription)
    assert [(n.id, n.event.type) for n in heard] == [
        (1, "window.skipped"),
        (0, "journal.paused"),
        (0, "window.skipped"),
        (0, "window.skipped"),
        (2, "window.skipped"),
        (3, "journal.resumed"),
    ]
    assert heard[1].event == wire.JournalPaused(reason="database or disk is full")
    assert heard[5].event == wire.JournalResumed(lost=2)
    assert indices(await rest_of(hub.subscribe(after_id=0))) == [0, 3]


async def test_a_disk_that_hangs_does_not_fill_the_memory(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BACKLOG", 3)
    hub = hub_of(journal)
    told: list[wire.Event] = []
    hub.tap = told.append
    for event in (A, B, C, D, E):
        hub.publish(event)
    assert told == [D, E]  # whoever asked gets the answer; the others cannot be told in order
    await hub.told()
    assert told == [D, E, A, B, C]


async def test_what_a_disk_that_hung_kept_from_being_told_is_read_when_it_works_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BACKLOG", 2)
    hub = hub_of(journal)
    there = hub.subscribe()
    for event in (A, B, C, D):
        hub.publish(event)
    await hub.told()
    assert [(await there.next()).id for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
    hub.publish(E)
    await hub.told()
    back = hub.subscribe(1)
    hub.close()
    assert indices(await rest_of(there)) == [2, 3, 4]
    assert indices(await rest_of(back)) == [1, 2, 3, 4]


def test_an_event_is_written_as_the_standard_wants_it() -> None:
    text = Numbered(7, PIECE).sse()
    assert text == (
        "id: 7\nevent: answer.delta\n"
        'data: {"type":"answer.delta","id":"ans_1","delta":"two\\nlines"}\n\n'
    )
    assert not Numbered(0, PIECE).sse().startswith("id")


STEP = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 4)),
    st.tuples(st.just("come"), st.integers(0, 2)),
    st.tuples(st.just("read"), st.integers(0, 2)),
    st.tuples(st.just("leave"), st.integers(0, 2)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("tell"), st.integers(1, 2)),
)


class Reader:
    """A client that comes back with the last number it has seen."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.subscription: Subscription | None = None

    def come(self, hub: Hub) -> None:
        if self.subscription is None:
            self.subscription = hub.subscribe(self.newest)

    def leave(self, hub: Hub) -> None:
        if self.subscription is not None:
            hub.unsubscribe(self.subscription)
        self.subscription = None

    async def read(self, hub: Hub) -> None:
        """All there is by now."""
        await hub.told()
        while self.subscription is not None and self.newest < hub.last_id:
            numbered = await self.subscription.next()
            if numbered is None or numbered.event.type == "events.dropped":
                self.leave(hub)
            elif numbered.id:
                self.numbers.append(numbered.id)

    @property
    def newest(self) -> int:
        return self.numbers[-1] if self.numbers else 0


class World:
    """A journal, the hub on it, and those who read."""

    def __init__(self, path: str, journal: Journal) -> None:
        self.readers = [Reader(), Reader(), Reader()]
        self.published = 0
        self.journal = journal
        self._path = path
        self._hub = hub_of(journal, ring=2, queue=5)

    async def step(self, name: str, which: int) -> None:
        match name:
            case "publish":
                for _ in range(which):
                    self._hub.publish(A)
                self.published += which
            case "tell":
                self._hub.tell(PIECE)
            case "come":
                self.readers[which].come(self._hub)
            case "leave":
                self.readers[which].leave(self._hub)
            case "read":
                await self.readers[which].read(self._hub)
            case "crash":
                await self._crash()

    async def _crash(self) -> None:
        for reader in self.readers:
            reader.leave(self._hub)
        await self.journal.close()
        self.journal = await journal_of(self._path)
        found = await self.journal.do(partial(records.load, session=SESSION.id))
        self._hub = Hub(SESSION.id, self.journal, ring=2, queue=5, last_id=found.last_event)


async def live_through(steps: list[tuple[str, int]], path: str) -> None:
    """Whatever happens in whatever order, every reader hears every number once, in order."""
    world = World(path, await journal_of(path))
    to_the_end = [(name, which) for which in range(3) for name in ("come", "read", "come", "read")]
    for name, which in [*steps, *to_the_end]:
        await world.step(name, which)
    await world.journal.close()
    whole = list(range(1, world.published + 1))
    assert [reader.numbers for reader in world.readers] == [whole] * 3


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEP, max_size=14))
def test_every_number_comes_once_in_order_to_whoever_comes_back(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live_through(steps, str(Path(folder) / "journal.db")))
