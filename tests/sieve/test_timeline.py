"""Seconds and position ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sieve.timeline import Timeline

TIMES_S = st.floats(0, 10**6, allow_nan=False)
STARTS_S = st.sampled_from([0.0, 86_400.0, 604_800.04])


def test_one_id_is_forty_milliseconds() -> None:
    timeline = Timeline(base_id=30, start_s=10.0, anchor_period_ids=50)
    assert [timeline.id_at(10.0 + s) for s in (0, 0.04, 1, 2)] == [30, 31, 55, 80]
    assert timeline.time_at(80) == 12.0


@given(since_s=TIMES_S, start_s=STARTS_S)
def test_a_time_and_its_id_agree_within_half_an_id(since_s: float, start_s: float) -> None:
    timeline = Timeline(17, start_s, 50)
    at_s = start_s + since_s
    assert abs(timeline.time_at(timeline.id_at(at_s)) - at_s) <= 0.02 + 1e-6


@given(first_s=TIMES_S, second_s=TIMES_S)
def test_ids_never_run_backwards(first_s: float, second_s: float) -> None:
    timeline = Timeline(0, 0.0, 50)
    early, late = sorted([first_s, second_s])
    assert timeline.id_at(early) <= timeline.id_at(late)


@given(window=st.integers(0, 10**6), start_s=STARTS_S)
def test_every_window_of_two_seconds_begins_fifty_ids_after_the_last(
    window: int, start_s: float
) -> None:
    assert Timeline(9, start_s, 50).id_at(start_s + 2.0 * window) == 9 + 50 * window


@given(since=st.integers(0, 10**8), period=st.integers(1, 20_000), base=st.integers(0, 10**6))
def test_an_anchor_is_the_start_of_the_period_a_position_lies_in(
    since: int, period: int, base: int
) -> None:
    anchor = Timeline(base, 0.0, period).anchor_of(base + since)
    assert (anchor - base) % period == 0
    assert anchor <= base + since < anchor + period
