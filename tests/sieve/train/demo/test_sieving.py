"""The sieve over a batch, and what an ablation takes away from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.sieving import Sieving, refine, sieve
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.estimators import ESTIMATORS
from stream.world.plot import FIRST_WORLD


@pytest.fixture(scope="module")
def model() -> TinyModel:
    torch.manual_seed(3)
    built = TinyModel(thinker_config(build_tokenizer())).eval()
    with torch.no_grad():
        for parameter in built.cs2.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built


@pytest.fixture(scope="module")
def batch(model: TinyModel) -> Batch:
    bank = Bank.of([encode_stream(model, 5, Filming(FIRST_WORLD, 6, 0.0))])
    sampler = Sampler(bank, FIRST_WORLD, Packer(build_tokenizer()))
    return sampler.draw(BatchShape(3, 4, open_share=0.5), np.random.default_rng(0), Progress())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_labels_choose_what_is_worth_keeping(model: TinyModel, batch: Batch) -> None:
    with torch.no_grad():
        chosen = sieve(model, batch, Sieving(0.4, False, "labels"), _generator())
    kept = batch.salient.gather(2, chosen.kept) & chosen.used
    places = chosen.used.sum(-1)
    assert torch.equal(kept.sum(-1), torch.minimum(batch.salient.sum(-1), places))


def test_a_share_for_each_modality(model: TinyModel, batch: Batch) -> None:
    with torch.no_grad():
        chosen = sieve(model, batch, Sieving(0.2, choice="per-modality"), _generator())
    closed = batch.valid.all(-1)
    video = ((chosen.kept < batch.video) & chosen.used).sum(-1)[closed]
    assert ((video >= 3) & (video <= 4)).all()  # of 18, where 14 of 68 are kept


@pytest.mark.parametrize("estimator", [None, *ESTIMATORS])
def test_the_loss_of_what_is_read_reaches_the_scores_by_an_estimator(
    model: TinyModel, batch: Batch, estimator: str | None
) -> None:
    model.zero_grad()
    chosen = sieve(model, batch, Sieving(0.2, estimator=estimator), _generator())
    chosen.states.pow(2).sum().backward()
    gradient = model.cs2.score_head[0].weight.grad
    assert (gradient is not None and bool(gradient.abs().sum() > 0)) == (estimator is not None)


def test_an_estimator_changes_nothing_forward(model: TinyModel, batch: Batch) -> None:
    with torch.no_grad():
        plain, gated = (
            sieve(model, batch, Sieving(0.2, estimator=e), _generator()) for e in (None, "softmax")
        )
    used = plain.used[..., None]
    assert torch.allclose(plain.states * used, gated.states * used, atol=1e-6)


def _without_sound(batch: Batch) -> Batch:
    tokens = batch.tokens.clone()
    tokens[:, :, batch.video :] = 0.3
    return dataclasses.replace(batch, tokens=tokens)


@pytest.mark.parametrize(
    ("attention", "hears"), [("joint", True), ("causal", False), ("apart", False)]
)
def test_whether_pictures_know_of_the_sound(
    model: TinyModel, batch: Batch, attention: str, hears: bool
) -> None:
    how = Sieving(0.2, attention=attention)  # type: ignore[arg-type]
    with torch.no_grad():
        one, two = (refine(model, b, how)[0] for b in (batch, _without_sound(batch)))
    seen = batch.valid[..., : batch.video]
    differ = (one - two).abs().amax(-1)[..., : batch.video][seen]
    assert bool((differ > 1e-5).any()) == hears


def _another_prompt(batch: Batch) -> Batch:
    return dataclasses.replace(batch, prompt=batch.prompt.flip(0))


@pytest.mark.parametrize(
    ("text", "states", "scores"),
    [("both", True, True), ("states", True, False), ("scores", False, True)],
)
def test_what_is_computed_with_the_text_in_sight(
    model: TinyModel, batch: Batch, text: str, states: bool, scores: bool
) -> None:
    how = Sieving(0.2, text=text)  # type: ignore[arg-type]
    with torch.no_grad():
        one, two = (refine(model, b, how) for b in (batch, _another_prompt(batch)))
    assert bool((one[0] - two[0])[batch.valid].abs().max() > 1e-5) == states
    assert one[1] is not None
    assert two[1] is not None
    assert bool((one[1] - two[1])[batch.valid].abs().max() > 1e-5) == scores


def test_omnisift_learns_in_the_place_of_the_sieve(model: TinyModel, batch: Batch) -> None:
    model.zero_grad()
    chosen = sieve(model, batch, Sieving(0.2, method="omnisift"), _generator())
    plain = sieve(model, batch, Sieving(0.2), _generator())
    assert torch.equal(chosen.used.sum(-1), plain.used.sum(-1))
    raw = batch.tokens.gather(2, chosen.kept[..., None].expand(-1, -1, -1, 128))
    used = chosen.used[..., None]
    assert torch.allclose(chosen.states * used, raw * used)
    chosen.states.pow(2).sum().backward()
    assert model.sifter.head[0].weight.grad.abs().sum() > 0


def test_raw_output_is_what_the_towers_made(model: TinyModel, batch: Batch) -> None:
    with torch.no_grad():
        chosen = sieve(model, batch, Sieving(0.2, output="raw"), _generator())
    raw = batch.tokens.gather(2, chosen.kept[..., None].expand(-1, -1, -1, 128))
    assert torch.equal(chosen.states, raw)
