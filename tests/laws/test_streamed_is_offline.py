"""Law 1: windows through the engine equal one forward under the same visibility mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.policy import Policy, RecentFirst, ScoreWithAge
from tests import tiny
from tests.laws.recorder import Recorder

MODELS = ["stream_model", "authors_model", "stock_model", "demo_model"]


@st.composite
def schedules(draw: st.DrawFn) -> list[str]:
    """Windows with questions in between, at closed and at open windows."""
    return draw(st.lists(st.sampled_from(["window", "window", "ask", "ask open"]), max_size=14))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25)
@given(
    schedule=schedules(),
    retention=st.sampled_from([0.05, 0.2, 1.0]),
    spare=st.integers(16, 120),
    policy=st.sampled_from([ScoreWithAge(), ScoreWithAge(floor=0), RecentFirst()]),
    seed=st.integers(0, 2**16),
)
def test_any_schedule_of_windows_evictions_and_questions_equals_one_forward(
    name: str,
    schedule: list[str],
    retention: float,
    spare: int,
    policy: Policy,
    seed: int,
    request: pytest.FixtureRequest,
) -> None:
    model: Model = request.getfixturevalue(name)
    rng = np.random.default_rng(seed)
    engine = Engine(model, EngineConfig(rows=1, slots=360, look_back=seed % 2), policy)
    row = engine.open(RowConfig(retention=retention))
    prompt = engine.memory(row).prompt
    engine.configure(row, slots=prompt + spare)
    engine.ingest(row, tiny.window(0, rng))
    with Recorder(engine._rows[row]) as recorder:
        _forget_what_came_before(recorder)
        _play(engine, row, schedule, rng)
        offline = recorder.offline.hidden(model.backbone) if recorder.answers else None
        for tokens, hidden in recorder.answers:
            assert offline is not None
            scale = offline.abs().max()
            assert torch.allclose(hidden, offline[tokens], atol=float(1e-4 * scale), rtol=0)


def _forget_what_came_before(recorder: Recorder) -> None:
    """Begin the offline twin at an empty memory: drop the first window's tokens."""
    table = recorder.row.table
    table.evict(table.stream_entries().slot)


def _play(engine: Engine, row: int, schedule: list[str], rng: np.random.Generator) -> None:
    index = 1
    for move in [*schedule, "ask"]:
        if move == "window":
            engine.ingest(row, tiny.window(index, rng))
            index += 1
            continue
        part = int(rng.integers(700, 32_000))
        still_open = tiny.window(index, rng, samples=part) if move == "ask open" else None
        branch = engine.ask(row, "what was that?", open_window=still_open, max_tokens=4).branch
        while not engine.step(branch).done:
            pass
