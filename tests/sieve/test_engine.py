"""The engine from outside: settings, questions, errors. Its laws are in ``tests/laws``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sieve import Begun, Engine, EngineConfig, KeptMap, Model, RawWindow, RowConfig, errors
from sieve.cs2 import kept_count
from sieve.errors import (
    BranchUnknown,
    ClipError,
    NoBranchFree,
    NoRowFree,
    QuestionEmpty,
    QuestionTooLong,
    RowUnknown,
    SettingInvalid,
    SieveError,
    WindowOutOfOrder,
)
from sieve.policy import RecentFirst
from sieve.select import Method
from sieve.tokens import Counts, Span, Step
from tests import tiny

CONFIG = EngineConfig(rows=2, slots=256, max_branches=2, max_question_tokens=200)
SPOKEN = "system\nYou watch and listen.\nuser\n"  # a token for each byte
PROMPT = len(SPOKEN) + 5  # <|im_start|> twice, <|im_end|>, two begin markers


def a_window(index: int, **more: Any) -> RawWindow:
    """Always the same for an index."""
    return tiny.window(index, np.random.default_rng(index), **more)


def with_row(
    model: Model, windows: int, config: EngineConfig = CONFIG, **row: Any
) -> tuple[Engine, int]:
    engine = Engine(model, config)
    number = engine.open(RowConfig(**row))
    for index in range(windows):
        engine.ingest(number, a_window(index))
    return engine, number


def answer(engine: Engine, row: int, question: str = "what?", **more: Any) -> list[int]:
    """The tokens of an answer."""
    begun = engine.ask(row, question, **{"max_tokens": 5, **more})
    steps = [engine.step(begun.branch)]
    while not steps[-1].done:
        steps.append(engine.step(begun.branch))
    return [step.token for step in steps]


def picture(engine: Engine) -> list[Any]:
    """All there is to an engine's memory."""
    tables = [row.table for row in engine._rows.values()]
    return [
        *[layer.clone() for layer in (*engine._arena.keys, *engine._arena.values)],
        *[getattr(t, a).copy() for t in tables for a in ("valid", "kind", "score", "time_id")],
        [(t.budget, t.used) for t in tables],
        [engine.memory(row) for row in engine._rows],
        [engine.retention(row) for row in engine._rows],
        engine._arena.rows_free(),
        sorted(engine._branches),
    ]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        bool((a == b).all()) if isinstance(a, Tensor | np.ndarray) else a == b
        for a, b in zip(one, other, strict=True)
    )


# -- bad input changes nothing ------------------------------------------------------------------

NARROW = replace(a_window(2), grids=(np.zeros((2, 1, 300, 3), np.uint8),), grid_times_s=(4.0,))
NAN = replace(a_window(2), samples=np.full(32_000, np.nan, np.float32))
FLOATS = replace(a_window(2), samples=np.zeros(32_000))
LONG = replace(a_window(2), samples=np.zeros(32_001, np.float32))

