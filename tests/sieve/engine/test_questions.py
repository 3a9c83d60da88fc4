"""Questions to an engine, and what is read for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sieve import Engine, Model, RowConfig
from sieve.cs2 import kept_count
from sieve.errors import (
    BranchUnknown,
)
from sieve.select import Method
from sieve.tokens import Counts, Span
from tests.sieve.engine.rows import CONFIG, a_window, answer, picture, same, steps_of, with_row


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
