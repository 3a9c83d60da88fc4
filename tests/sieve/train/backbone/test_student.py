"""What one clip teaches: losses fall, and only what should learn learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sieve import Model
from sieve.baselines import KeepAll
from sieve.train.backbone.clips import Clip
from sieve.train.backbone.fresh import with_fresh_sieve
from sieve.train.backbone.media import Media
from sieve.train.backbone.messages import Turn
from sieve.train.backbone.student import Example, Student
from sieve.train.backbone.teacher import Teacher
from sieve.train.backbone.tuning import SievePlan, StagePlan, TeacherPlan, Tuning
from tests.sieve.train.backbone.test_window_loss import footage

TUNING = Tuning(
    sieve=SievePlan(layers=1, retentions=(0.2,), estimator="softmax"),
    teacher=TeacherPlan(generated=1, answer_tokens=3),
    cs2=StagePlan(steps=10),
)


def taught(model: Model, answer: str | None) -> Example:
    clip = Clip("here", Media(None), (Turn("what?", answer), Turn("who?", answer)))
    teacher = Teacher(model, KeepAll(), TUNING.teacher, 0, labelled=answer is not None)
    made = footage(2, heard=20_000)
    lessons = teacher.teach(clip, made, 0)
    return Example(made, clip.instruction, lessons.lessons, lessons.saliency)


@pytest.fixture
def fresh(stream_model: Model) -> Model:
    return with_fresh_sieve(replace(stream_model, cs2=None), TUNING.sieve, 0)


def test_a_label_is_the_answer_and_a_teacher_writes_its_own(fresh: Model) -> None:
    labelled, distilled = taught(fresh, "a dog"), taught(fresh, None)
    end = fresh.backbone.token_ids("<|im_end|>")
    assert [list(lesson.answer) for lesson in labelled.lessons] == [
        fresh.backbone.token_ids("a dog") + end
    ] * 2
    assert all(lesson.expected is None for lesson in labelled.lessons)
    assert 2 <= len(distilled.lessons) <= 3  # one may be the model's own question
    for lesson in distilled.lessons:
        assert lesson.expected is not None
        assert lesson.expected.tokens[:, 0].tolist() == list(lesson.answer)  # greedy


def test_with_all_tokens_the_student_expects_what_the_teacher_did(fresh: Model) -> None:
    student = Student(fresh, KeepAll(), TUNING)
    for loss, right in student.examine(taught(fresh, None), None):
        assert right
        assert loss == pytest.approx(0.0, abs=1e-4)


def test_a_step_on_the_whole_loses_no_token(fresh: Model) -> None:
    """A new sieve passes on what it reads: the student is the teacher then."""
    plans = (replace(TUNING.sieve, withheld=0.0, whole=share) for share in (1.0, 0.0))
    whole, part = (Student(fresh, KeepAll(), replace(TUNING, sieve=plan)) for plan in plans)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        loss = whole.sieve(taught(fresh, None), rng, 0.0)["answer"]
        assert float(loss.detach()) == pytest.approx(0.0, abs=1e-4)
    loss = part.sieve(taught(fresh, None), np.random.default_rng(0), 0.0)["answer"]
    assert float(loss.detach()) > 1e-3


@pytest.mark.parametrize("stage", ["full", "cs2", "exchange"])
def test_a_stages_loss_is_finite_and_reaches_the_sieve_where_it_should(
    fresh: Model, stage: str
) -> None:
    student = Student(fresh, KeepAll(), TUNING)
    student.warm_up_ends()
    student.cs2.zero_grad()
    parts = student.stages[stage](taught(fresh, "a dog"), np.random.default_rng(3), 0.0)
    total = torch.stack(list(parts.values())).sum()
    assert bool(torch.isfinite(total))
    if stage == "full":
        return
    total.backward()
    slopes = [p.grad for p in student.cs2.score_head.parameters() if p.grad is not None]
    assert any(bool(slope.any()) for slope in slopes)


def test_the_pull_towards_what_answers_rest_on_falls_to_its_floor(fresh: Model) -> None:
    student, example = Student(fresh, KeepAll(), TUNING), taught(fresh, "a dog")
    begin, end = (
        float(student.sieve(example, np.random.default_rng(3), done)["saliency"].detach())
        for done in (0.0, 1.0)
    )
    assert end == pytest.approx(TUNING.teacher.saliency_floor * begin, rel=1e-4)


def test_a_few_steps_on_a_clip_bring_its_loss_down(fresh: Model) -> None:
    student, example = Student(fresh, KeepAll(), TUNING), taught(fresh, None)
    student.cs2.requires_grad_(True)
    descent = torch.optim.Adam(student.cs2.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        parts = student.sieve(example, np.random.default_rng(3), 0.0)
        loss = torch.stack(list(parts.values())).sum()
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_exchanges_stay_close_to_the_scorer_as_it_was(fresh: Model) -> None:
    student, example = Student(fresh, KeepAll(), TUNING), taught(fresh, "a dog")
    rng = np.random.default_rng(1)
    student.warm_up_ends()
    begin = student.exchange(example, rng, 0.0)["divergence"]
    assert float(begin.detach()) == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        student.cs2.score_head[2].bias += 3.0
    assert float(student.exchange(example, rng, 0.0)["divergence"].detach()) > 0.1
