"""Every task gives cases with questions that their own media can answer, always the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sieve.eval.arms import Budget
from sieve.eval.tasks import TASKS
from stream.world.milestones import Milestones
from stream.world.questions import LATEST_KINDS
from stream.world.split import held_out

SHORT = [name for name, task in TASKS.items() if task.seconds[1] <= 60.0]


@pytest.mark.parametrize("name", SHORT)
def test_a_case_has_questions_whose_evidence_it_shows(name: str) -> None:
    windows = {"T9": 10}.get(name, 6)
    case = TASKS[name].made(1, 0, windows)
    assert 1 <= len(case.asked) <= TASKS[name].questions
    assert len({asked.question.text for asked in case.asked}) == len(case.asked)
    for asked in case.asked:
        assert windows * 2.0 - 2.0 < asked.at_s < windows * 2.0
        assert case.age_s(asked) >= -1e-6
        assert asked.question.evidence_s[0] >= case.stream.offset_s - 1e-6


@pytest.mark.parametrize("name", ["T3", "T7 told", "clips"])
def test_a_case_is_always_the_same(name: str) -> None:
    one, same, other = (TASKS[name].made(2, index, 6) for index in (1, 1, 2))
    assert np.array_equal(one.stream.frames, same.stream.frames)
    assert one.asked == same.asked
    assert one.instruction == same.instruction
    assert one.asked != other.asked


def test_a_late_question_comes_when_nothing_has_happened_for_seconds() -> None:
    case = TASKS["T9"].made(1, 0, 12)
    counts, others = [], []
    for asked in case.asked:
        (counts if asked.question.kind.startswith("count") else others).append(case.age_s(asked))
    assert others
    assert min(others) >= 5.0
    assert set(counts) <= {0.0}  # a count rests on all that came until it was asked
    assert case.dense(16.0) == case.dense(24.0)


def test_who_is_told_is_told_what_the_question_names() -> None:
    case = TASKS["T7 told"].made(1, 1, 6)
    sound = case.instruction.removeprefix("Count every ").rstrip(".")
    assert sound in case.asked[0].question.text


def test_clips_show_compositions_that_training_never_does() -> None:
    stream = TASKS["clips"].made(3, 0, 30).stream
    together = [
        (thing, sound.name)
        for segment in stream.scene.segments(0.0, 60.0)
        for thing in segment.things
        for sound in segment.sounds
    ]
    assert together
    assert all(held_out(thing, sound) for thing, sound in together)


@pytest.mark.parametrize("name", ["memory", "horizon", "old milestones"])
def test_milestones_keep_to_compositions_that_training_never_shows(name: str) -> None:
    (make,) = TASKS[name].plots
    plot = make(1800.0)
    assert isinstance(plot, Milestones)
    loud = [m for m in plot.story(4) if m.sound is not None]
    assert all(held_out(m.thing, str(m.sound)) for m in loud)


def test_what_is_asked_about_is_as_old_as_the_task_says() -> None:
    task = replace(TASKS["old milestones"], ages_s=(20.0, 60.0))
    case = task.made(1, 0, 62)
    ages_s = [case.age_s(asked) for asked in case.asked]
    assert len(ages_s) >= 10
    assert all(20.0 <= age_s <= 60.0 for age_s in ages_s)


def test_streams_are_half_hours() -> None:
    assert {TASKS["streams"].windows(seed, 0) for seed in (1, 2, 3)} == {900}


@pytest.mark.parametrize("name", ["streams", "newest"])
def test_streams_are_asked_about_the_newest_only(name: str) -> None:
    case = TASKS[name].made(1, 0, 20)
    assert case.asked
    assert {asked.question.kind for asked in case.asked} <= LATEST_KINDS


def test_short_clips_are_more_frequent_than_long_ones() -> None:
    lengths = [2 * TASKS["clips"].windows(1, index) for index in range(200)]
    assert 4 <= min(lengths) <= 6
    assert 50 <= max(lengths) <= 60
    assert 13 < np.median(lengths) < 18


def test_no_scene_is_of_two_cases() -> None:
    scenes = {
        task._scene(seed, index) for task in TASKS.values() for seed in (1, 2) for index in (0, 19)
    }
    assert len(scenes) == 4 * len(TASKS)


def test_a_task_of_the_memory_has_budgets_of_slots() -> None:
    shares = [Budget(1.0), Budget(0.1)]
    assert TASKS["T1"].budgets(shares) == shares
    task = replace(TASKS["memory"], slots=(96, 160))
    assert task.budgets(shares) == [Budget(0.1, 96), Budget(0.1, 160)]
