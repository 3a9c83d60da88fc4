"""A question that is judged among others gives what it gives alone in a branch, and leaves no
trace."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.errors import QuestionEmpty, QuestionTooLong, RowUnknown, SettingInvalid
from sieve.row import Row
from sieve.tokens import TEXT, Query
from sieve.verdict import Verdict, YesNo
from tests import tiny
from tests.laws.test_asking import picture

QUESTIONS = ("is there a red circle now?", "is there a buzz now?", "is it?", "did you see a digit?")
TOLERANCE = 1e-4


def streams(model: Model, seeds: list[int], windows: int) -> tuple[Engine, list[int]]:
    """An engine with a session for each seed."""
    engine = Engine(model, EngineConfig(rows=3, slots=128))
    rows = [engine.open(RowConfig(instruction="look" * (seed % 3))) for seed in seeds]
    for row, seed in zip(rows, seeds, strict=True):
        rng = np.random.default_rng(seed)
        for index in range(windows):
            engine.ingest(row, tiny.window(index, rng, audio=seed % 2 == 0))
    return engine, rows


def by_branch(engine: Engine, row: int, question: str) -> Verdict:
    """The verdict of the logits that a branch chooses its first token from."""
    backbone, seen = engine.model.backbone, []

    def noting(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(type(backbone).logits(backbone, hidden))
        return seen[-1]

    with patch.object(backbone, "logits", noting):
        engine.cancel(engine.ask(row, question).branch)
    return YesNo(backbone).verdicts(seen[0])[0]


@pytest.mark.parametrize("name", ["stream_model", "authors_model", "demo_model"])
@settings(max_examples=4)
@given(
    seeds=st.lists(st.integers(0, 2**16), min_size=1, max_size=3),
    windows=st.sampled_from([0, 1, 8]),
    asked=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(QUESTIONS) | st.text("is a?", min_size=1)),
        min_size=1,
        max_size=8,
    ).filter(lambda asked: all(text.strip() for _, text in asked)),
)
@example(seeds=[0, 1], windows=8, asked=[(i, q) for q in QUESTIONS for i in (0, 1, 0)])
def test_judging_is_a_branchs_first_token(
    name: str,
    seeds: list[int],
    windows: int,
    asked: list[tuple[int, str]],
    request: pytest.FixtureRequest,
) -> None:
    engine, rows = streams(request.getfixturevalue(name), seeds, windows)
    put = [(rows[i % len(rows)], question) for i, question in asked]
    queries = [(row, Query(question)) for row, question in put]
    for (row, question), found in zip(put, engine.judge(queries), strict=True):
        alone = by_branch(engine, row, question)
        assert found.yes == pytest.approx(alone.yes, abs=TOLERANCE)
        assert found.answered == pytest.approx(alone.answered, abs=TOLERANCE)


@settings(max_examples=6)
@given(seeds=st.lists(st.integers(0, 2**16), min_size=1, max_size=2), within=st.integers(1, 12))
def test_a_query_sees_the_newest_windows_it_may_and_no_others(
    stream_model: Model, seeds: list[int], within: int
) -> None:
    """It gives what a branch gives that sees the prompt and these windows' tokens alone."""
    engine, rows = streams(stream_model, seeds, 8)
    queries = [Query(q, s) for q in QUESTIONS for s in (2.0 * within, None, 2.0 * within - 1.0)]
    found = iter(engine.judge([(row, query) for row in rows for query in queries]))
    for row in rows:
        for query in queries:
            limit = 8 if query.within_s is None else max(1, int(query.within_s // 2))
            alone = by_branch_over(engine, row, query.text, limit)
            assert next(found).yes == pytest.approx(alone.yes, abs=TOLERANCE)


def by_branch_over(engine: Engine, row: int, question: str, windows: int) -> Verdict:
    """The verdict of a branch that sees the newest ``windows`` windows of 8."""
    table = engine._rows[row].table
    ids = sorted(set(table.stream_entries().window_id.tolist()))
    seen = np.isin(table.window_id, [id for id in ids if id >= max(ids) - 50 * (windows - 1)])
    slots = np.flatnonzero(table.valid & (seen | (table.kind == TEXT)))
    with patch.object(Row, "visible", lambda *_: slots):
        return by_branch(engine, row, question)


@pytest.mark.parametrize("name", ["stream_model", "authors_model"])
def test_judging_changes_no_byte_of_the_memory(name: str, request: pytest.FixtureRequest) -> None:
    engine, rows = streams(request.getfixturevalue(name), [1, 2], 5)
    before = [picture(engine, row) for row in rows]
    engine.judge([(row, Query(question)) for row in rows for question in QUESTIONS])
    for row, (bytes_before, books_before) in zip(rows, before, strict=True):
        bytes_after, books_after = picture(engine, row)
        assert all(torch.equal(a, b) for a, b in zip(bytes_before, bytes_after, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(books_before, books_after, strict=True))


def test_what_others_are_asked_and_remember_changes_nothing(stream_model: Model) -> None:
    engine, rows = streams(stream_model, [1, 2, 3], 4)
    (alone,) = engine.judge([(rows[1], Query(QUESTIONS[0]))])
    among = engine.judge([(row, Query(q)) for row in rows for q in (*QUESTIONS, "why?")])
    assert among[5].yes == pytest.approx(alone.yes, abs=TOLERANCE)


def test_a_memory_is_not_copied_for_each_question(stream_model: Model) -> None:
    """Questions of a row read its slots together, many tokens in one product."""
    engine, (row,) = streams(stream_model, [1], 4)
    attention = torch.nn.functional.scaled_dot_product_attention
    name = "sieve.judge.F.scaled_dot_product_attention"
    with patch(name, side_effect=attention) as product:
        engine.judge([(row, Query(f"question {number}?")) for number in range(50)])
    assert product.call_count < 50


@pytest.mark.parametrize(
    ("question", "error"),
    [(" ", QuestionEmpty), ("y" * 2_000, QuestionTooLong), ("y" * 99_999, QuestionTooLong)],
)
def test_what_cannot_be_asked_cannot_be_judged(
    question: str, error: type[Exception], stream_model: Model
) -> None:
    engine, (row,) = streams(stream_model, [1], 1)
    with pytest.raises(error):
        engine.judge([(row, Query("is it?")), (row, Query(question))])


@pytest.mark.parametrize("within_s", [0.0, -2.0, float("inf"), float("nan"), 1e308])
def test_what_is_no_length_of_time_is_not_looked_back(within_s: float, stream_model: Model) -> None:
    engine, (row,) = streams(stream_model, [1], 1)
    with pytest.raises(SettingInvalid, match=f"looks back .* got {within_s}".replace("+", ".")):
        engine.judge([(row, Query("is it?", within_s))])


def test_a_row_that_is_not_there_is_refused(stream_model: Model) -> None:
    engine, (row,) = streams(stream_model, [1], 1)
    with pytest.raises(RowUnknown):
        engine.judge([(row, Query("is it?")), (row + 1, Query("is it?"))])


def test_judging_nothing_gives_nothing(stream_model: Model) -> None:
    assert Engine(stream_model, EngineConfig()).judge([]) == []
