"""The whole clip at once: the same answers as live where the same is seen, and its arrangements."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.baselines import KeepAll
from sieve.errors import BudgetUnreachable
from sieve.eval.offline import OfflineClip, compacted, in_place, shuffled
from sieve.pool import Pool
from sieve.select import Selection, Text
from sieve.selectors import PRUNERS
from sieve.tokens import RawWindow
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.windows import closed_window, open_window
from tests import tiny


@pytest.fixture(scope="module")
def stream() -> Stream:
    return render_stream(5, 4, 0.0)


def _windows(stream: Stream) -> tuple[list[RawWindow], RawWindow]:
    return [closed_window(stream, i) for i in range(3)], open_window(stream, 7.3)


def _live(model: Model, windows: list[RawWindow], opened: RawWindow, question: str) -> str:
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig(retention=1.0))
    for window in windows:
        engine.ingest(row, window)
    begun = engine.ask(row, question, open_window=opened, max_tokens=64)
    said = ""
    while not (step := engine.step(begun.branch)).done:
        said += step.text
    return said + step.text


@pytest.mark.parametrize("text", ["what is visible now?", "how many sounds were there?"])
def test_all_tokens_give_the_answer_that_the_engine_gives(
    demo_model: Model, stream: Stream, text: str
) -> None:
    model = replace(demo_model, selector=KeepAll())
    closed, opened = _windows(stream)
    answered = OfflineClip(model, closed, opened).answer(text, 1.0)
    assert answered.text == _live(model, closed, opened, text)
    assert answered.kept == answered.seen
    assert 0.0 < answered.confidence <= 1.0


def test_the_built_in_model_answers_a_clip_it_sees_as_a_whole(
    demo_model: Model, stream: Stream
) -> None:
    closed, opened = _windows(stream)
    answered = OfflineClip(demo_model, closed, opened).answer("what is visible now?", 0.2)
    assert answered.text == stream.scene.segment_at(7.3 + stream.offset_s).picture
    assert answered.kept.total == np.ceil(0.2 * answered.seen.total)


class _Witness:
    """Keeps all and notes what it is shown."""

    def __init__(self) -> None:
        self.pools: list[Pool] = []
        self.questions: list[int] = []

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        self.pools.append(pool)
        self.questions.append(0 if after is None else len(after))
        return KeepAll().select(pool, count, before, after)


def test_the_selector_reads_the_whole_clip_and_the_question(stream_model: Model) -> None:
    witness = _Witness()
    rng = np.random.default_rng(0)
    windows = [tiny.window(i, rng) for i in range(3)]
    clip = OfflineClip(replace(stream_model, selector=witness), windows)
    clip.answer("why?", 0.2, most=2)
    (pool,) = witness.pools
    assert (pool.video, pool.audio) == (6 * 9, 3 * 50)
    assert [grid.offset for grid in pool.grids] == [9 * i for i in range(6)]
    assert witness.questions[0] > 0
    assert pool.positions[0, : pool.video].diff().min() >= 0


def test_without_media_there_is_still_an_answer(stream_model: Model) -> None:
    answered = OfflineClip(stream_model, []).answer("why?", 0.2, most=3)
    assert answered.seen.total == answered.kept.total == 0


def test_closing_the_gaps_counts_the_times_through() -> None:
    positions = torch.tensor([[10, 10, 35, 60], [12, 13, 35, 60], [12, 12, 35, 61]])
    arranged = compacted(positions, 10, 61)
    assert arranged.positions.tolist() == [[10, 10, 11, 12], [12, 13, 11, 12], [12, 12, 11, 13]]
    assert arranged.next_id == 14
    assert arranged.order.tolist() == [0, 1, 2, 3]


def test_shuffling_changes_the_order_and_no_position() -> None:
    positions = torch.arange(30).expand(3, 30)
    arranged = shuffled(positions, 0, 30)
    assert sorted(arranged.order.tolist()) == list(range(30)) != arranged.order.tolist()
    assert torch.equal(arranged.positions, in_place(positions, 0, 30).positions)


def test_nothing_kept_can_be_arranged_too() -> None:
    none = torch.zeros(3, 0, dtype=torch.long)
    for arrange in (in_place, compacted, shuffled):
        assert arrange(none, 7, 7).next_id == 7


def test_attention_is_told_in_the_order_of_the_joined_pool(stream_model: Model) -> None:
    rng = np.random.default_rng(0)
    windows = [tiny.window(i, rng) for i in range(2)]
    pool = OfflineClip(stream_model, windows, attention=True).pool
    alone = [OfflineClip(stream_model, [window], attention=True).pool for window in windows]
    assert pool.received is not None
    parts = [(one.received, one.video) for one in alone if one.received is not None]
    expected = torch.cat([*(told[:at] for told, at in parts), *(told[at:] for told, at in parts)])
    torch.testing.assert_close(pool.received, expected)
    assert OfflineClip(stream_model, windows).pool.received is None


def test_a_method_inside_the_llm_that_may_read_everything_answers_as_the_stock_model(
    stock_model: Model,
) -> None:
    rng = np.random.default_rng(0)
    windows = [tiny.window(i, rng) for i in range(2)]
    clip = OfflineClip(replace(stock_model, selector=KeepAll()), windows)
    whole = clip.answer("what?", 1.0, most=6)
    pruned = clip.answer_pruned("what?", 1.0, PRUNERS["fastv"], most=6)
    assert pruned.text == whole.text
    assert pruned.confidence == pytest.approx(whole.confidence, abs=1e-5)
    assert pruned.kept == pruned.seen == whole.seen


def test_a_budget_below_a_methods_floor_is_told(stock_model: Model) -> None:
    clip = OfflineClip(stock_model, [tiny.window(0, np.random.default_rng(0))], attention=True)
    with pytest.raises(BudgetUnreachable, match=r"FastV reads at least 66\.7%.*20\.0%"):
        clip.answer_pruned("what?", 0.2, PRUNERS["fastv"])
    within = clip.answer_pruned("what?", 0.7, PRUNERS["fastv"], most=3)
    assert within.kept == within.seen
    ahead = clip.answer_pruned("what?", 0.2, PRUNERS["seats"], most=3)
    assert ahead.kept.total == math.ceil(1.4 * 0.2 * ahead.seen.total)
