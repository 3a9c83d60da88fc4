"""How honest a yes is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sieve.train.demo.exam import calibration_error


def test_chances_that_come_true_have_no_error() -> None:
    chances = np.repeat([0.25, 0.75], 400)
    there = np.tile([True, False, False, False], 100), np.tile([True, True, True, False], 100)
    assert calibration_error(chances, np.concatenate(there)) == pytest.approx(0.0)


def test_a_sure_liar_has_all_of_it() -> None:
    assert calibration_error(np.array([1.0, 0.0]), np.array([False, True])) == pytest.approx(1.0)


def test_bins_count_by_their_size() -> None:
    chances = np.array([0.95] * 9 + [0.05])
    there = np.array([True] * 9 + [True])
    assert calibration_error(chances, there) == pytest.approx(0.9 * 0.05 + 0.1 * 0.95)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_it_is_a_share(said: list[tuple[float, bool]]) -> None:
    chances, there = (np.array(column) for column in zip(*said, strict=True))
    assert 0.0 <= calibration_error(chances, there) <= 1.0
