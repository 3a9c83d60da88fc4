"""The memory of a training step is the memory of the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig
from sieve.backbone import Backbone
from sieve.model import Model, StreamLayout
from sieve.policy import Policy, RecentFirst, ScoreWithAge
from sieve.pool import PixelLimits, Pool
from sieve.select import CS2Selector, Selection, Text
from sieve.tokens import AUDIO, TEXT, VIDEO
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS, Kept, windows_of_leaving
from sieve.train.demo.tiny import TinyModel, build_tokenizer, thinker_config
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.windows import closed_window

WINDOWS = 9


class Recorder:
    """A selector that remembers what it selected."""

    def __init__(self, selector: CS2Selector) -> None:
        self._selector = selector
        self.seen: list[tuple[Pool, Selection]] = []

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        self.seen.append((pool, self._selector.select(pool, count, before, after)))
        return self.seen[-1][1]


@pytest.fixture(scope="module")
def served() -> Model:
    torch.manual_seed(4)
    tokenizer = build_tokenizer()
    model = TinyModel(thinker_config(tokenizer)).eval()
    with torch.no_grad():
        for parameter in model.cs2.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    backbone = Backbone(model.thinker, tokenizer, model.lm.rotary_emb)
    layout = StreamLayout(HORIZON_IDS, 50, "raw", PixelLimits(28 * 28, 84 * 84))
    return Model("test", backbone, CS2Selector(model.cs2), model.cs2, layout, 0.2)


def _kept(seen: list[tuple[Pool, Selection]]) -> tuple[Kept, np.ndarray]:
    parts: list[list[np.ndarray]] = [[], [], [], [], []]
    for number, (pool, chosen) in enumerate(seen):
        keep = chosen.keep
        parts[0].append(np.full(len(keep), number))
        parts[1].append(pool.modality[keep].numpy())
        parts[2].append(chosen.scores[keep].numpy())
        parts[3].append(pool.positions[0, keep].numpy())
        parts[4].append(np.full(len(keep), int(pool.positions[0, pool.video])))
    starts = np.array([int(pool.positions[0, pool.video]) for pool, _ in seen])
    return Kept(*(np.concatenate(part) for part in parts)), starts


@pytest.fixture(scope="module")
def stream() -> Stream:
    return render_stream(7, WINDOWS, 0.0)


@pytest.mark.parametrize("policy", [ScoreWithAge(), ScoreWithAge(0.5, floor=2), RecentFirst()])
@pytest.mark.parametrize("budget", [20, 60])
def test_it_holds_what_the_engine_s_row_holds(
    served: Model, stream: Stream, budget: int, policy: Policy
) -> None:
    recorder = Recorder(served.selector)  # type: ignore[arg-type]
    model = Model("test", served.backbone, recorder, served.cs2, served.layout, 0.2)
    engine = Engine(model, EngineConfig(rows=1, slots=512), policy)
    row = engine.open(RowConfig())
    prompt = engine.memory(row).prompt
    engine.configure(row, slots=prompt + budget)
    held = []
    for window in range(WINDOWS):
        engine.ingest(row, closed_window(stream, window))
        table = engine._rows[row].table
        there = table.valid & (table.kind != TEXT)
        held.append(
            set(zip(table.time_id[there], table.kind[there], table.score[there], strict=True))
        )
    kept, starts = _kept(recorder.seen)
    leaving = windows_of_leaving(kept, starts, WINDOWS, budget, policy)
    for window in range(WINDOWS):
        there = (kept.window <= window) & (leaving > window)
        ours = set(zip(kept.time_id[there], kept.kind[there], kept.score[there], strict=True))
        assert ours == held[window], window
    assert (leaving < WINDOWS).any()


def _some(windows: int, each: int, seed: int = 0) -> Kept:
    rng = np.random.default_rng(seed)
    window = np.repeat(np.arange(windows), each)
    kind = np.where(rng.random(len(window)) < 0.5, VIDEO, AUDIO).astype(np.uint8)
    score = rng.standard_normal(len(window)).astype(np.float32)
    return Kept(window, kind, score, window * WINDOW_IDS, window * WINDOW_IDS)


def test_nothing_leaves_where_there_is_room() -> None:
    starts = np.arange(5) * WINDOW_IDS
    leaving = windows_of_leaving(_some(5, 4), starts, 5, 20, ScoreWithAge())
    assert (leaving == 5).all()


def test_what_lies_beyond_the_horizon_leaves_with_room_to_spare() -> None:
    starts = np.array([0, 50, 100, HORIZON_IDS + 60])
    kept = _some(4, 2)
    kept = replace(kept, start_id=starts[kept.window])
    leaving = windows_of_leaving(kept, starts, 4, 100, ScoreWithAge())
    assert leaving.tolist() == [3, 3, 3, 3, 3, 3, 4, 4]


def test_an_open_window_takes_no_slots_and_lets_only_the_horizon_pass() -> None:
    starts = np.array([0, 50, 100, HORIZON_IDS + 60])
    kept = _some(4, 2)
    kept = replace(kept, start_id=starts[kept.window])
    leaving = windows_of_leaving(kept, starts, 3, 6, ScoreWithAge())
    assert leaving.tolist() == [3, 3, 3, 3, 4, 4, 4, 4]


def test_what_was_in_memory_before_the_first_window_competes_with_it() -> None:
    kept = _some(5, 4)
    earlier = replace(kept, window=kept.window - 2)
    starts = np.arange(2, 5) * WINDOW_IDS
    whole = windows_of_leaving(kept, np.arange(5) * WINDOW_IDS, 5, 10, RecentFirst())
    resumed = windows_of_leaving(earlier, starts, 3, 10, RecentFirst())
    assert (resumed[:8] < 3).any()
    assert np.array_equal(np.maximum(whole - 2, 0)[whole >= 2], resumed[whole >= 2])
