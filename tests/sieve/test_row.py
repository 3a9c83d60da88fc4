"""What a row tells about itself, and where its prompt lies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.row import Row, join_spans, total
from sieve.tokens import Counts, Span
from tests import tiny


@given(windows=st.lists(st.integers(0, 60)), start_s=st.sampled_from([0.0, 86_400.0, 0.04]))
def test_spans_cover_exactly_the_windows_and_do_not_touch(
    windows: list[int], start_s: float
) -> None:
    spans = join_spans(start_s + 2.0 * window for window in windows)
    covered = [
        index
        for index in range(61)
        if any(s.start_s - 1e-3 <= start_s + 2 * index < s.end_s - 1e-3 for s in spans)
    ]
    assert covered == sorted(set(windows))
    assert all(a.end_s < b.start_s - 1 for a, b in pairwise(spans))


def test_no_windows_make_no_span() -> None:
    assert join_spans([]) == ()
    assert join_spans([4.0]) == (Span(4.0, 6.0),)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99))))
def test_counts_add_up_by_modality(pairs: list[tuple[int, int]]) -> None:
    summed = total(Counts(*pair) for pair in pairs)
    assert summed == Counts(sum(v for v, _ in pairs), sum(a for _, a in pairs))
    assert summed.total == summed.video + summed.audio


def test_the_state_of_a_row_is_told_in_session_seconds(stream_model: Model) -> None:
    engine = Engine(stream_model, EngineConfig(rows=1))
    row = engine.open(RowConfig(start_s=1000.0, retention=1.0))
    for index in range(2):
        engine.ingest(row, tiny.window(index, np.random.default_rng(index), start_s=1000.0))
    state = engine.memory(row)
    assert (state.oldest_s, state.newest_s) == (1000.0, 1003.96)
    assert (state.video, state.audio) == (36, 100)
    assert state.used == state.prompt + state.video + state.audio


@pytest.mark.parametrize("start_s", [0.0, 12.5, 86_400.0])
@torch.inference_mode()
def test_a_prompt_begins_at_the_streams_origin_and_ends_right_before_its_first_second(
    stream_model: Model, start_s: float
) -> None:
    engine = Engine(stream_model, EngineConfig(rows=1))
    row = engine._rows[engine.open(RowConfig(start_s=start_s))]
    times = row.table.time_id[np.sort(row.prompt.slots)]
    assert times.min() == round(start_s * 25)
    assert times.max() == row.timeline.id_at(start_s) - 1
    before = row.prompt.before(row.timeline.id_at(start_s + 8.0))
    assert int(before.positions.max()) == row.timeline.id_at(start_s + 8.0) - 1
    assert len(before) == len(row.prompt.slots)


def test_what_is_held_is_looked_up_once_for_a_window(
    stream_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many windows are remembered."""
    lookups: list[Row] = []
    found = Row._windows_held

    def counted(row: Row) -> set[int]:
        lookups.append(row)
        return found(row)

    monkeypatch.setattr(Row, "_windows_held", counted)
    engine = Engine(stream_model, EngineConfig(rows=1))
    number = engine.open(RowConfig())
    for index in range(5):
        engine.ingest(number, tiny.window(index, np.random.default_rng(index)))
    assert len(lookups) == 5


def test_evidence_is_of_windows_of_which_something_is_still_held(stream_model: Model) -> None:
    engine = Engine(stream_model, EngineConfig(rows=1))
    number = engine.open(RowConfig())
    for index in range(3):
        engine.ingest(number, tiny.window(index, np.random.default_rng(index)))
    row = engine._rows[number]
    table = row.table
    first = np.flatnonzero(table.valid & (table.window_id == row.timeline.id_at(0.0)))
    first = first[table.kind[first] != 0]
    seen, kept = row.evidence(np.flatnonzero(table.valid))
    assert sorted(seen) == [0.0, 2.0, 4.0]
    table.evict(first)
    seen, less = row.evidence(np.flatnonzero(table.valid))
    assert sorted(seen) == [2.0, 4.0]
    assert kept.total - less.total == len(first)
