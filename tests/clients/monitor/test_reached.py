"""How far files have been watched: every window counts once, over cuts and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.monitor.reached import Reached


@pytest.fixture
def reached() -> Iterator[Reached]:
    reached = Reached(":memory:")
    yield reached
    reached.close()


def test_a_file_begins_at_its_beginning_and_goes_on_behind_what_was_taken(reached: Reached) -> None:
    assert reached.seconds("yard", "film.ts") == 0.0
    reached.window("yard", "ses_1", 0.0, 2.0, 2.0)
    reached.window("yard", "ses_1", 2.0, 4.0, 2.0)
    assert reached.seconds("yard", "film.ts") == 4.0


def test_the_session_clock_may_have_run_on_without_the_file(reached: Reached) -> None:
    reached.seconds("yard", "film.ts")
    reached.window("yard", "ses_1", 0.0, 2.0, 2.0)
    reached.window("yard", "ses_1", 30.0, 32.0, 2.0)  # after a silence of 28 s
    assert reached.seconds("yard", "film.ts") == 4.0


def test_of_a_window_in_which_the_film_was_cut_counts_what_came(reached: Reached) -> None:
    reached.seconds("yard", "film.ts")
    reached.window("yard", "ses_1", 0.0, 2.0, 2.0)
    reached.window("yard", "ses_1", 2.0, 4.0, 0.5)
    reached.window("yard", "ses_1", 4.0, 6.0, 0.0)
    assert reached.seconds("yard", "film.ts") == 2.5


def test_an_empty_window_that_is_told_before_one_with_something_in_it_hides_nothing(
    reached: Reached,
) -> None:
    reached.seconds("yard", "film.ts")
    reached.window("yard", "ses_1", 2.0, 4.0, 0.0)
    reached.window("yard", "ses_1", 0.0, 2.0, 2.0)
    assert reached.seconds("yard", "film.ts") == 2.0


def test_a_new_session_goes_on_counting(reached: Reached) -> None:
    reached.seconds("yard", "film.ts")
    reached.window("yard", "ses_1", 8.0, 10.0, 2.0)
    reached.window("yard", "ses_2", 0.0, 2.0, 2.0)
    assert reached.seconds("yard", "film.ts") == 4.0


def test_another_file_and_one_that_has_ended_begin_anew(reached: Reached) -> None:
    reached.seconds("yard", "film.ts")
    reached.window("yard", "ses_1", 0.0, 2.0, 2.0)
    assert reached.seconds("yard", "other.ts") == 0.0
    reached.window("yard", "ses_1", 2.0, 4.0, 2.0)
    reached.forget("yard")
    assert reached.seconds("yard", "other.ts") == 0.0


def test_sources_that_are_no_file_are_not_kept(reached: Reached) -> None:
    reached.window("door", "ses_1", 0.0, 2.0, 2.0)
    assert reached.seconds("door", "film.ts") == 0.0


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    first = Reached(tmp_path / "reached.db")
    first.seconds("yard", "film.ts")
    first.window("yard", "ses_1", 0.0, 2.0, 2.0)
    first.close()
    second = Reached(tmp_path / "reached.db")
    second.window("yard", "ses_1", 0.0, 2.0, 2.0)  # told again after a kill
    assert second.seconds("yard", "film.ts") == 2.0
    second.close()


@given(st.lists(st.integers(0, 9), max_size=30))
def test_windows_that_are_told_again_count_once(back_to: list[int]) -> None:
    """Whoever follows comes back to an earlier window again and again, and reads on from there."""
    reached = Reached(":memory:")
    reached.seconds("yard", "film.ts")
    told = 0
    for back in back_to:
        for window in range(min(back, told), told + 1):
            reached.window("yard", "ses_1", 2.0 * window, 2.0 * window + 2.0, 2.0)
        told += 1
    assert reached.seconds("yard", "film.ts") == 2.0 * told
    reached.close()
