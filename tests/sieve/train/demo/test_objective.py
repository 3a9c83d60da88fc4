"""What is to be learned from a forward."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve.prompt import Modalities
from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import BatchShape, Sampler
from sieve.train.demo.forward import forward
from sieve.train.demo.objective import TokenWords, answer_loss, score_loss, turns_right
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.sieving import Sieving
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from stream.world.plot import FIRST_WORLD


@pytest.fixture(scope="module")
def model() -> TinyModel:
    torch.manual_seed(3)
    return TinyModel(thinker_config(build_tokenizer())).eval()


@pytest.fixture(scope="module")
def sampler(model: TinyModel) -> Sampler:
    bank = Bank.of([encode_stream(model, 5, Filming(FIRST_WORLD, 6, 0.0))])
    return Sampler(bank, FIRST_WORLD, Packer(build_tokenizer()))


def _draw(sampler: Sampler, modalities: Modalities | None = None):  # type: ignore[no-untyped-def]
    shape = BatchShape(3, 4, modalities=modalities or Modalities())
    return sampler.draw(shape, np.random.default_rng(1), Progress())


def test_scores_learn_from_the_labels(model: TinyModel, sampler: Sampler) -> None:
    batch = _draw(sampler)
    model.zero_grad()
    score_loss(forward(model, batch, Sieving(0.2), torch.Generator()), batch).backward()
    assert model.cs2.score_head[0].weight.grad.abs().sum() > 0


def test_a_modality_without_labels_costs_nothing(model: TinyModel, sampler: Sampler) -> None:
    words = TokenWords(model, _Words())
    batch = _draw(sampler, Modalities(video=True, audio=False))
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.2), torch.Generator())
        losses = words.losses(outcome.middle, batch, outcome.sieved, causal=True)
    heard = ("sound", "heard_before", "apart", "heard_so_far", "alike_so_far")
    assert [float(losses[of]) for of in heard] == [0.0] * 5
    assert min(float(losses[of]) for of in ("object", "shown_so_far")) > 0.0


class _Words(dict[str, int]):
    def __missing__(self, word: str) -> int:
        return 300 + len(word)


def test_answers_of_no_weight_cost_nothing(model: TinyModel, sampler: Sampler) -> None:
    batch = _draw(sampler)
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.2), torch.Generator())
    perfect = torch.nn.functional.one_hot(outcome.targets, outcome.answers.shape[1]) * 50.0
    perfect[0] = -perfect[0]
    for weight, least in ((1.0, 0.1), (0.0, 0.0)):
        weights = outcome.weights.clone()
        weights[0] = weight
        loss = answer_loss(dataclasses.replace(outcome, answers=perfect, weights=weights))
        assert (float(loss) > 0.1) == (least > 0)


def test_turns_are_right_when_every_token_is(model: TinyModel, sampler: Sampler) -> None:
    batch = _draw(sampler)
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.2), torch.Generator())
    perfect = torch.nn.functional.one_hot(outcome.targets, outcome.answers.shape[1]).float()
    told = dataclasses.replace(outcome, answers=perfect)
    assert all(right for _, right in turns_right(told, batch))
    perfect[0] = 0.0
    assert [right for _, right in turns_right(told, batch)].count(False) == 1
    kinds = [kind for row in batch.packed.kinds for kind in row]
    assert [kind for kind, _ in turns_right(told, batch)] == kinds
