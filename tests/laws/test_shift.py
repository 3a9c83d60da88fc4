"""Law 5: a stream gives the same answers whether its clock begins at 0, a day later or earlier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from tests import tiny

DAY_S = 24 * 3600.0


@pytest.mark.parametrize("name", ["stream_model", "authors_model", "stock_model", "demo_model"])
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    windows=st.integers(1, 9),
    start_s=st.sampled_from([DAY_S, 7 * DAY_S, -DAY_S]),
)
def test_the_clock_may_begin_anywhere(
    name: str, seed: int, windows: int, start_s: float, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    assert _answers(model, seed, windows, 0.0) == _answers(model, seed, windows, start_s)


def _answers(model: Model, seed: int, windows: int, start_s: float) -> list[object]:
    rng = np.random.default_rng(seed)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig(start_s=start_s))
    said: list[object] = []
    for index in range(windows):
        kept = engine.ingest(row, tiny.window(index, rng, start_s=start_s)).kept
        said.append((kept.audio_kept, [grid.kept for grid in kept.grids]))
    branch = engine.ask(row, "what came first?", max_tokens=6).branch
    while True:
        step = engine.step(branch)
        said.append(step.token)
        if step.done:
            return said
