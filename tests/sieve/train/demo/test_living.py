"""What is left of long streams."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve.tokens import AUDIO, VIDEO
from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.forward import forward
from sieve.train.demo.living import Lives, live
from sieve.train.demo.packing import Packer
from sieve.train.demo.past import Past, Remnant
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS
from sieve.train.demo.sieving import Sieved, Sieving, refine, sieve
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from stream.world.plot import Varied

WINDOWS = 8
PLOT = Varied("train")
RETENTIONS = (1.0, 0.1)


@pytest.fixture(scope="module")
def model() -> TinyModel:
    torch.manual_seed(3)
    built = TinyModel(thinker_config(build_tokenizer())).eval()
    with torch.no_grad():  # a refiner that does something
        for parameter in built.cs2.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built


@pytest.fixture(scope="module")
def sampler(model: TinyModel) -> Sampler:
    filming = Filming(PLOT, WINDOWS, 0.0)
    bank = Bank.of([encode_stream(model, seed, filming) for seed in (3, 4, 5)])
    return Sampler(bank, PLOT, Packer(build_tokenizer()))


@pytest.fixture(scope="module")
def lives(model: TinyModel, sampler: Sampler) -> Lives:
    return live(model, sampler, RETENTIONS, 12, [7])


def test_every_retention_has_as_many_remnants_as_were_wanted(lives: Lives) -> None:
    assert {r: len(found) for r, found in lives.of.items()} == {1.0: 12, 0.1: 12}


def test_the_same_seed_leaves_the_same(model: TinyModel, sampler: Sampler, lives: Lives) -> None:
    again = live(model, sampler, RETENTIONS, 2, [7]).of[1.0]
    assert torch.equal(again[0].states, lives.of[1.0][0].states)
    other = live(model, sampler, RETENTIONS, 1, [8]).of[1.0][0]
    assert other.states.shape != again[0].states.shape or not torch.equal(
        other.states, again[0].states
    )


def test_a_remnant_fills_no_more_than_its_slots_and_reaches_back_to_the_horizon(
    lives: Lives,
) -> None:
    found = [remnant for of in lives.of.values() for remnant in of]
    assert all(0 < len(remnant.score) <= remnant.slots for remnant in found)
    assert any(len(remnant.score) == remnant.slots for remnant in found)
    for remnant in found:
        assert int(remnant.positions.max()) < 0
        assert int(remnant.start_id.min()) >= -min(remnant.length_ids, HORIZON_IDS)
        assert bool((remnant.positions[0] - remnant.start_id < WINDOW_IDS).all())
        assert bool((remnant.start_id.diff() >= 0).all())


def test_a_full_memory_keeps_what_scores_highest(lives: Lives) -> None:
    remnant = max(lives.of[1.0], key=lambda r: r.length_ids / r.slots)
    newest = remnant.start_id >= -2 * WINDOW_IDS
    assert remnant.score[~newest].mean() > remnant.score[newest].mean()


def test_its_tokens_are_what_the_sieve_makes_of_the_bank(
    model: TinyModel, sampler: Sampler, lives: Lives
) -> None:
    with torch.no_grad():
        states, scores = refine(model, sampler.silent(range(3)), Sieving(1.0))
    assert scores is not None
    for remnant in lives.of[0.1][:3]:
        token = int(remnant.score.argmax())
        at = (scores - remnant.score[token]).abs().argmin()
        assert torch.allclose(scores.flatten()[at], remnant.score[token], atol=1e-4)
        same = states.flatten(0, 2)[at].half()
        assert torch.allclose(same, remnant.states[token], atol=1e-2, rtol=1e-2)


def test_tokens_of_pictures_lie_where_pictures_lie(lives: Lives) -> None:
    for remnant in lives.of[1.0]:
        within = remnant.positions - remnant.start_id
        picture = remnant.kind == VIDEO
        assert set(within[0, picture].tolist()) <= {0, 25}
        assert bool((within[1:, ~picture] == within[0, ~picture]).all())
        assert set(remnant.kind.tolist()) <= {VIDEO, AUDIO}


def _cut(batch: Batch, since: int) -> Batch:
    """The windows from ``since`` on; the prompt stays where it was."""
    labels = dataclasses.replace(
        batch.labels,
        **{
            f.name: getattr(batch.labels, f.name)[:, since:]
            for f in dataclasses.fields(batch.labels)
        },
    )
    packed = dataclasses.replace(
        batch.packed,
        moment=batch.packed.moment - since,
        evidence=(batch.packed.evidence - since).clamp(min=0),
    )
    return dataclasses.replace(
        batch,
        tokens=batch.tokens[:, since:],
        valid=batch.valid[:, since:],
        salient=batch.salient[:, since:],
        starts=batch.starts[:, since:],
        labels=labels,
        closed=batch.closed - since,
        packed=packed,
    )


def _remnant_of(batch: Batch, sieved: Sieved, windows: int) -> Remnant:
    """All that was kept of the first ``windows`` of the only crop."""
    kept = sieved.kept[0, :windows]
    start = (batch.starts[0, :windows] - batch.starts[0, windows])[:, None].expand_as(kept)
    assert sieved.scores is not None
    return Remnant(
        states=sieved.states[0, :windows].flatten(0, 1),
        positions=(batch.within[:, kept] + start).flatten(1),
        start_id=start.flatten(),
        kind=torch.where(kept < batch.video, VIDEO, AUDIO).to(torch.uint8).flatten(),
        score=sieved.scores[0, :windows].gather(1, kept).flatten(),
        length_ids=windows * WINDOW_IDS,
        slots=2_048,
    )


def test_a_crop_behind_a_past_is_read_as_one_stream(model: TinyModel, sampler: Sampler) -> None:
    rng = np.random.default_rng(1)
    whole = sampler.exam(BatchShape(crops=1, windows=WINDOWS, open_share=0.0), rng)
    how = Sieving(0.2, slots=2_048)
    with torch.no_grad():
        first = _remnant_of(whole, sieve(model, whole, how, torch.Generator()), 5)
        cut = dataclasses.replace(_cut(whole, 5), past=Past.of([first]))
        read, resumed = (forward(model, b, how, torch.Generator()) for b in (whole, cut))
        alone = forward(model, _cut(whole, 5), how, torch.Generator())
    assert torch.allclose(read.answers, resumed.answers, atol=1e-4)
    assert torch.allclose(read.middle[:, 5:], resumed.middle, atol=1e-4)
    assert not torch.allclose(read.answers, alone.answers, atol=1e-2)
