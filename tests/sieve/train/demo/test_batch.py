"""Crops carry what the engine's memory would hold."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from sieve.prompt import Modalities
from sieve.rope import grid_positions
from sieve.train.demo.bank import Bank, Filming, encode_stream
from sieve.train.demo.batch import (
    JUMP_IDS,
    TIMED_KINDS,
    Batch,
    BatchShape,
    Crop,
    Sampler,
    window_positions,
)
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.world.truth import VIDEO_TOKENS
from stream.world.plot import Varied
from stream.world.questions import VIDEO_KINDS
from stream.world.scene import Question

WINDOWS = 12
PLOT = Varied("train")


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    tokenizer = build_tokenizer()
    model = TinyModel(thinker_config(tokenizer))
    bank = Bank.of([encode_stream(model, seed, Filming(PLOT, WINDOWS, 0.0)) for seed in (3, 4)])
    return Sampler(bank, PLOT, Packer(tokenizer))


def _draw(sampler: Sampler, seed: int = 0, **settings: object) -> Batch:
    shape = dataclasses.replace(BatchShape(crops=6, windows=4), **settings)  # type: ignore[arg-type]
    return sampler.draw(shape, np.random.default_rng(seed), Progress())


def test_the_same_numbers_draw_the_same_batch(sampler: Sampler) -> None:
    first, again = _draw(sampler), _draw(sampler)
    assert torch.equal(first.packed.ids, again.packed.ids)
    assert torch.equal(first.tokens, again.tokens)


def test_positions_are_those_of_the_contract(sampler: Sampler) -> None:
    within = window_positions()
    assert torch.equal(within[:, 9:18], grid_positions(25, 0, 3, 3))
    assert torch.equal(within[:, 18:], torch.arange(50).expand(3, -1))
    batch = _draw(sampler)
    assert torch.equal(batch.positions[:, 2, 1], within + batch.starts[2, 1])


def test_text_follows_the_newest_id_that_was_seen_at_its_moment(sampler: Sampler) -> None:
    batch = _draw(sampler, open_share=0.5, moments=3)
    for i in range(6):
        for talk, moment in enumerate(batch.packed.moment[i].tolist()):
            seen = batch.positions[:, i, : moment + 1][:, batch.valid[i, : moment + 1]]
            assert int(batch.text_start[i, talk]) == int(seen.max()) + 1


def test_questions_are_put_at_several_moments_and_rest_on_what_came_before(
    sampler: Sampler,
) -> None:
    packed = _draw(sampler, windows=8, questions=12, moments=3).packed
    assert all(len(set(row.tolist())) == 3 for row in packed.moment)
    first, last = packed.evidence.unbind(-1)
    assert ((first >= 0) & (first <= last) & (last <= packed.moment)).all()


def test_an_open_window_has_only_what_has_come(sampler: Sampler) -> None:
    batch = _draw(sampler, crops=8, windows=3, open_share=1.0)
    assert (batch.closed == 2).all()
    assert batch.valid[:, :-1].all()
    assert not batch.valid[:, -1].all()
    assert (batch.salient & ~batch.valid).sum() == 0


@pytest.mark.parametrize(("is_open", "longest_s"), [(True, 24.0), (False, 24.0)])
def test_a_question_is_about_the_whole_crop(
    sampler: Sampler, is_open: bool, longest_s: float
) -> None:
    crop = Crop(0, 0, is_open, np.arange(WINDOWS) * WINDOW_IDS)
    now_s, since_s = sampler._span(crop, WINDOWS - 1)
    assert longest_s - 2.0 < now_s - since_s <= longest_s


def test_the_clock_jumps_by_whole_windows_and_within_the_horizon(sampler: Sampler) -> None:
    shape, rng = BatchShape(crops=1, windows=6, jumps=1.0), np.random.default_rng(0)
    crops = [sampler._crop(shape, rng) for _ in range(200)]
    steps = np.concatenate([np.diff(crop.starts) for crop in crops])
    assert (steps % WINDOW_IDS == 0).all()
    jumps = steps[steps > WINDOW_IDS]
    assert jumps.min() >= JUMP_IDS[0]
    assert len(jumps) > 200
    assert max(crop.starts[-1] - crop.starts[0] for crop in crops) <= HORIZON_IDS - WINDOW_IDS


def test_what_hangs_on_seconds_is_asked_about_the_time_since_the_last_jump(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop = Crop(0, 1, False, np.array([0, 50, 5_000, 5_050]))
    asked: list[tuple[float, float, list[str]]] = []
    monkeypatch.setattr(
        type(sampler._scenes[0]),
        "questions",
        lambda _, now_s, since_s, rng, kinds: asked.append((now_s, since_s, list(kinds))) or [],
    )
    sampler._askable(crop, 3, PLOT.kinds, np.random.default_rng(0))
    (now_s, since_s, kinds), (again_s, calm_s, timed) = asked
    assert now_s == again_s == since_s + 8.0 == calm_s + 4.0
    assert set(timed) <= TIMED_KINDS
    assert TIMED_KINDS.isdisjoint(kinds)


def test_an_age_counts_the_jumps_of_the_clock(sampler: Sampler) -> None:
    asked = Question("when_heard", "when did the buzz sound?", "5 seconds ago", 0.5, (0.0, 0.5))
    crop = Crop(0, 1, False, np.array([0, 50, 50 + 7_500, 100 + 7_500]))
    now_s, since_s = sampler._span(crop, 3)
    old = replace(asked, evidence_s=(since_s + 3.0, since_s + 3.5))
    new = replace(asked, evidence_s=(now_s - 2.0, now_s - 1.5))
    doubtful = replace(asked, evidence_s=(now_s - 3.1, now_s - 2.9))
    assert sampler._retimed(crop, 3, old) == replace(old, answer="5 minutes ago")
    assert sampler._retimed(crop, 3, new) == replace(new, answer="2 seconds ago")
    assert sampler._retimed(crop, 3, doubtful) is None
    other = replace(old, kind="now")
    assert sampler._retimed(crop, 3, other) is other


def test_a_stream_without_sound_has_no_sound_tokens_and_questions(sampler: Sampler) -> None:
    batch = _draw(sampler, crops=4, windows=3, modalities=Modalities(video=True, audio=False))
    assert batch.tokens.shape[2] == batch.video == VIDEO_TOKENS
    assert {kind for kinds in batch.packed.kinds for kind in kinds} <= VIDEO_KINDS
    assert batch.markers == 1
