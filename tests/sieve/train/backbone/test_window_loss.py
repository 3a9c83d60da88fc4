"""The training forward is the engine's: same windows, same question, same logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.policy import Policy, RecentFirst, ScoreWithAge
from sieve.select import CS2Selector
from sieve.train.backbone.viewing import Footage, Viewing, question_ids, view
from sieve.train.backbone.window_loss import (
    Choosing,
    Expectation,
    answer_logits,
    answer_loss,
    ask,
    choose,
    expectation_loss,
    remember,
    saliency_loss,
)
from sieve.train.estimators import ESTIMATORS
from tests import tiny

QUESTION, HISTORY = "what was that?", [("before?", "a thing")]
POLICIES = {"score with age": ScoreWithAge(), "recent first": RecentFirst()}


def footage(
    windows: int, *, heard: int = 32_000, video: bool = True, audio: bool = True
) -> Footage:
    rng = np.random.default_rng(windows)
    made = [tiny.window(i, rng, video=video, audio=audio) for i in range(windows)]
    last = made[-1]
    if last.samples is not None:
        last.samples[heard:] = 0.0
    return Footage(tuple(made), heard)


@contextmanager
def overheard(model: Model) -> Iterator[list[Tensor]]:
    """Collects all logits [1, V] that the engine computes."""
    told: list[Tensor] = []
    logits = model.backbone.logits

    def listen(hidden: Tensor) -> Tensor:
        told.append(logits(hidden))
        return told[-1]

    model.backbone.logits = listen  # type: ignore[method-assign]
    try:
        yield told
    finally:
        model.backbone.logits = logits  # type: ignore[method-assign]


def from_engine(
    model: Model, clip: Footage, opened: bool, retention: float, slots: int, policy: Policy
) -> tuple[list[int], Tensor]:
    """Six greedy tokens and the logits [6, V] that chose them."""
    engine = Engine(model, EngineConfig(rows=1, slots=slots), policy)
    row = engine.open(RowConfig(retention=retention))
    for window in clip.windows[: len(clip.windows) - opened]:
        engine.ingest(row, window)
    with overheard(model) as told:
        still_open = clip.still_open() if opened else None
        begun = engine.ask(row, QUESTION, history=HISTORY, open_window=still_open, max_tokens=6)
        steps = [engine.step(begun.branch)]
        while not steps[-1].done:
            steps.append(engine.step(begun.branch))
    return [step.token for step in steps], torch.cat(told)


def from_training(
    model: Model,
    clip: Footage,
    opened: bool,
    choosing: Choosing,
    slots: int,
    policy: Policy,
    answer: list[int],
) -> Tensor:
    viewing = view(model, clip, opened=opened)
    wholes = [viewing.sieve(model.selector, pool) for pool in viewing.closed]
    memory = remember(model, viewing, choose(wholes, choosing), slots, policy)
    ids = question_ids(model, viewing.modalities, QUESTION, HISTORY)
    asked = ask(model, viewing, memory, ids, model.selector, choosing)
    return answer_logits(model, viewing, memory, asked, answer)


@pytest.mark.parametrize("name", ["stream_model", "authors_model", "demo_model"])
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize(
    ("windows", "retention", "slots", "policy"),
    [
        (1, 0.2, 256, "score with age"),
        (4, 0.3, 110, "score with age"),  # the windows compete
        (4, 0.3, 110, "recent first"),
        (7, 0.2, 256, "score with age"),  # beyond the horizon of two of the models
        (2, 1.0, 100, "score with age"),  # a window alone overfills the memory
    ],
)
def test_logits_equal_the_engines(
    name: str,
    opened: bool,
    windows: int,
    retention: float,
    slots: int,
    policy: str,
    request: pytest.FixtureRequest,
) -> None:
    model: Model = request.getfixturevalue(name)
    clip = footage(windows, heard=21_000)
    setting = (slots, POLICIES[policy])
    answer, wanted = from_engine(model, clip, opened, retention, *setting)
    with torch.no_grad():
        found = from_training(model, clip, opened, Choosing(retention), *setting, answer)
    scale = float(wanted.abs().max())
    assert torch.allclose(found, wanted, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize(("video", "audio"), [(True, False), (False, True)])
def test_so_do_those_of_clips_with_one_track(video: bool, audio: bool, stream_model: Model) -> None:
    clip = footage(3, video=video, audio=audio)
    setting = (120, ScoreWithAge())
    answer, wanted = from_engine(stream_model, clip, True, 0.3, *setting)
    with torch.no_grad():
        found = from_training(stream_model, clip, True, Choosing(0.3), *setting, answer)
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_gate_changes_gradients_and_no_logit(name: str, stream_model: Model) -> None:
    estimator = replace(ESTIMATORS[name], noise=0.0)
    clip = footage(3)
    plain = Choosing(0.3)
    setting = (120, ScoreWithAge())
    answer = [40, 41, 42]
    with torch.no_grad():
        wanted = from_training(stream_model, clip, True, plain, *setting, answer)
    found = from_training(
        stream_model, clip, True, replace(plain, estimator=estimator), *setting, answer
    )
    assert torch.allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))


def scorer_gradient(model: Model, estimator: str | None) -> float:
    assert model.cs2 is not None
    model.cs2.zero_grad()
    choosing = Choosing(0.3, ESTIMATORS[estimator] if estimator else None)
    answer = [40, 41, 42]
    logits = from_training(model, footage(2), True, choosing, 120, ScoreWithAge(), answer)
    answer_loss(logits, answer).backward()
    weight = model.cs2.score_head[0].weight
    assert isinstance(weight, torch.nn.Parameter)
    return 0.0 if weight.grad is None else float(weight.grad.norm())


def test_the_answers_loss_reaches_the_scorer_through_an_estimator_only(
    stream_model: Model,
) -> None:
    assert scorer_gradient(stream_model, None) == 0.0
    for name in ESTIMATORS:
        assert scorer_gradient(stream_model, name) > 0.0


def test_without_limit_all_windows_are_remembered(stream_model: Model) -> None:
    viewing = a_viewing(stream_model, 4)
    wholes = [viewing.sieve(stream_model.selector, pool) for pool in viewing.closed]
    memory = remember(stream_model, viewing, choose(wholes, Choosing(1.0)))
    assert len(memory) == len(viewing.prompt) + viewing.tokens


def a_viewing(model: Model, windows: int) -> Viewing:
    return view(model, footage(windows), opened=False)


def test_the_memory_never_holds_more_than_its_slots(stream_model: Model) -> None:
    viewing = a_viewing(stream_model, 5)
    slots = len(viewing.prompt) + 30
    wholes = [viewing.sieve(stream_model.selector, pool) for pool in viewing.closed]
    memory = remember(stream_model, viewing, choose(wholes, Choosing(0.4)), slots)
    assert len(memory) == slots


def test_what_the_teacher_expects_costs_nothing_when_it_is_expected() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    expected = Expectation.of(logits, 8)
    assert float(expectation_loss(logits, expected)) == pytest.approx(0.0, abs=1e-6)
    assert float(expectation_loss(-logits, expected)) > 0.1


def test_with_every_token_the_expectation_is_the_whole_divergence() -> None:
    generator = torch.Generator().manual_seed(1)
    teacher, student = (torch.randn(3, 20, generator=generator) for _ in range(2))
    found = expectation_loss(student, Expectation.of(teacher, 20))
    whole = torch.nn.functional.kl_div(
        student.log_softmax(-1), teacher.log_softmax(-1), log_target=True, reduction="batchmean"
    )
    assert float(found) == pytest.approx(float(whole), abs=1e-3)


def test_scores_are_pulled_to_the_logarithm_of_what_is_wanted() -> None:
    wanted = torch.tensor([0.7, 0.2, 0.1, 0.0])
    scores = torch.zeros(4, requires_grad=True)
    saliency_loss(scores, wanted).backward()
    assert scores.grad is not None
    assert torch.allclose(scores.grad, torch.full((4,), 0.25) - wanted)  # softmax - wanted
    met = torch.log(wanted + 1e-12)
    assert float(saliency_loss(met, wanted)) == pytest.approx(0.0, abs=1e-5)


def test_the_selector_may_be_another_than_the_models(stream_model: Model) -> None:
    assert stream_model.cs2 is not None
    same = CS2Selector(stream_model.cs2)
    viewing = a_viewing(stream_model, 1)
    first, second = (viewing.sieve(s, viewing.pools[0]) for s in (same, stream_model.selector))
    assert torch.equal(first.scores, second.scores)
