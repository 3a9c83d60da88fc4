"""Law 6: any interleaving of sessions gives each the tokens it gives alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from tests import tiny


def session(engine: Engine, seed: int) -> Iterator[object]:
    """One user's session, a move at a time."""
    rng = np.random.default_rng(seed)
    row = engine.open(RowConfig(retention=(0.1, 0.2, 1.0)[seed % 3]))
    for index in range(3):
        kept = engine.ingest(row, tiny.window(index, rng)).kept
        yield kept.audio_kept, [grid.kept for grid in kept.grids]
        branch = engine.ask(row, f"question {index}?", max_tokens=4).branch
        while not (step := engine.step(branch)).done:
            yield step.token
    engine.close(row)


@pytest.mark.parametrize("name", ["stream_model", "demo_model"])
@settings(max_examples=12)
@given(
    seeds=st.lists(st.integers(0, 2**16), min_size=2, max_size=3, unique=True),
    order=st.lists(st.integers(0, 2), max_size=60),
)
def test_sessions_do_not_hear_each_other(
    name: str, seeds: list[int], order: list[int], request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)
    alone = [list(session(Engine(model, EngineConfig(rows=3)), seed)) for seed in seeds]
    shared = Engine(model, EngineConfig(rows=3))
    running = [session(shared, seed) for seed in seeds]
    together: list[list[object]] = [[] for _ in seeds]
    for turn in [*order, *(i for i in range(len(seeds)) for _ in range(100))]:
        move = next(running[turn % len(seeds)], None)
        if move is not None:
            together[turn % len(seeds)].append(move)
    assert together == alone


def test_a_row_given_back_holds_nothing_of_its_tenant(stream_model: Model) -> None:
    engine = Engine(stream_model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    engine.ingest(row, tiny.window(0, np.random.default_rng(0)))
    engine.close(row)
    arena = engine._arena
    assert all(not bool(torch.any(layer)) for layer in (*arena.keys, *arena.values))
