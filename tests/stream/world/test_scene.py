"""The synthetic world is the same for every order of asking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.scene import SAMPLE_RATE, Scene

seeds = st.integers(0, 10_000)
times = st.floats(0, 90, allow_nan=False)
few = settings(max_examples=25, deadline=None)


@given(seeds, st.lists(times, min_size=1, max_size=6))
@few
def test_frames_do_not_depend_on_the_order_of_asking(seed: int, moments: list[float]) -> None:
    forward, backward = Scene(seed), Scene(seed)
    first = [forward.frame(t) for t in moments]
    second = [backward.frame(t) for t in reversed(moments)]
    for a, b in zip(first, reversed(second), strict=True):
        assert np.array_equal(a, b)


@given(seeds, st.integers(0, 60 * SAMPLE_RATE), st.lists(st.integers(0, 9000), max_size=6))
@few
def test_cuts_of_sound_join_to_the_uncut_sound(seed: int, first: int, cuts: list[int]) -> None:
    whole = Scene(seed).sound(first / SAMPLE_RATE, sum(cuts))
    scene, at, pieces = Scene(seed), first, [np.zeros(0, np.float32)]
    for count in cuts:
        pieces.append(scene.sound(at / SAMPLE_RATE, count))
        at += count
    assert np.array_equal(whole, np.concatenate(pieces))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Scene(-1), "seed must be 0 or more"),
        (lambda: Scene(0).frame(-0.1), "begins at 0 s"),
        (lambda: Scene(0).frame(1.0, 100), "multiple of 84"),
        (lambda: Scene(0).sound(1.0, -1), "0 or more"),
        (lambda: Scene(0).questions(3.0, 3.0, np.random.default_rng(0)), "empty span"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_only_the_wanted_kinds_are_asked() -> None:
    scene = Scene(3)
    questions = scene.questions(20.0, 8.0, np.random.default_rng(0), ["now", "count"])
    assert {q.kind for q in questions} == {"now", "count"}