Call = Callable[[Engine], object]
BAD: list[tuple[Call, type[SieveError], str]] = [
    (lambda e: e.open(RowConfig(retention=0.0)), SettingInvalid, r"share in \(0, 1\], got 0.0"),
    (lambda e: e.open(RowConfig(retention=1.1)), SettingInvalid, "got 1.1"),
    (lambda e: e.open(RowConfig(slots=0)), SettingInvalid, "1 to 256 slots, got 0"),
    (lambda e: e.open(RowConfig(slots=257)), SettingInvalid, "1 to 256 slots, got 257"),
    (lambda e: e.open(RowConfig(slots=PROMPT)), SettingInvalid, f"at least {PROMPT + 16}"),
    (lambda e: e.open(RowConfig(instruction="x" * 300)), SettingInvalid, "too small: the prompt"),
    (lambda e: e.open(RowConfig(start_s=float("inf"))), SettingInvalid, "finite second"),
    (lambda e: e.memory(1), RowUnknown, "no session on row 1"),
    (lambda e: e.close(1), RowUnknown, "row 1"),
    (lambda e: e.retention(7), RowUnknown, "row 7"),
    (lambda e: e.configure(1, slots=90), RowUnknown, "row 1"),
    (lambda e: e.configure(0, retention=float("nan")), SettingInvalid, "got nan"),
    (lambda e: e.configure(0, slots=0), SettingInvalid, "got 0"),
    (lambda e: e.configure(0, slots=257), SettingInvalid, "got 257"),
    (lambda e: e.configure(0, slots=20), SettingInvalid, "at least"),
    (lambda e: e.configure(0, instruction="x" * 300), SettingInvalid, "at least"),
    (lambda e: e.configure(0, slots=100, instruction="x" * 90), SettingInvalid, "at least"),
    (lambda e: e.configure(0, instruction="ok", retention=2.0), SettingInvalid, "got 2.0"),
    (lambda e: e.ingest(1, a_window(2)), RowUnknown, "row 1"),
    (lambda e: e.ingest(0, a_window(1)), WindowOutOfOrder, "2.0 s where the next starts at 4.0"),
    (lambda e: e.ingest(0, a_window(0)), WindowOutOfOrder, "in order, each once"),
    (lambda e: e.ingest(0, a_window(0, start_s=3.0)), WindowOutOfOrder, "3.0 s"),
    (lambda e: e.ingest(0, a_window(0, start_s=-2.0)), WindowOutOfOrder, "-2.0 s"),
    (lambda e: e.ingest(0, NARROW), ClipError, "300x1"),
    (lambda e: e.ingest(0, NAN), SettingInvalid, "finite"),
    (lambda e: e.ingest(0, FLOATS), SettingInvalid, "float64"),
    (lambda e: e.ingest(0, LONG), SettingInvalid, "at most 32000"),
    (lambda e: e.ask(1, "what?"), RowUnknown, "row 1"),
    (lambda e: e.ask(0, ""), QuestionEmpty, "give it some text"),
    (lambda e: e.ask(0, " \n\t"), QuestionEmpty, "empty"),
    (lambda e: e.ask(0, "x" * 200), QuestionTooLong, r"take 2\d\d tokens, at most 200"),
    (lambda e: e.ask(0, "x" * 10_000), QuestionTooLong, "10060 characters, at most 200"),
    (lambda e: e.ask(0, "x", history=[("y" * 90, "z" * 90)]), QuestionTooLong, "history"),
    (lambda e: e.ask(0, "x", max_tokens=0), SettingInvalid, "1 to 1024 tokens, got 0"),
    (lambda e: e.ask(0, "x", max_tokens=10**9), SettingInvalid, "1 to 1024 tokens"),
    (lambda e: e.ask(0, "x", open_window=NARROW), ClipError, "300x1"),
    (lambda e: e.ask(0, "x", open_window=NAN), SettingInvalid, "finite"),
    (lambda e: e.step(99), BranchUnknown, "no question 99"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input_is_refused_and_changes_nothing(
    stream_model: Model, call: Call, error: type[SieveError], text: str
) -> None:
    engine, row = with_row(stream_model, 2)
    twin, twin_row = with_row(stream_model, 2)
    before = picture(engine)
    with pytest.raises(error, match=text):
        call(engine)
    assert same(before, picture(engine))
    assert engine.check_integrity()
    told, expected = engine.ingest(row, a_window(2)), twin.ingest(twin_row, a_window(2))
    assert told == expected
    assert answer(engine, row) == answer(twin, twin_row)


def test_every_error_of_the_sieve_is_one_of_its_own_kind() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 10
    assert all(issubclass(kind, SieveError) for kind in kinds)
    assert all(kind.__doc__ for kind in kinds)


def test_no_more_rows_than_there_are(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    other = engine.open(RowConfig())
    with pytest.raises(NoRowFree, match="all 2 rows"):
        engine.open(RowConfig())
    engine.close(row)
    assert engine.open(RowConfig()) == row
    assert engine.check_integrity()
    assert other != row


def test_no_more_questions_at_once_than_allowed(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    first = engine.ask(row, "one?").branch
    second = engine.ask(row, "two?").branch
    before = picture(engine)
    with pytest.raises(NoBranchFree, match="2 questions"):
        engine.ask(row, "three?")
    assert same(before, picture(engine))
    engine.cancel(first)
    assert engine.ask(row, "three?").branch not in (first, second)


# -- rows ---------------------------------------------------------------------------------------


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


# -- settings of a running session --------------------------------------------------------------


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


# -- streams without one of the tracks ----------------------------------------------------------


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


def test_an_empty_window_keeps_nothing_and_tells_no_lie(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    before = engine.memory(row)
    told = engine.ingest(row, a_window(1, video=False, audio=False))
    assert told.kept == KeptMap(2.0, Counts(0, 0), Counts(0, 0), (), ())
    assert (told.memory, told.evicted) == (before, 0)


# -- questions ----------------------------------------------------------------------------------


def steps_of(engine: Engine, begun: Begun) -> list[Step]:
    steps = [engine.step(begun.branch)]
    while not steps[-1].done:
        steps.append(engine.step(begun.branch))
    return steps


@pytest.mark.parametrize("limit", [1, 4])
def test_an_answer_ends_at_its_limit_and_its_branch_is_gone(
    stream_model: Model, limit: int
) -> None:
    engine, row = with_row(stream_model, 1)
    begun = engine.ask(row, "what?", max_tokens=limit)
    steps = steps_of(engine, begun)
    assert steps[-1].reason == "stop" or len(steps) == limit
    with pytest.raises(BranchUnknown):
        engine.step(begun.branch)
    engine.cancel(begun.branch)  # no error


def test_an_answer_ends_with_a_stop_token(
    stream_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, row = with_row(stream_model, 1)
    said = answer(engine, row, max_tokens=8)
    monkeypatch.setattr(Model, "stop_ids", frozenset([said[3]]))
    steps = steps_of(engine, engine.ask(row, "what?", max_tokens=8))
    assert [step.token for step in steps] == said[: said.index(said[3]) + 1]
    assert steps[-1].reason == "stop"


def test_a_cancelled_answer_is_gone_and_others_go_on(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 1)
    alone = answer(engine, row, "b?")
    first = engine.ask(row, "a?", max_tokens=5)
    second = engine.ask(row, "b?", max_tokens=5)
    engine.step(first.branch)
    engine.cancel(first.branch)
    with pytest.raises(BranchUnknown):
        engine.step(first.branch)
    assert [step.token for step in steps_of(engine, second)] == alone


def test_asking_twice_gives_the_same_answer_and_another_question_or_history_another_prefill(
    stream_model: Model,
) -> None:
    engine, row = with_row(stream_model, 2)
    assert answer(engine, row) == answer(engine, row)
    read: list[int] = []
    backbone = stream_model.backbone
    plain = backbone.read
    backbone.read = lambda e, p, c, m: read.append(len(e)) or plain(e, p, c, m)  # type: ignore[method-assign, func-returns-value]
    try:
        engine.ask(row, "what?")
        engine.ask(row, " what?\n", history=[("who?", "me")])
    finally:
        del backbone.read
    turn = len("who?\nassistant\nme\nuser\n") + 4  # its four special tokens
    assert read[1] - read[0] == turn


def test_what_an_answer_rests_on_is_told(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0)
    for index in (0, 1, 4):  # windows 2 and 3 never came
        engine.ingest(row, a_window(index))
    memory = engine.memory(row)
    begun = engine.ask(row, "what?")
    assert begun.spans == (Span(0.0, 4.0), Span(8.0, 10.0))
    assert begun.seen == Counts(3 * 18, 3 * 50)
    assert begun.kept == Counts(memory.video, memory.audio)
    assert begun.newest_frame_s == 9.0
    assert begun.retention == stream_model.retention
    assert begun.second_look is None


def test_a_question_before_the_first_window_rests_on_nothing(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 0)
    begun = engine.ask(row, "what?")
    assert (begun.spans, begun.newest_frame_s, begun.second_look) == ((), None, None)
    assert begun.seen == begun.kept == Counts(0, 0)
    assert engine.step(begun.branch)


def test_the_open_window_takes_part_and_is_told(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 2)
    still_open = a_window(2, samples=16_000)
    still_open = replace(still_open, grids=still_open.grids[:1], grid_times_s=(4.0,))
    without = engine.ask(row, "what?")
    begun = engine.ask(row, "what?", open_window=still_open)
    look = begun.second_look
    assert look is not None
    assert look.seen == Counts(9, 25)
    assert look.kept.total == kept_count(stream_model.retention, 34)
    assert begun.spans == (Span(0.0, 6.0),)
    assert begun.newest_frame_s == 4.0
    assert begun.kept.total == without.kept.total + look.kept.total
    assert begun.seen == Counts(2 * 18 + 9, 2 * 50 + 25)


def test_an_open_window_that_closed_meanwhile_is_not_looked_at_again(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 3)
    late = a_window(2, samples=9000)
    assert replace(engine.ask(row, "what?", open_window=late), branch=0) == replace(
        engine.ask(row, "what?"), branch=0
    )


def test_closed_windows_looked_at_again_replace_what_memory_holds_of_them(
    stream_model: Model,
) -> None:
    config = replace(CONFIG, look_back=2)
    engine, row = with_row(stream_model, 4, config, retention=0.1)
    plain, plain_row = with_row(stream_model, 4, retention=0.1)
    before = picture(engine)
    begun, usual = engine.ask(row, "what?"), plain.ask(plain_row, "what?")
    assert replace(begun, branch=usual.branch, kept=usual.kept) == usual
    assert begun.kept.total == usual.kept.total  # as many of each window, maybe others
    assert begun.second_look is None
    assert same(before[:-1], picture(engine)[:-1])  # all but the list of questions
    looked = engine.ask(row, "what?", open_window=a_window(4, samples=640)).second_look
    assert looked is not None
    assert looked.start_s == 8.0


def test_looking_back_reads_the_windows_again_with_the_question_after_them(
    stream_model: Model,
) -> None:
    engine, row = with_row(stream_model, 3, replace(CONFIG, look_back=2))
    calls: list[tuple[float, int]] = []
    selector = stream_model.selector

    class Spy:
        def select(self, pool: Any, count: int, before: Any, after: Any = None) -> Any:
            calls.append((pool.start_s, 0 if after is None else len(after)))
            return selector.select(pool, count, before, after)

    engine.configure(row, selector=Method("spy", Spy()))
    engine.ask(row, "what?")
    question = len("what?\nassistant\n") + 4
    assert calls == [(2.0, question), (4.0, question)]


def test_windows_beyond_the_horizon_are_not_looked_at_again(stream_model: Model) -> None:
    engine, row = with_row(stream_model, 2, replace(CONFIG, look_back=3))
    engine.ingest(row, a_window(30))
    begun = engine.ask(row, "what?")
    assert begun.spans == (Span(60.0, 62.0),)


# -- text as the sieve refined it ---------------------------------------------------------------


def recorded(model: Model, act: Callable[[], object]) -> list[tuple[Tensor, Tensor]]:
    """Embeddings and positions of every read during ``act``."""
    seen: list[tuple[Tensor, Tensor]] = []
    plain = model.backbone.read

    def reading(embeds: Tensor, positions: Tensor, cache: Any, mask: Any) -> Tensor:
        seen.append((embeds, positions))
        return plain(embeds, positions, cache, mask)

    model.backbone.read = reading  # type: ignore[method-assign]
    try:
        act()
    finally:
        del model.backbone.read
    return seen


@torch.inference_mode()
def test_a_checkpoint_trained_on_refined_text_reads_prompt_and_question_refined(
    authors_model: Model,
) -> None:
    model, cs2 = authors_model, authors_model.cs2
    assert cs2 is not None
    engine = Engine(model, CONFIG)
    (prompt, where), *_ = recorded(model, lambda: engine.open(RowConfig()))
    raw = engine._rows[0].prompt.raw
    assert torch.equal(prompt, cs2(raw[None], where[:, None])[0][0])
    asked = recorded(model, lambda: engine.ask(0, "what?"))[0]
    ids = model.backbone.token_ids(
        "<|audio_eos|><|vision_eos|>what?<|im_end|>\n<|im_start|>assistant\n"
    )
    text = model.backbone.embed(ids)
    both = torch.cat([where, asked[1]], dim=1)[:, None]
    states = cs2(torch.cat([raw, text])[None], both)[0][0]
    assert torch.equal(asked[0], states[len(raw) :])


@torch.inference_mode()
def test_a_question_is_refined_together_with_the_open_window(authors_model: Model) -> None:
    engine = Engine(authors_model, CONFIG)
    row = engine.open(RowConfig(retention=0.1))
    engine.ingest(row, a_window(0))
    alone = recorded(authors_model, lambda: engine.ask(row, "what?"))[0]
    window = a_window(1, samples=8000)
    beside = recorded(authors_model, lambda: engine.ask(row, "what?", open_window=window))[0]
    length = len(alone[0])
    assert len(beside[0]) > length
    assert not torch.allclose(beside[0][-length:], alone[0], atol=1e-4)
    assert engine.check_integrity()


@torch.inference_mode()
def test_our_checkpoints_read_text_as_it_is(stream_model: Model) -> None:
    engine = Engine(stream_model, CONFIG)
    (prompt, _), *_ = recorded(stream_model, lambda: engine.open(RowConfig()))
    assert torch.equal(prompt, engine._rows[0].prompt.raw)
    asked = recorded(stream_model, lambda: engine.ask(0, "what?"))[0][0]
    ids = stream_model.backbone.token_ids(
        "<|audio_eos|><|vision_eos|>what?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert torch.equal(asked, stream_model.backbone.embed(ids))


# -- the horizon --------------------------------------------------------------------------------


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
