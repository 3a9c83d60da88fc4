"""Standing queries for a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session import wire
from session.watch.counting import count
from session.watch.hysteresis import STATE, Rule, State
from session.watch.quiet import Quiet
from session.watch.wording import as_count
from tests.session.api.test_watches import shown, watched
from tests.session.conftest import House

NOON_AT = 1_800_014_400.0  # 12:00 UTC


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 1))))
def test_what_is_told_are_the_sure_numbers_without_repetitions(
    read: list[tuple[int, float]],
) -> None:
    state, told = State(), []
    for number, share in read:
        state, is_news = count(Rule(), state, number, share, NOON_AT)
        told += [number] if is_news else []
    sure = [number for number, share in read if share >= Rule().threshold]
    assert told == [n for i, n in enumerate(sure) if i == 0 or sure[i - 1] != n]
    assert state.events == len(told)
    assert STATE.validate_json(STATE.dump_json(state)) == state


def test_a_number_of_quiet_hours_is_told_when_they_are_over() -> None:
    rule = Rule(quiet=(Quiet("11:00", "13:00"),))
    state, is_news = count(rule, State(), 2, 0.9, NOON_AT)
    assert not is_news
    assert count(rule, state, 2, 0.9, NOON_AT + 7_200.0)[1]


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ("red things", "how many red things were there?"),
        ("count the people", "how many people were there?"),
        ("how many people came in", "how many people came in?"),
        ("How often did the bell ring?", "How often did the bell ring?"),
    ],
)
def test_what_is_to_be_counted_is_asked_for(query: str, question: str) -> None:
    assert as_count(query) == question


def counted(house: House, session: str) -> list[tuple[int, int | None, float]]:
    told = house.told(session)
    return [(e.count, e.before, e.end_s) for e in told if isinstance(e, wire.WatchCounted)]


async def test_every_new_number_is_told_once(house: House) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query="windows", kind="count")
    await shown(house, session, peer, 6.0)
    assert counted(house, session) == [(1, None, 2.0), (2, 1, 4.0), (3, 2, 6.0)]
    path = f"/v1/sessions/{session}/watches/{watch['id']}"
    found = (await house.http.get(path)).json()
    assert (found["kind"], found["count"], found["state"]) == ("count", 3, "calm")
    assert (found["events"], found["probability"]) == (3, 0.9)


async def test_the_numbers_of_a_session_that_has_ended_are_listed_with_its_events(
    house: House,
) -> None:
    session, peer = await house.join()
    await watched(house, session, query="windows", kind="count")
    await shown(house, session, peer, 6.0)
    path = f"/v1/sessions/{session}"
    await house.http.delete(path)
    for most, numbers in ((200, [1, 2, 3]), (2, [2, 3])):
        found = await house.http.get(f"{path}/watch-events", params={"limit": most})
        listed = wire.WatchEventList.model_validate_json(found.content)
        assert ([one.count for one in listed.counts], listed.events) == (numbers, [])


@pytest.mark.parametrize(("query", "state"), [("unsure things", "calm"), ("dreams", "unanswered")])
async def test_a_number_that_the_model_does_not_say_is_not_told(
    house: House, query: str, state: str
) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query=query, kind="count")
    await shown(house, session, peer, 4.0)
    assert counted(house, session) == []
    path = f"/v1/sessions/{session}/watches/{watch['id']}"
    found = (await house.http.get(path)).json()
    assert (found["count"], found["state"]) == (None, state)
    doubts = [e for e in house.told(session) if isinstance(e, wire.WatchUnanswered)]
    assert len(doubts) == (1 if state == "unanswered" else 0)
