"""Law 7: asking leaves the memory untouched; cancelling stops within one step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, RowConfig
from sieve.errors import BranchUnknown
from tests import tiny


def picture(engine: Engine, row: int) -> tuple[list[torch.Tensor], list[np.ndarray]]:
    """Every byte of the memory, and its books."""
    table = engine._rows[row].table
    books = [table.valid, table.kind, table.score, table.time_id, table.window_id]
    arena = engine._arena
    return (
        [layer.clone() for layer in (*arena.keys, *arena.values)],
        [array.copy() for array in (*books, np.array(table._free))],
    )


@pytest.mark.parametrize("name", ["stream_model", "authors_model", "demo_model"])
@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**16),
    windows=st.integers(0, 8),
    samples=st.none() | st.integers(0, 32_000),
    steps=st.integers(0, 5),
    history=st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=2),
)
def test_asking_changes_no_byte_of_the_memory(
    name: str,
    seed: int,
    windows: int,
    samples: int | None,
    steps: int,
    history: list[tuple[str, str]],
    request: pytest.FixtureRequest,
) -> None:
    rng = np.random.default_rng(seed)
    engine = Engine(request.getfixturevalue(name), EngineConfig(rows=2, look_back=1))
    row = engine.open(RowConfig())
    for index in range(windows):
        engine.ingest(row, tiny.window(index, rng))
    bytes_before, books_before = picture(engine, row)
    partial = None if samples is None else tiny.window(windows, rng, samples=samples)
    branch = engine.ask(row, "what?", history=history, open_window=partial, max_tokens=8).branch
    for _ in range(steps):
        if engine.step(branch).done:
            break
    engine.cancel(branch)
    bytes_after, books_after = picture(engine, row)
    assert all(torch.equal(a, b) for a, b in zip(bytes_before, bytes_after, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(books_before, books_after, strict=True))
    with pytest.raises(BranchUnknown):
        engine.step(branch)


def test_an_open_window_heard_at_a_question_does_not_change_how_it_is_read_when_it_closes(
    stream_model: object,
) -> None:
    """The sound of the open window is peeked at: the running maximum must not move."""
    kept = []
    for asks in (0, 2):
        rng = np.random.default_rng(5)
        engine = Engine(stream_model, EngineConfig(rows=1))  # type: ignore[arg-type]
        row = engine.open(RowConfig())
        for index in range(3):
            window = tiny.window(index, rng)
            for _ in range(asks):
                engine.cancel(engine.ask(row, "now?", open_window=window).branch)
            kept.append(engine.ingest(row, window).kept)
    assert kept[:3] == kept[3:]
