"""Crops carry what the engine's memory would hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
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
from sieve.train.demo.labels import OF_BEFORE
from sieve.train.demo.packing import Packer, Progress
from sieve.train.demo.past import Past, Remnant
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.world.truth import UNSURE, VIDEO_TOKENS
from stream.world.plot import Varied
from stream.world.questions import LATEST_KINDS, VIDEO_KINDS
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


class _OnePast:
    """Always the same: one token of a quarter of an hour ago."""

    asked: list[float]

    def __init__(self) -> None:
        self.asked = []

    def draw(self, retention: float, count: int, rng: np.random.Generator) -> Past:
        self.asked.append(retention)
        ids = torch.tensor([-22_500])
        kind, score = torch.zeros(1, dtype=torch.uint8), torch.zeros(1)
        states = torch.zeros(1, 128, dtype=torch.float16)
        one = Remnant(states, ids.expand(3, -1), ids, kind, score, 25_000, 300)
        return Past.of([one] * count)


@pytest.fixture
def behind(sampler: Sampler) -> Iterator[_OnePast]:
    sampler.pasts = _OnePast()
    yield sampler.pasts
    sampler.pasts = None


def test_behind_a_past_nothing_is_asked_whose_answer_may_lie_in_it(
    sampler: Sampler, behind: _OnePast
) -> None:
    asked = {kind for row in _draw(sampler, past=0.2, questions=30).packed.kinds for kind in row}
    assert asked
    assert asked <= LATEST_KINDS
    assert behind.asked == [0.2]


def test_behind_a_past_tokens_are_not_told_of_what_was_before_them(
    sampler: Sampler, behind: _OnePast
) -> None:
    labels = _draw(sampler, past=0.2).labels
    for name in OF_BEFORE:
        assert bool((getattr(labels, name) == UNSURE).all())
    assert bool((labels.object != UNSURE).any())


def test_the_prompt_lies_before_the_past_but_not_beyond_the_horizon(
    sampler: Sampler, behind: _OnePast
) -> None:
    for batch in (_draw(sampler, past=1.0), _draw(sampler, past=1.0, windows=10, jumps=1.0)):
        length = batch.starts[:, -1] - batch.starts[:, 0] + WINDOW_IDS
        since = batch.starts[:, 0] - batch.prompt_end
        assert torch.equal(since, torch.minimum(torch.tensor(25_000), HORIZON_IDS - length))


def test_a_crop_that_begins_its_stream_has_no_past(sampler: Sampler) -> None:
    assert _draw(sampler).past.places == 0


def test_silent_streams_are_whole_and_closed(sampler: Sampler) -> None:
    batch = sampler.silent(range(2))
    assert torch.equal(batch.tokens, sampler.bank.closed.float())
    assert bool(batch.valid.all())
    assert batch.closed.tolist() == [WINDOWS, WINDOWS]
    assert not any(batch.packed.kinds)
