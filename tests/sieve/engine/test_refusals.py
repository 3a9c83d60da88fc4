"""What an engine refuses, and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sieve import Engine, Model, RowConfig, errors
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
from tests.sieve.engine.rows import PROMPT, a_window, answer, picture, same, with_row

NARROW = replace(a_window(2), grids=(np.zeros((2, 1, 300, 3), np.uint8),), grid_times_s=(4.0,))
NAN = replace(a_window(2), samples=np.full(32_000, np.nan, np.float32))
LOUD = replace(a_window(2), samples=np.full(32_000, -1e25, np.float32))
LATE = replace(a_window(2, video=False), start_s=1e19)
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
    (lambda e: e.open(RowConfig(start_s=1e19)), SettingInvalid, "from 0, got 1e.19"),
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
    (lambda e: e.ingest(0, LOUD), SettingInvalid, "got 1e.25"),
    (lambda e: e.ingest(0, LATE), SettingInvalid, "from 0, got 1e.19"),
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
