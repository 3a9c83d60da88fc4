"""A whole clip of bounded size, and text that stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sieve import Model
from sieve.eval.benchmarks.media import Watch
from sieve.eval.benchmarks.offline import offline, thinned
from sieve.eval.offline import OfflineClip
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
    watch = Watch(films[0].path, 0.0, 2, "both")
    with offline(stock_model, "uniform", watch, 768, told) as viewer:
        first = viewer.answer("was there any sound?", 3.0, 4)
        second = viewer.answer("how many sounds were there?", 3.0, 4)
    assert (first == second) == bool(told)


def test_a_method_inside_the_llm_answers_as_it_was_published(
    demo_model: Model, films: list[Film]
) -> None:
    model = replace(demo_model, retention=0.4)
    watch = Watch(films[0].path, 0.0, 2, "both")
    with offline(model, "pyramiddrop", watch, 768) as viewer, patch_pruned() as budgets:
        assert viewer.answer("was there any sound?", None, 4)
    assert budgets == [0.4]


@contextmanager
def patch_pruned() -> Iterator[list[float]]:
    """Notes the budgets of answers that are pruned inside the LLM."""
    seen: list[float] = []
    original = OfflineClip.answer_pruned

    def noted(clip: OfflineClip, question: str, retention: float, *rest: Any, **more: Any) -> Any:
        seen.append(retention)
        return original(clip, question, retention, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OfflineClip, "answer_pruned", noted)
        yield seen
