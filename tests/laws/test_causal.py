"""Law 2: later input never changes earlier keeps or answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, KeptMap, Model, RowConfig
from tests import tiny

MODELS = ["stream_model", "demo_model"]


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**16), before=st.integers(1, 4), after=st.integers(1, 4))
def test_an_answer_begun_before_later_windows_is_the_same_with_and_without_them(
    name: str, seed: int, before: int, after: int, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    quiet = _answer(model, seed, before, 0)
    assert quiet == _answer(model, seed, before, after)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**16), shared=st.integers(1, 5))
def test_streams_that_part_late_keep_the_same_tokens_until_they_part(
    name: str, seed: int, shared: int, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    one, other = _keeps(model, seed, shared, 1), _keeps(model, seed, shared, 2)
    assert one[:shared] == other[:shared]


def _answer(model: Model, seed: int, before: int, during: int) -> list[int]:
    rng = np.random.default_rng(seed)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    for index in range(before):
        engine.ingest(row, tiny.window(index, rng))
    branch = engine.ask(row, "what?", max_tokens=6).branch
    tokens, index = [], before
    while True:
        step = engine.step(branch)
        tokens.append(step.token)
        if step.done:
            return tokens
        if index < before + during:
            engine.ingest(row, tiny.window(index, rng))
            index += 1


def _keeps(model: Model, seed: int, shared: int, tail_seed: int) -> list[KeptMap]:
    rng, tail = np.random.default_rng(seed), np.random.default_rng(tail_seed)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    sources = [rng] * shared + [tail] * 3
    return [engine.ingest(row, tiny.window(i, source)).kept for i, source in enumerate(sources)]
