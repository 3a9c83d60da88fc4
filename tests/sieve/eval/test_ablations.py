"""Each ablation takes away what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sieve import Model
from sieve.eval.ablations import (
    Masked,
    WithoutQuestion,
    WithoutText,
    everything,
    own_modality,
    the_past,
)
from sieve.pool import Pool, WindowEncoder
from sieve.select import Selection, Selector, Text
from sieve.timeline import Timeline
from sieve.tokens import AUDIO, TEXT, VIDEO
from tests import tiny


@pytest.fixture(scope="module")
def pool(stream_model: Model) -> Pool:
    encoder = WindowEncoder(stream_model.backbone, stream_model.layout.pixels)
    with torch.inference_mode():
        return encoder.close_window(tiny.window(0, np.random.default_rng(0)), Timeline(10, 0.0, 50))


def _text(model: Model, first: int, ids: list[int]) -> Text:
    with torch.inference_mode():
        return Text(model.backbone.embed(ids), torch.arange(first, first + len(ids)).expand(3, -1))


@torch.inference_mode()
def _select(
    model: Model, selector: Selector, pool: Pool, question: list[int], count: int = 12
) -> Selection:
    return selector.select(pool, count, _text(model, 0, [20, 21, 22]), _text(model, 90, question))


def test_who_sees_everything_is_the_sieve_itself(stream_model: Model, pool: Pool) -> None:
    assert stream_model.cs2 is not None
    ours = _select(stream_model, Masked(stream_model.cs2, everything), pool, [30, 31])
    theirs = _select(stream_model, stream_model.selector, pool, [30, 31])
    assert torch.equal(ours.keep, theirs.keep)
    torch.testing.assert_close(ours.states, theirs.states, atol=1e-4, rtol=1e-4)
    assert ours.after is not None
    assert theirs.after is not None
    torch.testing.assert_close(ours.after, theirs.after, atol=1e-4, rtol=1e-4)


def test_the_causal_sieve_does_not_feel_the_question(stream_model: Model, pool: Pool) -> None:
    assert stream_model.cs2 is not None
    for sees, feels in ((the_past, False), (everything, True), (own_modality, True)):
        one, other = (
            _select(stream_model, Masked(stream_model.cs2, sees), pool, question)
            for question in ([30, 31], [40, 41])
        )
        assert torch.equal(one.scores, other.scores) is not feels, sees


def test_who_sees_whom() -> None:
    kinds = torch.tensor([TEXT, VIDEO, AUDIO, AUDIO])
    times = torch.tensor([0, 5, 5, 6])
    assert own_modality(kinds, times).long().tolist() == [
        [1, 1, 1, 1],
        [1, 1, 0, 0],
        [1, 0, 1, 1],
        [1, 0, 1, 1],
    ]
    assert the_past(kinds, times).long().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]


@pytest.mark.parametrize("blind", [WithoutText, WithoutQuestion])
def test_a_question_that_is_not_read_changes_nothing(
    stream_model: Model, pool: Pool, blind: type[WithoutText] | type[WithoutQuestion]
) -> None:
    selector = blind(stream_model.selector)
    one, other = (_select(stream_model, selector, pool, q) for q in ([30, 31], [40, 41]))
    assert torch.equal(one.scores, other.scores)
    assert one.after is not None
    assert torch.equal(one.after, _text(stream_model, 90, [30, 31]).embeds)


def test_without_text_the_instruction_is_not_read_either(stream_model: Model, pool: Pool) -> None:
    with torch.inference_mode():
        scores = [
            WithoutText(stream_model.selector).select(pool, 5, _text(stream_model, 0, ids)).scores
            for ids in ([20, 21], [50])
        ]
    assert torch.equal(*scores)
