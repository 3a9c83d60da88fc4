"""What is given up when the engine falls behind, in which order, and how it comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from session.engine.overload import CALM_WINDOWS, LEVELS, MAX_BEHIND, Backlog, Waiting, thin
from tests.session.fakes import raw


def window(index: int) -> Waiting:
    return Waiting(index, raw(index), 2.0 * index)


def test_an_engine_that_keeps_up_loses_nothing() -> None:
    backlog = Backlog()
    for index in range(10):
        arrival = backlog.push(window(index))
        assert (arrival.skipped, arrival.level) == (None, None)
        assert len(backlog.pop().window.grids) == 2
        backlog.done()
    assert backlog.level == "none"


def test_an_engine_that_stands_still_loses_the_oldest_waiting_window() -> None:
    backlog = Backlog()
    arrivals = [backlog.push(window(index)) for index in range(5)]
    assert [a.level for a in arrivals] == [None, "frame_rate", "skipped", None, None]
    assert [a.skipped.index if a.skipped else None for a in arrivals] == [None, None, 0, 1, 2]


def test_a_slow_engine_degrades_in_the_declared_order() -> None:
    backlog, levels = Backlog(), []
    for index in range(4):  # every window finds one before it; none has to go
        backlog.push(window(index))
        levels.append(backlog.level)
        if index:
            backlog.pop()
            backlog.done()
    assert levels == ["none", "frame_rate", "retention", "retention"]
    backlog.push(window(4))
    assert backlog.push(window(5)).skipped is not None
    assert backlog.level == "skipped"


def test_the_window_being_ingested_counts_as_behind() -> None:
    backlog = Backlog()
    backlog.push(window(0))
    backlog.pop()
    backlog.push(window(1))
    assert backlog.behind == MAX_BEHIND
    arrival = backlog.push(window(2))
    assert arrival.skipped is not None
    assert arrival.skipped.index == 1
    backlog.done()
    assert backlog.behind == 1


def test_each_level_adds_to_the_ones_before() -> None:
    backlog = Backlog()
    assert backlog.retention(0.2) == 0.2
    backlog.push(window(0))
    backlog.push(window(1))
    assert (backlog.level, backlog.retention(0.2)) == ("frame_rate", 0.2)
    assert len(backlog.pop().window.grids) == 1
    backlog.push(window(2))
    backlog.push(window(3))
    assert (backlog.level, backlog.retention(0.2)) == ("skipped", 0.1)
    assert len(backlog.pop().window.grids) == 1


def test_it_comes_back_one_level_after_some_calm_windows() -> None:
    backlog = Backlog()
    for index in range(3):
        backlog.push(window(index))
    assert backlog.level == "skipped"
    backlog.pop()
    backlog.done()
    backlog.pop()
    backlog.done()
    levels = []
    for index in range(3, 3 + CALM_WINDOWS * 3):
        backlog.push(window(index))
        backlog.pop()
        backlog.done()
        levels.append(backlog.level)
    calm = CALM_WINDOWS - 1
    expected = ["skipped"] * calm + ["retention"] * (calm + 1) + ["frame_rate"] * (calm + 1)
    assert levels == [*expected, "none"]


def test_a_thinned_window_keeps_its_first_pair_and_all_of_its_sound() -> None:
    window = thin(raw(3))
    assert window.grid_times_s == (6.0,)
    assert len(window.grids) == 1
    assert window.samples is not None
    assert len(thin(raw(3, grids=0)).grids) == 0


@given(st.lists(st.sampled_from(["push", "pop", "done"]), max_size=60))
def test_never_more_than_two_behind_and_every_window_is_ingested_or_told_of(
    moves: list[str],
) -> None:
    backlog, pushed, told, taken, busy = Backlog(), 0, [], [], False
    for move in moves:
        if move == "push":
            arrival = backlog.push(window(pushed))
            pushed += 1
            told += [arrival.skipped.index] if arrival.skipped else []
        elif move == "pop" and backlog.oldest and not busy:
            taken.append(backlog.pop().index)
            busy = True
        elif move == "done" and busy:
            backlog.done()
            busy = False
        assert backlog.behind <= MAX_BEHIND
        assert backlog.level in LEVELS
    waiting = backlog.behind - busy
    assert taken == sorted(taken)
    assert len(told) + len(taken) + waiting == pushed
    assert not set(told) & set(taken)
