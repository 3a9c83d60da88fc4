"""Tasks one after another make a world like any other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.lessons import LESSON_S, Lessons, Mixed, tasks
from stream.world.plot import Varied
from stream.world.questions import KINDS
from stream.world.scene import Scene
from stream.world.split import held_out

seeds = st.integers(0, 100_000)
few = settings(max_examples=20, deadline=None)


@given(seeds)
@few
def test_lessons_tile_the_time_and_begin_every_16_seconds(seed: int) -> None:
    segments = Scene(seed, Lessons()).segments(0.0, 200.0)
    assert segments[0].start_s == 0.0
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert all(before.end_s == after.start_s for before, after in pairwise(segments))
    starts = {segment.start_s for segment in segments}
    assert starts >= {k * LESSON_S for k in range(12)}


@given(seeds)
@few
def test_held_out_pairs_stay_out_of_lessons(seed: int) -> None:
    for segment in Scene(seed, Lessons("train")).segments(0.0, 100.0):
        for sound in segment.sounds:
            assert not any(held_out(thing, sound.name) for thing in segment.things)


def test_lessons_are_asked_every_kind() -> None:
    rng, kinds = np.random.default_rng(0), set()
    for seed in range(40):
        scene = Scene(seed, Lessons())
        for now_s in rng.uniform(14, 150, 8):
            kinds |= {q.kind for q in scene.questions(now_s, now_s - 14, rng)}
    assert kinds == set(KINDS)


def test_every_task_is_a_lesson() -> None:
    assert {kind for task in tasks("any", LESSON_S) for kind in task.kinds} < set(KINDS)
    assert len({(type(task), task.kinds, repr(task)) for task in tasks("any", LESSON_S)}) == 12


def test_a_share_of_the_mixed_scenes_are_lessons() -> None:
    def told(seed: int, plot: Varied | Lessons | Mixed) -> list[str]:
        return [segment.picture for segment in Scene(seed, plot).segments(0.0, 60.0)]

    which = []
    for seed in range(60):
        mixed = told(seed, Mixed())
        which.append(mixed == told(seed, Lessons()))
        assert which[-1] or mixed == told(seed, Varied())
    assert 0.15 < np.mean(which) < 0.45


def test_a_share_outside_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Mixed(lessons=2.0)
