"""Crops carry what the engine's memory would hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve.prompt import Modalities
from sieve.rope import grid_positions
from sieve.train.bank import Bank, encode_stream
from sieve.train.batch import BatchShape, Sampler, window_positions
from sieve.train.packing import VIDEO_KINDS, Packer, Progress
from sieve.train.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.truth import VIDEO_TOKENS
from stream.scene import OBJECTS

WINDOWS = 12


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    tokenizer = build_tokenizer()
    model = TinyModel(thinker_config(tokenizer))
    rows = [encode_stream(model, seed, WINDOWS, 0.0) for seed in (3, 4)]
    columns = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    return Sampler(Bank(**columns), Packer(tokenizer))


def _draw(sampler: Sampler, **settings: object) -> object:
    shape = dataclasses.replace(BatchShape(crops=6, windows=4), **settings)  # type: ignore[arg-type]
    return sampler.draw(shape, np.random.default_rng(0), Progress())


def test_the_same_numbers_draw_the_same_batch(sampler: Sampler) -> None:
    first, again = _draw(sampler), _draw(sampler)
    assert torch.equal(first.packed.ids, again.packed.ids)  # type: ignore[attr-defined]
    assert torch.equal(first.tokens, again.tokens)  # type: ignore[attr-defined]


def test_positions_are_those_of_the_contract() -> None:
    positions = window_positions(2)
    second = positions[:, 1]
    start = int(positions[0, 1, VIDEO_TOKENS])
    assert start == int(positions[0, 0, VIDEO_TOKENS]) + 50
    assert torch.equal(second[:, 9:18], grid_positions(start + 25, start, 3, 3))
    assert torch.equal(second[:, 18:], torch.arange(start, start + 50).expand(3, -1))


def test_text_follows_the_newest_id_that_was_seen(sampler: Sampler) -> None:
    batch = sampler.draw(
        BatchShape(crops=8, windows=2, open_share=0.5), np.random.default_rng(1), Progress()
    )
    for i in range(8):
        seen = batch.positions[:, batch.valid[i]]
        assert int(batch.text_start[i]) == int(seen.max()) + 1


def test_an_open_window_has_only_what_has_come(sampler: Sampler) -> None:
    batch = sampler.draw(
        BatchShape(crops=8, windows=3, open_share=1.0), np.random.default_rng(2), Progress()
    )
    assert batch.is_open.all()
    assert batch.valid[:, :-1].all()
    assert not batch.valid[:, -1].all()
    assert (batch.salient & ~batch.valid).sum() == 0


@pytest.mark.parametrize(("is_open", "longest_s"), [(True, 14.0), (False, 12.0)])
def test_a_question_is_about_the_horizon(sampler: Sampler, is_open: bool, longest_s: float) -> None:
    now_s, since_s = sampler._span(0, 0, is_open, WINDOWS)
    assert longest_s - 2.0 < now_s - since_s <= longest_s


def test_labels_name_the_segment_before_where_it_is_remembered(sampler: Sampler) -> None:
    bank, scene = sampler.bank, sampler.bank.scenes()[0]
    labels = sampler._labels(
        torch.zeros(1, 1, dtype=torch.long), torch.arange(WINDOWS)[None], slice(0, 68)
    )
    segments = scene.segments(0.0, 30.0)
    for window in range(WINDOWS):
        segment = segments[int(bank.segment[0, window, 40])]
        assert OBJECTS[int(labels.object[0, window, 40])] == segment.picture
        previous = int(labels.previous[0, window, 40])
        if previous < len(OBJECTS):
            assert OBJECTS[previous] == segments[segment.index - 1].picture
    assert int(labels.previous[0, 0, 0]) == len(OBJECTS)


def test_a_stream_without_sound_has_no_sound_tokens_and_questions(sampler: Sampler) -> None:
    silent = Modalities(video=True, audio=False)
    batch = sampler.draw(
        BatchShape(crops=4, windows=3, modalities=silent), np.random.default_rng(3), Progress()
    )
    assert batch.tokens.shape[2] == batch.video == VIDEO_TOKENS
    assert {kind for kinds in batch.packed.kinds for kind in kinds} <= VIDEO_KINDS
    assert len(batch.markers) == 1
