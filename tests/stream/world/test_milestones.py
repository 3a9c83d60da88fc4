"""Milestones come once each, so that what is asked about them has one answer however old."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.milestones import Milestones
from stream.world.scene import SOUNDS, Scene
from stream.world.split import SPLITS, Split, together


@settings(max_examples=15)
@given(seed=st.integers(0, 2**20), length_s=st.sampled_from([120.0, 600.0, 1800.0]))
def test_every_milestone_comes_once_when_it_is_due(seed: int, length_s: float) -> None:
    plot = Milestones(length_s)
    segments = Scene(seed, plot).segments(0.0, length_s)
    for milestone in plot.story(seed):
        (segment,) = [s for s in segments if milestone.thing in s.things]
        assert milestone.due_s <= segment.start_s < milestone.due_s + 10.0
        assert (segment.sound.name if segment.sound else None) == milestone.sound
        assert (segment.symbol.digit if segment.symbol else None) == milestone.digit


@settings(max_examples=15)
@given(seed=st.integers(0, 2**20))
def test_every_sound_is_heard_once_and_one_digit_is_seen(seed: int) -> None:
    segments = Scene(seed, Milestones(300.0)).segments(0.0, 400.0)
    assert sorted(sound.name for s in segments for sound in s.sounds) == sorted(SOUNDS)
    assert sum(s.symbol is not None for s in segments) == 1


@settings(max_examples=60)
@given(seed=st.integers(0, 2**20), split=st.sampled_from(SPLITS))
def test_milestones_keep_to_the_compositions_that_a_split_allows(seed: int, split: Split) -> None:
    loud = [m for m in Milestones(300.0, split=split).story(seed) if m.sound is not None]
    assert len(loud) == len(SOUNDS)
    assert all(together(split, [m.thing], str(m.sound)) for m in loud)


def test_questions_reach_from_now_to_the_first_minute() -> None:
    scene = Scene(5, Milestones(1800.0))
    rng = np.random.default_rng(0)
    asked = [q for _ in range(30) for q in scene.questions(1790.0, 0.0, rng)]
    ages_s = [1790.0 - q.evidence_s[1] for q in asked if q.kind in ("during", "sound_of")]
    assert min(ages_s) < 300.0
    assert max(ages_s) > 1500.0


def test_half_of_what_is_ordinary_is_empty_and_still() -> None:
    segments = Scene(3, Milestones(600.0)).segments(0.0, 600.0)
    empty = [s for s in segments if not s.things]
    assert all(s.still for s in empty)
    assert 0.3 < len(empty) / len(segments) < 0.7


def test_a_length_that_cannot_hold_them_is_refused() -> None:
    with pytest.raises(ValueError, match="120 s"):
        Milestones(60.0)
