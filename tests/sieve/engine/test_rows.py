"""A session's row: opened and closed, its settings, streams of one track.

The laws of the engine are in ``tests/laws``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sieve import Engine, KeptMap, Model, RowConfig
from sieve.cs2 import kept_count
from sieve.errors import (
    BranchUnknown,
    RowUnknown,
)
from sieve.policy import RecentFirst
from sieve.select import Method
from sieve.tokens import Counts
from tests.sieve.engine.rows import CONFIG, PROMPT, a_window, answer, with_row


def test_a_fresh_row_holds_its_prompt_alone(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0)
    state = engine.memory(row)
    assert (state.used, state.prompt, state.video, state.audio) == (PROMPT, PROMPT, 0, 0)
    assert (state.slots, state.oldest_s, state.newest_s) == (256, None, None)
    assert state.bytes == engine._arena.row_bytes
    assert engine.retention(row) == stream_model.retention


def test_a_closed_row_is_wiped_and_its_questions_end(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 3)
    other = engine.open(RowConfig())
    engine.ingest(other, a_window(0))
    mine, theirs = engine.ask(row, "a?").branch, engine.ask(other, "b?").branch
    engine.close(row)
    assert not any(layer[row].any() for layer in (*engine._arena.keys, *engine._arena.values))
    with pytest.raises(BranchUnknown):
        engine.step(mine)
    assert engine.step(theirs).branch == theirs
    with pytest.raises(RowUnknown):
        engine.memory(row)
    assert engine.check_integrity()


def test_the_next_tenant_of_a_row_hears_nothing_of_the_last(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 4, retention=0.6)
    engine.close(row)
    again = engine.open(RowConfig())
    assert again == row
    fresh, fresh_row = with_row(stream_model, 0)
    for index in (7, 8):
        window = replace(a_window(index), start_s=2.0 * index)
        assert engine.ingest(again, window) == fresh.ingest(fresh_row, window)
    assert answer(engine, again) == answer(fresh, fresh_row)


@pytest.mark.parametrize("spoil", ["key", "value", "branch", "row", "slot"])
def test_a_broken_memory_is_noticed(stream_model: Model, spoil: str) -> None:
    engine, row = with_row(stream_model, 1)
    engine.ask(row, "what?")
    assert engine.check_integrity()
    if spoil == "key":
        engine._arena.keys[1][1, 0, 9, 3] = float("nan")
    elif spoil == "value":
        engine._arena.values[0][0, 1, 0, 0] = float("inf")
    elif spoil == "branch":
        next(iter(engine._branches.values())).row = 1
    elif spoil == "row":
        engine._arena._free_rows.append(row)
    else:
        engine._rows[row].table.valid[-1] = True
    assert not engine.check_integrity()


@pytest.mark.parametrize("retention", [0.05, 0.2, 0.5, 1.0])
def test_the_share_in_force_decides_how_many_are_kept(
    stream_model: Model, retention: float
) -> None:
    engine, row = with_row(stream_model, 1)
    engine.configure(row, retention=retention)
    assert engine.retention(row) == retention
    assert engine.ask(row, "what now?").retention == retention
    told = engine.ingest(row, a_window(1)).kept
    assert told.seen == Counts(18, 50)
    assert told.kept.total == kept_count(retention, 68)


def test_one_sessions_settings_are_not_anothers(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0)
    other = engine.open(RowConfig(retention=0.1, slots=200))
    engine.configure(row, retention=1.0, slots=180)
    assert (engine.retention(other), engine.memory(other).slots) == (0.1, 200)


def test_a_smaller_memory_lets_tokens_go_at_once_by_the_policy(stream_model: Model) -> None:
    engine = Engine(stream_model, CONFIG, RecentFirst())
    row = engine.open(RowConfig(retention=0.5))
    for index in range(4):
        engine.ingest(row, a_window(index))
    before = engine.memory(row)
    engine.configure(row, slots=before.used - 40)
    after = engine.memory(row)
    assert after.used == after.slots == before.used - 40
    assert after.prompt == before.prompt
    assert after.newest_s == before.newest_s
    assert after.oldest_s is not None
    assert before.oldest_s is not None
    assert after.oldest_s > before.oldest_s
    engine.configure(row, slots=256)
    assert engine.memory(row).slots == 256
    assert engine.ingest(row, a_window(4)).evicted == 0


def test_a_window_larger_than_the_memory_is_kept_as_far_as_it_fits_and_told_so(
    stream_model: Model,
) -> None:
    engine, row = with_row(stream_model, 0, retention=1.0, slots=PROMPT + 20)
    told = [engine.ingest(row, a_window(index)) for index in range(3)]
    for step in told:
        assert step.kept.kept.total == 20
        assert step.memory.used == step.memory.slots == PROMPT + 20
    assert [step.evicted for step in told] == [0, 20, 20]
    ample, ample_row = with_row(stream_model, 2, retention=20 / 68)  # the same 20 by its share
    assert told[2].kept == ample.ingest(ample_row, a_window(2)).kept


def test_a_new_instruction_replaces_the_prompt_and_leaves_the_stream(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 3)
    table = engine._rows[row].table
    stream = table.stream_entries().slot
    stored = [
        layer[row][:, stream].clone() for layer in (*engine._arena.keys, *engine._arena.values)
    ]
    before = engine.memory(row)
    engine.configure(row, instruction="Watch the door.")
    after = engine.memory(row)
    assert after.prompt == before.prompt - len("You watch and listen.") + len("Watch the door.")
    assert (after.video, after.audio) == (before.video, before.audio)
    assert np.array_equal(table.stream_entries().slot, stream)
    now = [layer[row][:, stream] for layer in (*engine._arena.keys, *engine._arena.values)]
    assert all(map(torch.equal, stored, now))


def test_a_smaller_memory_with_a_shorter_prompt_keeps_what_then_fits(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1, instruction="x" * 100, retention=1.0)
    before = engine.memory(row)
    engine.configure(row, instruction="y", slots=before.prompt + 20)
    after = engine.memory(row)
    assert after.prompt == before.prompt - 99
    assert (after.video, after.audio) == (before.video, before.audio)
    assert engine.check_integrity()


def test_an_instruction_given_later_is_the_same_as_one_given_at_once(stream_model: Model) -> None:
    """Of equal length, so that all lies at the same positions."""
    late, row = with_row(stream_model, 0, instruction="Watch the door.")
    late.configure(row, instruction="Watch the wall.")
    early, early_row = with_row(stream_model, 0, instruction="Watch the wall.")
    for index in range(2):
        told = late.ingest(row, a_window(index))
        assert told == early.ingest(early_row, a_window(index))
    assert answer(late, row) == answer(early, early_row)


def test_a_new_instruction_is_what_the_next_window_is_sieved_with(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    engine.configure(row, instruction="Watch the door.")
    seen: list[Tensor] = []
    selector = stream_model.selector

    class Spy:
        def select(self, pool: Any, count: int, before: Any, after: Any = None) -> Any:
            seen.append(before.embeds)
            return selector.select(pool, count, before, after)

    engine.configure(row, selector=Method("spy", Spy()))
    engine.ingest(row, a_window(1))
    text = "<|im_start|>system\nWatch the door.<|im_end|>\n<|im_start|>user\n"
    ids = stream_model.backbone.token_ids(text + "<|vision_bos|><|audio_bos|>")
    assert torch.equal(seen[0], stream_model.backbone.embed(ids))


def test_an_empty_instruction_is_the_default_one(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0, instruction="")
    assert engine.memory(row).prompt == PROMPT
    engine.configure(row, instruction="Watch the door.")
    engine.configure(row, instruction="")
    assert engine.memory(row).prompt == PROMPT


def test_a_long_instruction_pushes_stream_tokens_out_of_a_full_memory(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 6, retention=1.0)
    before = engine.memory(row)
    assert before.used == before.slots
    engine.configure(row, instruction="y" * 60)
    after = engine.memory(row)
    assert after.used == after.slots
    assert after.prompt == before.prompt + 60 - len("You watch and listen.")
    assert engine.check_integrity()


@pytest.mark.parametrize(("video", "audio"), [(True, False), (False, True)])
def test_streams_of_one_track_are_ordinary(stream_model: Model, video: bool, audio: bool) -> None:
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig())
    for index in range(3):
        told = engine.ingest(row, a_window(index, video=video, audio=audio))
    assert told.kept.seen == Counts(18 * video, 50 * audio)
    assert told.memory.prompt == PROMPT - 1  # one begin marker
    assert (told.memory.video > 0, told.memory.audio > 0) == (video, audio)
    begun = engine.ask(row, "what?")
    assert begun.newest_frame_s == (5.0 if video else None)
    assert engine.step(begun.branch).branch == begun.branch
    assert engine.check_integrity()


def test_the_first_window_with_anything_in_it_decides_the_markers(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0)
    engine.ingest(row, a_window(0, video=False, audio=False))
    assert engine.memory(row).prompt == PROMPT
    engine.ingest(row, a_window(1, video=False))
    assert engine.memory(row).prompt == PROMPT - 1
    told = engine.ingest(row, a_window(2))  # pictures come late: their markers come with them
    assert told.memory.prompt == PROMPT
    assert told.kept.seen == Counts(18, 50)
    assert engine.check_integrity()


def test_half_a_character_is_read_as_a_question_mark(stream_model: Model) -> None:
    """As a command line in another encoding gives it."""
    broken, row = with_row(stream_model, 0, instruction="Watch \udce9.")
    plain, plain_row = with_row(stream_model, 0, instruction="Watch ?.")
    for engine in (broken, plain):
        engine.ingest(0, a_window(0))
    history = [("\udcff?", "\ud83d.")]
    said = answer(broken, row, "who \ud800?", history=history)
    assert said == answer(plain, plain_row, "who ??", history=[("??", "?.")])


def test_an_empty_window_keeps_nothing_and_tells_no_lie(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    before = engine.memory(row)
    told = engine.ingest(row, a_window(1, video=False, audio=False))
    assert told.kept == KeptMap(2.0, Counts(0, 0), Counts(0, 0), (), ())
    assert (told.memory, told.evicted) == (before, 0)
