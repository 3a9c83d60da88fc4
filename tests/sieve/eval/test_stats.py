"""Intervals cover, pairing narrows, correlation and calibration are as defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sieve.eval.stats import (
    Tally,
    accuracy,
    accuracy_interval,
    calibration_error,
    mean_interval,
    paired_difference,
    paired_share,
    spearman,
)


def _tally(rng: np.random.Generator, p: float, cases: int = 60, kinds: int = 3) -> Tally:
    asked = rng.integers(1, 4, (cases, kinds)).astype(float)
    return Tally(rng.binomial(asked.astype(int), p).astype(float), asked)


def test_every_kind_counts_alike_however_often_it_was_asked() -> None:
    tally = Tally(np.array([[9.0, 0.0]]), np.array([[9.0, 1.0]]))
    assert accuracy(tally) == 0.5


def test_a_kind_that_was_never_asked_does_not_count() -> None:
    tally = Tally(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]]))
    assert accuracy(tally) == 0.5


def test_the_interval_covers_the_true_rate_about_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        found = accuracy_interval(_tally(rng, 0.7), seed)
        covered += found.low <= 0.7 <= found.high
    assert 88 <= covered <= 100


def test_the_interval_of_few_cases_covers_the_true_rate_as_often() -> None:
    rng, covered = np.random.default_rng(0), []
    for cases in (3, 6):
        found = [accuracy_interval(_tally(rng, 0.7, cases), seed) for seed in range(200)]
        assert all(f.low >= 0.0 and f.high <= 1.0 for f in found)
        covered.append(np.mean([f.low <= 0.7 <= f.high for f in found]))
    assert min(covered) > 0.9


def test_arms_that_fail_on_the_same_cases_are_compared_closely() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random((80, 1)) < 0.5
    asked = np.full((80, 1), 10.0)
    one = Tally(np.where(hard, 2.0, 9.0), asked)
    other = Tally(np.where(hard, 3.0, 10.0), asked)
    apart = paired_difference(other, one)
    alone = accuracy_interval(one)
    assert apart.value == pytest.approx(0.1)
    assert apart.high - apart.low < 0.01 < alone.high - alone.low


def test_a_share_of_another_arm_is_paired_too() -> None:
    asked = np.full((40, 1), 10.0)
    full = Tally(np.tile([[4.0], [10.0]], (20, 1)), asked)
    half = Tally(full.right / 2, asked)
    found = paired_share(half, full)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    nothing = Tally(np.zeros_like(asked), asked)
    assert math.isnan(paired_share(half, nothing).value)
    with pytest.raises(ValueError, match="same questions"):
        paired_share(half, Tally(full.right[:10], asked[:10]))


def test_one_case_has_no_interval() -> None:
    tally = _tally(np.random.default_rng(4), 0.5, cases=1)
    for found in (accuracy_interval(tally), paired_difference(tally, tally)):
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_an_arm_does_not_differ_from_itself() -> None:
    tally = _tally(np.random.default_rng(2), 0.5)
    same = paired_difference(tally, tally)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_only_the_same_questions_can_be_compared_in_pairs() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="the same questions"):
        paired_difference(_tally(rng, 0.5), _tally(rng, 0.5))


def test_a_tally_has_one_shape() -> None:
    with pytest.raises(ValueError, match=r"\[cases, kinds\]"):
        Tally(np.zeros((2, 2)), np.zeros((2, 3)))


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=20, unique=True))
def test_any_rising_function_has_rank_correlation_one(values: list[float]) -> None:
    assert spearman(values, [math.atan(v / 50) for v in values]) == pytest.approx(1.0)
    assert spearman(values, [-v for v in values]) == pytest.approx(-1.0)


def test_a_mean_of_few_has_the_interval_of_student() -> None:
    found = mean_interval([90.0, 92.0, 94.0])
    half = 4.303 * 2.0 / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((92.0, 92.0 - half, 92.0 + half))
    assert math.isnan(mean_interval([90.0]).low)
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_the_interval_of_student_covers_the_mean_about_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    for count in (2, 3, 5, 10):
        drawn = [mean_interval(rng.normal(5.0, 2.0, count).tolist()) for _ in range(2000)]
        covered = np.mean([found.low <= 5.0 <= found.high for found in drawn])
        assert 0.935 < covered < 0.965


def test_tied_values_share_a_rank() -> None:
    # by hand: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4
    assert spearman([1, 2, 2, 5], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_what_does_not_vary_has_no_correlation() -> None:
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    with pytest.raises(ValueError, match="pairs"):
        spearman([1, 2], [1])


def test_who_says_80_percent_and_is_right_half_the_time_is_30_points_off() -> None:
    assert calibration_error([0.8] * 10, [True] * 5 + [False] * 5) == pytest.approx(0.3)


def test_errors_of_calibration_do_not_cancel_between_bins() -> None:
    assert calibration_error([0.9, 0.1], [False, True]) == pytest.approx(0.9)


@pytest.mark.parametrize(("sure", "right"), [([], []), ([0.5], []), ([1.5], [True])])
def test_a_calibration_error_needs_probabilities(sure: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"confidence"):
        calibration_error(sure, right)
