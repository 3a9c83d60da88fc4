"""What an answer rests on: measured by dimming tokens, and by attention."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sieve import Model
from sieve.baselines import KeepAll
from sieve.train.backbone.saliency import SALIENCY, Attention, Sensitivity, observed
from sieve.train.backbone.viewing import Viewing, question_ids, view
from sieve.train.backbone.window_loss import (
    Asked,
    Choosing,
    answer_logits,
    answer_loss,
    ask,
    remember,
)
from tests.sieve.train.backbone.test_window_loss import footage

ANSWER = [40, 41]


@pytest.fixture(scope="module")
def viewing(stream_model: Model) -> Viewing:
    with torch.no_grad():
        return view(stream_model, footage(2), opened=True)


def put(model: Model, viewing: Viewing, newest: Sensitivity | Attention) -> Asked:
    ids = question_ids(model, viewing.modalities, "what?", ())
    return ask(model, viewing, newest.memory, ids, KeepAll(), Choosing(1.0))


@pytest.mark.parametrize("name", SALIENCY)
@torch.no_grad()
def test_every_token_has_a_share_and_they_sum_to_one(
    name: str, stream_model: Model, viewing: Viewing
) -> None:
    wholes = [viewing.sieve(KeepAll(), pool) for pool in viewing.closed]
    saliency = SALIENCY[name](stream_model, viewing, wholes)
    shares = saliency.of(put(stream_model, viewing, saliency), ANSWER)
    assert shares.shape == (viewing.tokens,)
    assert bool((shares >= 0).all())
    assert float(shares.sum()) == pytest.approx(1.0, abs=1e-4)
    assert not shares.requires_grad


@torch.no_grad()
def test_sensitivity_is_the_change_of_the_likelihood_when_a_token_is_dimmed(
    stream_model: Model, viewing: Viewing
) -> None:
    wholes = [viewing.sieve(KeepAll(), pool) for pool in viewing.closed]
    saliency = Sensitivity(stream_model, viewing, wholes)
    shares = saliency.of(put(stream_model, viewing, saliency), ANSWER)

    def loss(token: int, factor: float) -> Tensor:
        states = wholes[0].states.clone()
        states[token] *= factor
        memory = remember(stream_model, viewing, [replace(wholes[0], states=states)])
        asked = put(stream_model, viewing, saliency)
        return answer_loss(answer_logits(stream_model, viewing, memory, asked, ANSWER), ANSWER)

    tokens = [int(i) for i in shares[: len(wholes[0].keep)].topk(3).indices]
    slopes = [abs(float(loss(t, 1.01) - loss(t, 0.99))) / 0.02 for t in tokens]
    ratio = [slope / float(shares[t]) for slope, t in zip(slopes, tokens, strict=True)]
    assert ratio == pytest.approx([ratio[0]] * 3, rel=0.05)


@torch.no_grad()
def test_attention_adds_up_and_changes_nothing(stream_model: Model, viewing: Viewing) -> None:
    wholes = [viewing.sieve(KeepAll(), pool) for pool in viewing.closed]
    saliency = Attention(stream_model, viewing, wholes)
    asked = put(stream_model, viewing, saliency)
    plain = answer_logits(stream_model, viewing, saliency.memory, asked, ANSWER)
    with observed(stream_model.backbone, 2) as mass:
        again = answer_logits(stream_model, viewing, saliency.memory, asked, ANSWER)
    assert torch.equal(plain, again)
    text = stream_model.backbone.text_config
    assert mass.received is not None
    assert float(mass.received.sum()) == pytest.approx(
        text.num_hidden_layers * text.num_attention_heads * 2, rel=1e-4
    )
