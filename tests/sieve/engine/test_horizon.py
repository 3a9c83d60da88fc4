"""Beyond the horizon of an engine."""

from __future__ import annotations

import pytest
import torch

from sieve import Model
from sieve.cs2 import kept_count
from tests.sieve.engine.rows import CONFIG, a_window, answer, with_row


def test_beyond_the_horizon_tokens_leave_though_there_is_room(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 6)  # 12 s, the horizon of this model
    assert engine.memory(row).oldest_s == pytest.approx(0.0, abs=2.0)
    counts = []
    for index in range(6, 12):
        told = engine.ingest(row, a_window(index))
        counts.append(told.memory.used)
        assert told.evicted == kept_count(stream_model.retention, 68)
        oldest_s = told.memory.oldest_s
        assert oldest_s is not None
        assert oldest_s >= 2.0 * (index + 1) - 12.0
    assert len(set(counts)) == 1
    assert counts[0] < CONFIG.slots


@torch.inference_mode()
def test_the_prompt_follows_the_stream_at_the_distance_of_the_horizon(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 20)
    state = engine._rows[row]
    end = state.timeline.id_at(40.0)
    assert state.prompt.end_id == end - stream_model.layout.horizon_ids
    moved = [layer[row][:, state.prompt.slots] for layer in engine._arena.keys]
    values = [layer[row][:, state.prompt.slots] for layer in engine._arena.values]
    ids = state._prompt_ids(state.settings.instruction)
    state.prompt.read(ids, 2, state.prompt.end_id, state.prompt.slots)  # where it has moved to
    again = [layer[row][:, state.prompt.slots] for layer in engine._arena.keys]
    for one, other in zip(moved, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    for layer, value in zip(engine._arena.values, values, strict=True):
        torch.testing.assert_close(layer[row][:, state.prompt.slots], value, rtol=0, atol=1e-4)


def test_a_stream_that_was_silent_for_longer_than_the_horizon_is_as_good_as_new(
    stream_model: Model,
) -> None:
    """Windows without anything in them push all tokens out; the question follows the prompt."""
    engine, row = with_row(stream_model, 2)
    for index in range(2, 12):
        told = engine.ingest(row, a_window(index, video=False, audio=False))
    assert told.memory.used == told.memory.prompt
    fresh, fresh_row = with_row(stream_model, 0)
    assert answer(engine, row) == answer(fresh, fresh_row)
    state = engine._rows[row]
    assert state.next_text_id() == state.prompt.end_id


def test_a_question_long_after_the_last_window_does_not_see_beyond_the_horizon(
    stream_model: Model,
) -> None:
    """A camera that stood still for a minute: no window came, and then a question does."""
    engine, row = with_row(stream_model, 6)
    soon = engine.ask(row, "what?", open_window=a_window(6, samples=9000))
    assert [(span.start_s, span.end_s) for span in soon.spans] == [(0.0, 14.0)]
    late = engine.ask(row, "what?", open_window=a_window(36, samples=9000))
    assert [(span.start_s, span.end_s) for span in late.spans] == [(72.0, 74.0)]
    assert late.kept == late.second_look.kept  # type: ignore[union-attr]


def test_a_new_instruction_late_in_a_stream_stays_within_the_horizon(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 9)
    state = engine._rows[row]
    place = state.prompt.end_id
    engine.configure(row, instruction="Watch the door.")
    assert state.prompt.end_id == place
    engine.ingest(row, a_window(9))
    assert state.prompt.end_id == place + 50
