"""A whole clip of bounded size, and text that stands before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sieve import Model
from sieve.eval.benchmarks.media import Watch
from sieve.eval.benchmarks.offline import offline, thinned
from sieve.selectors import method_of
from tests import tiny
from tests.sieve.eval.benchmarks.films import Film


@given(windows=st.integers(1, 12), most=st.integers(2, 40))
def test_a_clip_has_at_most_so_many_frames_evenly_spaced(windows: int, most: int) -> None:
    rng = np.random.default_rng(0)
    clip = [tiny.window(i, rng, size=(28, 28), samples=0) for i in range(windows)]
    thin = thinned(clip, most)
    times = [time_s for window in thin for time_s in window.grid_times_s]
    assert len(times) == min(2 * windows, most // 2)
    assert [window.start_s for window in thin] == [window.start_s for window in clip]
    steps = np.diff(times)
    assert steps.size == 0 or steps.max() - steps.min() <= 1.0
    assert all(len(window.grids) == len(window.grid_times_s) for window in thin)


@pytest.mark.parametrize("told", ["", "what is visible now?"])
def test_text_before_the_clip_is_read_by_a_model_as_it_is_published(
    stock_model: Model, films: list[Film], told: str
) -> None:
    """Random weights say anything; that it is said of this text is what counts."""
    method = method_of(stock_model, "uniform")
    watch = Watch(films[0].path, 0.0, 2, "both")
    with offline(stock_model, method, watch, 768, told) as viewer:
        first = viewer.answer("was there any sound?", 3.0, 4)
        second = viewer.answer("how many sounds were there?", 3.0, 4)
    assert (first == second) == bool(told)
