"""Every task has a question at every seed, whose answer is where the task says it is."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.scene import SOUNDS, Scene, Segment
from stream.world.split import held_out
from stream.world.task import LEAD_S, TAIL_S, Task, Trial
from stream.world.tasks import (
    Ago,
    Cue,
    Density,
    FaintDigit,
    Flash,
    Gap,
    Named,
    OneSound,
    Tally,
)

TASKS = (
    OneSound(),
    Flash(),
    Density(dense="sound"),
    Density(dense="picture"),
    Density(dense="both"),
    Gap(),
    Ago(),
    FaintDigit(),
    Cue(at="end"),
    Cue(at="beginning"),
    Named(),
    Tally(),
)
seeds = st.integers(0, 100_000)
lengths = st.sampled_from([8.0, 12.0, 21.5, 60.0])
few = settings(max_examples=15, deadline=None)
all_tasks = pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{type(t).__name__}-{t.kinds[0]}")


def _segments(trial: Trial) -> tuple[Segment, ...]:
    return trial.scene.segments(trial.since_s, trial.asked_s)


def _sounds(trial: Trial) -> list[str]:
    return [sound.name for segment in _segments(trial) for sound in segment.sounds]


@all_tasks
@given(seed=seeds, length_s=lengths)
@few
def test_a_trial_is_one_question_that_needs_the_ability(
    task: Task, seed: int, length_s: float
) -> None:
    longer = dataclasses.replace(task, length_s=length_s)
    trial = longer.trial(seed)
    assert trial == dataclasses.replace(longer.trial(seed), scene=trial.scene)
    assert trial.question.kind in task.kinds
    assert trial.since_s <= trial.question.evidence_s[0]
    assert trial.question.evidence_s[1] <= trial.asked_s == length_s


@all_tasks
@given(seed=seeds, length_s=lengths, late_s=st.floats(0, 1), early_s=st.floats(0.05, 1.9))
@few
def test_a_recording_may_begin_later_and_be_asked_about_earlier(
    task: Task, seed: int, length_s: float, late_s: float, early_s: float
) -> None:
    scene = Scene(seed, dataclasses.replace(task, length_s=length_s))
    now_s = late_s + length_s - early_s
    assert scene.questions(now_s, late_s, np.random.default_rng(seed))


@all_tasks
@given(seed=seeds)
@few
def test_segments_tile_the_time_and_sounds_lie_between_lead_and_tail(task: Task, seed: int) -> None:
    trial = task.trial(seed)
    segments = trial.scene.segments(0.0, 60.0)
    assert segments[0].start_s == 0.0
    assert all(before.end_s == after.start_s for before, after in pairwise(segments))
    if not (isinstance(task, Density) and task.dense == "both"):
        for sound in (sound for segment in segments for sound in segment.sounds):
            assert LEAD_S <= sound.start_s < sound.end_s <= task.length_s - TAIL_S + 1e-3


@pytest.mark.parametrize("make", [OneSound, Cue, Density])
@given(seed=seeds)
@few
def test_a_split_holds_for_tasks(make: type[Task], seed: int) -> None:
    for split in ("train", "held-out"):
        for segment in _segments(make(split=split).trial(seed)):  # type: ignore[call-arg]
            for sound in segment.sounds:
                pairs = {held_out(thing, sound.name) for thing in segment.things}
                assert pairs <= {split == "held-out"}


@given(seeds)
@few
def test_one_sound_shows_many_things_and_does_not_name_the_sound(seed: int) -> None:
    trial = OneSound().trial(seed)
    assert len(_sounds(trial)) == 1
    assert not any(name in trial.question.text for name in SOUNDS)
    assert len({segment.picture for segment in _segments(trial)}) >= 5


@given(seeds)
@few
def test_a_flash_meets_one_of_several_sounds(seed: int) -> None:
    trial = Flash().trial(seed)
    assert trial.question.answer in _sounds(trial)
    assert len(_sounds(trial)) >= 3


def test_density_lies_where_it_says() -> None:
    sound, picture, both = (
        _segments(Density(dense=dense).trial(5))  # type: ignore[arg-type]
        for dense in ("sound", "picture", "both")
    )
    assert len(sound) == 1
    assert sound[0].still
    assert len(sound[0].sounds) > 8
    assert len(picture) > 6
    assert not any(segment.sounds for segment in picture)
    assert np.mean([len(segment.sounds) for segment in both]) > 0.6


def test_a_gap_takes_every_length_that_fits() -> None:
    questions = [Gap().trial(seed).question for seed in range(300)]
    answers = {question.answer for question in questions if question.kind == "gap"}
    assert answers == {str(seconds) for seconds in range(1, 9)}


@given(seeds)
@few
def test_a_faint_digit_stays_among_flicker(seed: int) -> None:
    trial = FaintDigit().trial(seed)
    (segment,) = _segments(trial)
    assert segment.symbol is not None
    assert segment.symbol.faint
    assert segment.flicker == 0.3
    assert trial.question.answer == segment.symbol.digit


@given(seeds)
@few
def test_a_cue_and_its_twin_differ_in_where_the_sound_comes_alone(seed: int) -> None:
    for at in ("end", "beginning"):
        trial = Cue(at=at).trial(seed)  # type: ignore[arg-type]
        bound = {s.sound.name: s.picture for s in _segments(trial) if s.thing and s.sound}
        (lone,) = [s.sound for s in _segments(trial) if s.sound and not s.things]
        assert trial.question.answer == bound[lone.name]
        assert len(bound) >= 2
        assert list(bound).index(lone.name) < max(1, len(bound) // 2)  # an early thing
        assert (lone.start_s > trial.asked_s - 3.5) == (at == "end")
        assert (lone.start_s < 2.0) == (at == "beginning")


@given(seeds)
@few
def test_the_instruction_names_what_the_question_names(seed: int) -> None:
    named, tally = Named().trial(seed), Tally().trial(seed)
    word = named.instruction.removeprefix("Watch every ").split()[0].rstrip(".")
    assert word in named.question.text
    assert all(len(segment.things) == 3 for segment in _segments(named))
    assert tally.instruction.removeprefix("Count every ").rstrip(".") in tally.question.text
    counted = [name for name in _sounds(tally) if name in tally.question.text]
    assert tally.question.answer == str(len(counted))
    assert OneSound().trial(seed).instruction == ""


def test_a_task_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match=r"8\.0 s or more"):
        Gap(length_s=5.0)
