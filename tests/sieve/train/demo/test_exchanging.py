"""Exchanges near the threshold, for all crops at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.exchanging import (
    MARGIN,
    Swap,
    draw_swap,
    exchange_loss,
    loglikelihood,
    swapped,
)
from sieve.train.demo.forward import forward
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.sieving import Sieved, Sieving, sieve
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from stream.world.plot import FIRST_WORLD

HOW = Sieving(0.2)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> TinyModel:
    torch.manual_seed(3)
    return TinyModel(thinker_config(build_tokenizer())).eval()


@pytest.fixture(scope="module")
def batch(model: TinyModel) -> Batch:
    bank = Bank.of([encode_stream(model, 5, Filming(FIRST_WORLD, 6, 0.0))])
    sampler = Sampler(bank, FIRST_WORLD, Packer(build_tokenizer()))
    return sampler.draw(BatchShape(4, 4), np.random.default_rng(1), Progress())


@pytest.fixture(scope="module")
def sieved(model: TinyModel, batch: Batch) -> Sieved:
    """With scores that are all different: a fresh scorer knows no difference."""
    scored = sieve(model, batch, HOW, _generator())
    assert scored.scores is not None
    scores = torch.randn(scored.scores.shape, generator=_generator(7))
    worth = scores.masked_fill(~batch.valid, -1e4)
    kept = worth.topk(scored.kept.shape[2], -1).indices.sort(-1).values
    states = scored.pool.gather(2, kept[..., None].expand(-1, -1, -1, scored.pool.shape[-1]))
    used = batch.valid.gather(2, kept)
    return Sieved(states, kept, used, scores, scored.pool)


@pytest.mark.parametrize("across", [False, True])
def test_a_kept_token_leaves_for_a_dropped_one_near_the_threshold(
    batch: Batch, sieved: Sieved, across: bool
) -> None:
    swap = draw_swap(batch, sieved, _generator(1), across=across)
    assert bool(swap.possible.any())
    for crop in swap.possible.nonzero()[:, 0].tolist():
        window = int(swap.window[crop])
        leaving, entering = int(swap.leaving[crop]), int(swap.entering[crop])
        kept = sieved.kept[crop, window][sieved.used[crop, window]].tolist()
        scores = sieved.scores[crop, window]  # type: ignore[index]
        assert leaving in kept
        assert entering not in kept
        assert bool(batch.valid[crop, window, entering])
        assert ((leaving < batch.video) != (entering < batch.video)) == across
        assert sum(float(scores[k]) < float(scores[leaving]) for k in kept) < MARGIN


def test_after_a_swap_the_window_holds_the_other_token_and_all_else_is_as_it_was(
    batch: Batch, sieved: Sieved
) -> None:
    swap = draw_swap(batch, sieved, _generator(2), across=False)
    after = swapped(sieved, swap)
    for crop in range(len(swap.window)):
        for window in range(sieved.kept.shape[1]):
            before = set(sieved.kept[crop, window][sieved.used[crop, window]].tolist())
            if bool(swap.possible[crop]) and window == int(swap.window[crop]):
                before = before - {int(swap.leaving[crop])} | {int(swap.entering[crop])}
            used = after.used[crop, window]
            now = after.kept[crop, window][used].tolist()
            assert now == sorted(before)
            assert torch.equal(after.states[crop, window][used], sieved.pool[crop, window][now])


def test_where_nothing_was_dropped_nothing_is_exchanged(batch: Batch, sieved: Sieved) -> None:
    everything = torch.arange(batch.valid.shape[2]).expand(batch.valid.shape)
    whole = dataclasses.replace(sieved, kept=everything, used=batch.valid, states=sieved.pool)
    swap = draw_swap(batch, whole, _generator(3), across=False)
    assert not bool(swap.possible.any())
    assert torch.equal(swapped(whole, swap).kept, whole.kept)


def test_the_loglikelihood_of_a_crop_is_the_sum_over_its_answers(
    model: TinyModel, batch: Batch
) -> None:
    with torch.no_grad():
        outcome = forward(model, batch, HOW, _generator())
    found = loglikelihood(outcome, 4)
    losses = F.cross_entropy(outcome.answers, outcome.targets, reduction="none")
    for crop in range(4):
        own = (losses * outcome.weights)[outcome.rows == crop].sum()
        assert float(found[crop]) == pytest.approx(-float(own), rel=1e-5)


def test_a_token_that_helps_the_answers_is_pulled_in_and_the_other_out(
    model: TinyModel, batch: Batch, sieved: Sieved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descending the loss raises the score of what entered where answers became likelier."""
    scores = sieved.scores.clone().requires_grad_()  # type: ignore[union-attr]
    own = dataclasses.replace(sieved, scores=scores)
    with torch.no_grad():
        outcome = dataclasses.replace(forward(model, batch, HOW, _generator()), sieved=own)
    before, drawn = loglikelihood(outcome, 4), list[Swap]()
    better = outcome.answers + 2.0 * F.one_hot(outcome.targets, outcome.answers.shape[1])
    likelier = dataclasses.replace(outcome, answers=better)
    assert bool((loglikelihood(likelier, 4) > before).all())
    path = "sieve.train.demo.exchanging."
    monkeypatch.setattr(path + "answer", lambda *_: likelier)
    monkeypatch.setattr(path + "draw_swap", _noting(drawn))
    exchange_loss(model, batch, outcome, HOW, _generator(4)).backward()
    assert scores.grad is not None
    for swap in drawn:
        for crop in swap.possible.nonzero()[:, 0].tolist():
            window = int(swap.window[crop])
            assert float(scores.grad[crop, window, swap.entering[crop]]) < 0
            assert float(scores.grad[crop, window, swap.leaving[crop]]) > 0
    assert bool(torch.stack([swap.possible for swap in drawn]).any())


def _noting(drawn: list[Swap]):  # type: ignore[no-untyped-def]
    def draw(*args: object, **settings: object) -> Swap:
        drawn.append(draw_swap(*args, **settings))  # type: ignore[arg-type]
        return drawn[-1]

    return draw


def test_an_arm_learns_by_exchanges_what_no_gate_tells_the_scorer(
    model: TinyModel, batch: Batch
) -> None:
    how = dataclasses.replace(HOW, estimator="exchange")
    torch.nn.init.normal_(model.cs2.score_head[0].weight, generator=_generator(5))
    model.zero_grad()
    outcome = forward(model, batch, how, _generator())
    outcome.answers.sum().backward(retain_graph=True)
    untouched = model.cs2.score_head[0].weight.grad
    assert untouched is None or not bool(untouched.any())
    exchange_loss(model, batch, outcome, how, _generator(6)).backward()
    assert bool(model.cs2.score_head[0].weight.grad.any())  # type: ignore[union-attr]
