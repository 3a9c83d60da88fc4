"""Waits grow, stay bounded, and differ from client to client."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.sdk.backoff import Backoff, Timeouts, asked_s


@given(st.floats(0.01, 10.0), st.floats(1.0, 1000.0), st.integers(1, 10_000), st.integers(0, 100))
def test_a_wait_lies_between_half_and_all_of_its_bound(
    first_s: float, factor: float, failures: int, seed: int
) -> None:
    backoff = Backoff(first_s, first_s * factor)
    bound_s = min(backoff.most_s, first_s * 2.0 ** min(failures - 1, 100))
    assert bound_s / 2 <= backoff.wait_s(failures, random.Random(seed)) <= bound_s


def test_two_clients_do_not_wait_the_same() -> None:
    waits = {Backoff().wait_s(3) for _ in range(20)}
    assert len(waits) > 10


@pytest.mark.parametrize(("first_s", "most_s"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_bounds_that_make_no_sense_are_refused(first_s: float, most_s: float) -> None:
    with pytest.raises(ValueError, match="first_s <= most_s"):
        Backoff(first_s, most_s)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 1970 00:20:00 GMT", 200.0),
        ("Thu, 01 Jan 1970 00:20:00 -0000", 200.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),  # has passed
        (None, None),
        ("", None),
        ("1.5", None),
        ("-1", None),
        ("tomorrow", None),
        ("Fri, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Fri, 01 Jan 2027 00:00:00 +99999999999999", None),
    ],
)
def test_what_a_server_asks_to_wait_is_a_number_or_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert asked_s(header, 1_000.0) == seconds


NUMBERS = st.integers(-1, 99_999)
DATES = st.builds("Thu, {} Jan {} {}:00:00 {}".format, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@given(st.text(max_size=40) | DATES)
def test_whatever_a_server_sends_is_a_wait_or_nothing(header: str) -> None:
    asked = asked_s(header, 1_000.0)
    assert asked is None or asked >= 0.0


@pytest.mark.parametrize("value", [-1.0, float("nan"), "5", True])
def test_patience_may_be_none_at_all_but_is_a_number(value: float) -> None:
    assert Timeouts(patience_s=0.0).patience_s == 0.0
    with pytest.raises(ValueError, match="patience_s is a number of seconds above 0"):
        Timeouts(patience_s=value)


@pytest.mark.parametrize("value", [0.0, float("nan"), "x", True])
def test_a_backoff_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="0 < first_s <= most_s"):
        Backoff(first_s=value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), "5"])
def test_a_wait_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="reply_s is a number of seconds above 0"):
        Timeouts(reply_s=value)
