"""Branches read what one long sequence would read."""

from __future__ import annotations

import pytest
import torch

from sieve.train.demo.decode import Branches, Streams, additive, decode
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config

STREAMS, PLACES, TALKS, LENGTH = 2, 9, 3, 5


@pytest.fixture(scope="module")
def model() -> TinyModel:
    torch.manual_seed(0)
    return TinyModel(thinker_config(build_tokenizer())).eval()


@pytest.fixture
def parts() -> tuple[Streams, Branches]:
    generator = torch.Generator().manual_seed(1)
    sees = torch.rand(STREAMS, TALKS, PLACES, generator=generator) < 0.7
    real = torch.ones(STREAMS * TALKS, LENGTH, dtype=torch.bool)
    real[1, :2] = False
    streams = Streams(
        torch.randn(STREAMS, PLACES, 128, generator=generator),
        torch.arange(PLACES).expand(3, STREAMS, -1),
        torch.ones(PLACES, PLACES).tril().bool().expand(STREAMS, -1, -1),
    )
    branches = Branches(
        torch.randn(STREAMS * TALKS, LENGTH, 128, generator=generator),
        torch.arange(PLACES, PLACES + LENGTH).expand(3, STREAMS * TALKS, -1),
        sees,
        real,
    )
    return streams, branches


@torch.no_grad()
def _one_by_one(model: TinyModel, streams: Streams, branches: Branches, at: int) -> torch.Tensor:
    """Conversation ``at`` behind its stream, through the library's own layers."""
    stream, talk = divmod(at, TALKS)
    states = torch.cat([streams.states[stream], branches.states[at]])[None]
    positions = torch.cat([streams.positions[:, stream], branches.positions[:, at]], 1)[:, None]
    sees = torch.ones(PLACES + LENGTH, PLACES + LENGTH).tril().bool()
    sees[PLACES:, :PLACES] = branches.sees[stream, talk]
    sees[PLACES:, PLACES:] &= branches.real[at]
    sees |= torch.eye(PLACES + LENGTH, dtype=torch.bool)
    rope = model.lm.rotary_emb(states, positions)
    for layer in model.lm.layers:
        states = layer(states, attention_mask=additive(sees)[None, None], position_embeddings=rope)
    return model.lm.norm(states)[0]


@pytest.mark.parametrize("asked", [1, 3, LENGTH])
def test_a_branch_reads_its_stream_and_itself(
    model: TinyModel, parts: tuple[Streams, Branches], asked: int
) -> None:
    with torch.no_grad():
        hidden, _ = decode(model.lm, *parts, asked)
    for at in range(STREAMS * TALKS):
        expected = _one_by_one(model, *parts, at)[-asked:]
        real = parts[1].real[at, -asked:]
        assert torch.allclose(hidden[at][real], expected[real], atol=1e-5)


def test_halfway_states_are_those_of_the_streams(
    model: TinyModel, parts: tuple[Streams, Branches]
) -> None:
    streams, branches = parts
    with torch.no_grad():
        _, middle = decode(model.lm, streams, branches, 1)
        states, mask = streams.states, additive(streams.sees)[:, None]
        rope = model.lm.rotary_emb(states, streams.positions)
        for layer in model.lm.layers[:2]:
            states = layer(states, attention_mask=mask, position_embeddings=rope)
    assert torch.allclose(middle, states, atol=1e-5)
