"""The sieve over a batch, and what an ablation takes away from it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sieve.cs2 import kept_count
from sieve.eval.arms import ARMS as EVALUATED
from sieve.pool import Pool
from sieve.rope import prompt_positions
from sieve.select import CS2Selector, Selection, Text
from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.sieving import Sieving, refine, sieve
from sieve.train.demo.study import ARMS, Arm
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.estimators import ESTIMATORS, gumbel_noise
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


def test_gumbel_chooses_by_noisy_scores_and_takes_their_gradient(
    model: TinyModel, batch: Batch
) -> None:
    states, plain = refine(model, batch, Sieving(0.2))
    assert plain is not None
    noisy = plain.masked_fill(~batch.valid, -1e4)
    noisy = noisy + gumbel_noise(noisy, _generator())
    gains = torch.randn(states.shape, generator=torch.Generator().manual_seed(2))
    chosen = sieve(model, batch, Sieving(0.2, estimator="gumbel"), _generator())
    assert chosen.scores is not None
    assert torch.equal(chosen.scores, plain)  # what the memory and the labels go by
    for crop, window in np.ndindex(chosen.kept.shape[:2]):
        kept = chosen.kept[crop, window][chosen.used[crop, window]]
        best = noisy[crop, window].topk(len(kept)).indices.sort().values
        assert torch.equal(kept, best)
    index = chosen.kept[..., None].expand_as(chosen.states)
    worth = (gains.gather(2, index) * chosen.states.detach()).sum(-1) * chosen.used
    expected = (noisy.softmax(-1).gather(2, chosen.kept) * worth).sum()
    weight = model.cs2.score_head[0].weight
    (of_noisy,) = torch.autograd.grad(expected, weight)
    gained = chosen.states * chosen.used[..., None] * gains.gather(2, index)
    (found,) = torch.autograd.grad(gained.sum(), weight)
    torch.testing.assert_close(found, of_noisy, atol=1e-5, rtol=1e-4)


def _another_sound(batch: Batch, *, late: bool) -> Batch:
    """Other sound while the first picture is there, or after the last came."""
    at = batch.within[0]
    change = (at > at[batch.video - 1]) if late else (at <= at[0])
    change = change & (torch.arange(len(at)) >= batch.video)
    return dataclasses.replace(batch, tokens=batch.tokens.masked_fill(change[:, None], 0.3))


@pytest.mark.parametrize(
    ("attention", "early", "late"),
    [("joint", True, True), ("causal", True, False), ("apart", False, False)],
)
def test_which_sound_pictures_know_of(
    model: TinyModel, batch: Batch, attention: str, early: bool, late: bool
) -> None:
    how = Sieving(0.2, attention=attention)  # type: ignore[arg-type]
    seen = batch.valid[..., : batch.video]
    for knows, other in (
        (early, _another_sound(batch, late=False)),
        (late, _another_sound(batch, late=True)),
    ):
        with torch.no_grad():
            one, two = (refine(model, b, how)[0] for b in (batch, other))
        differ = (one - two).abs().amax(-1)[..., : batch.video][seen]
        assert bool((differ > 1e-5).any()) == knows


USED = {arm.used_as: arm for arm in reversed(ARMS) if arm.used_as not in (None, "omnisift")}


def _in_use(model: TinyModel, batch: Batch, crop: int, window: int, name: str) -> Selection:
    """What the suite's arm keeps of one window."""
    there = batch.valid[crop, window]
    sound = int(there[batch.video :].sum())
    tokens, positions = batch.tokens[crop, window, there], batch.within[:, there]
    count = len(batch.prompt)
    before = Text(model.embed(batch.prompt), prompt_positions(0, count, batch.markers))
    served = SimpleNamespace(name="tiny", cs2=model.cs2, selector=CS2Selector(model.cs2))
    method = EVALUATED[name].build(served, None)  # type: ignore[arg-type]
    pool = Pool(0.0, tokens, positions, (), sound)
    return method.selector.select(pool, kept_count(0.2, len(pool)), before)


@pytest.mark.parametrize(("name", "arm"), USED.items(), ids=USED)
def test_an_arm_keeps_in_training_what_it_keeps_in_use(
    model: TinyModel, batch: Batch, name: str, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.lm.config, "_attn_implementation", "sdpa")
    how = dataclasses.replace(Sieving(0.2, **arm.sieving), noise=0.0, estimator=None)
    with torch.no_grad():
        trained = sieve(model, batch, how, _generator())
        assert trained.scores is not None
        for crop, window in np.ndindex(trained.kept.shape[:2]):
            used = _in_use(model, batch, crop, window, name)
            there = batch.valid[crop, window].nonzero()[:, 0]
            places = trained.used[crop, window]
            assert torch.equal(trained.kept[crop, window][places], there[used.keep])
            torch.testing.assert_close(
                trained.states[crop, window][places], used.states, atol=1e-4, rtol=1e-4
            )
            torch.testing.assert_close(
                trained.scores[crop, window, there], used.scores, atol=1e-4, rtol=1e-4
            )


def _another_prompt(batch: Batch) -> Batch:
    return dataclasses.replace(batch, prompt=batch.prompt.flip(0))


@pytest.mark.parametrize(
    ("text", "states", "scores"),
    [
        ("both", True, True),
        ("states", True, False),
        ("scores", False, True),
        ("none", False, False),
    ],
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
