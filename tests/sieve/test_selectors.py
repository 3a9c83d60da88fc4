"""The list of methods, and what holds for each of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.baselines import AudioScorer
from sieve.cs2 import kept_count
from sieve.errors import SettingInvalid
from sieve.policy import RecentFirst
from sieve.select import Method
from sieve.selectors import METHODS, TRAINING_FREE, available, default_name, method_of
from tests import tiny
from tests.sieve.baselines.pools import PoolShape, a_pool, prompt_of, question_of

KEEPS_ALL = {"keep-all", "recent"}
NEEDS_CS2 = {"cs2", "cs2-raw", "cs2-per-modality"}
NAMES = [*METHODS, "refined-random", "refined-omnizip"]
REWRITES = {"cs2", "cs2-per-modality", "omnizip"}
RAW = [name for name in METHODS if name not in REWRITES]


@pytest.fixture(scope="module")
def model(stream_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with the weights of every trained method."""
    directory = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    AudioScorer(stream_model.backbone.text_config.hidden_size).save(directory)
    return replace(stream_model, directory=directory)


shapes = st.builds(
    PoolShape,
    grids=st.integers(0, 3),
    rows=st.integers(1, 3),
    cols=st.integers(1, 4),
    audio=st.integers(0, 12),
)


# -- what holds for every method ----------------------------------------------------------------


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(shape=shapes, share=st.floats(0.01, 1.0), seed=st.integers(0, 9), asked=st.booleans())
def test_as_many_as_asked_for_are_kept_in_order_with_a_state_and_all_have_a_score(
    model: Model, name: str, shape: PoolShape, share: float, seed: int, asked: bool
) -> None:
    pool = a_pool(shape, seed)
    count = kept_count(share, len(pool))
    after = question_of(pool) if asked else None
    chosen = method_of(model, name).selector.select(pool, count, prompt_of(pool), after)
    keep = chosen.keep.tolist()
    assert len(keep) == (len(pool) if name in KEEPS_ALL else count)
    assert keep == sorted(set(keep))
    assert all(0 <= place < len(pool) for place in keep)
    assert chosen.states.shape == (len(keep), pool.embeds.shape[1])
    assert (chosen.scores.dtype, chosen.scores.shape) == (torch.float32, (len(pool),))
    assert bool(torch.isfinite(chosen.scores).all())


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("asked", [False, True])
def test_asked_twice_the_answer_is_the_same(model: Model, name: str, asked: bool) -> None:
    pool = a_pool()
    after = question_of(pool) if asked else None
    first, second = (
        method_of(model, name).selector.select(pool, 9, prompt_of(pool), after) for _ in range(2)
    )
    assert torch.equal(first.keep, second.keep)
    assert torch.equal(first.states, second.states)
    assert torch.equal(first.scores, second.scores)


@torch.inference_mode()
@pytest.mark.parametrize("name", NAMES)
def test_what_was_chosen_before_does_not_matter(model: Model, name: str) -> None:
    pool, other = a_pool(), a_pool(seed=5, start_s=2.0)
    fresh = method_of(model, name).selector.select(pool, 9, prompt_of(pool))
    used = method_of(model, name).selector
    used.select(other, 20, prompt_of(other), question_of(other))
    assert torch.equal(used.select(pool, 9, prompt_of(pool)).keep, fresh.keep)


@torch.inference_mode()
@pytest.mark.parametrize("name", RAW)
def test_what_is_not_refined_enters_as_it_came_from_the_towers(model: Model, name: str) -> None:
    pool = a_pool()
    chosen = method_of(model, name).selector.select(pool, 9, prompt_of(pool))
    assert torch.equal(chosen.states, pool.embeds[chosen.keep])


# -- names --------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_those_there_are(stream_model: Model) -> None:
    with pytest.raises(SettingInvalid, match=r"no selector is called 'psychic'.*uniform.*refined-"):
        method_of(stream_model, "psychic")
    with pytest.raises(SettingInvalid, match="'refined-psychic'"):
        method_of(stream_model, "refined-psychic")


@pytest.mark.parametrize("name", [*sorted(NEEDS_CS2), "refined-random"])
def test_a_method_that_needs_cs2_says_so_on_a_model_without(stock_model: Model, name: str) -> None:
    with pytest.raises(SettingInvalid, match="no CS2 weights"):
        method_of(stock_model, name)


def test_the_default_is_the_sieve_or_without_one_a_method_that_needs_no_training(
    stream_model: Model, stock_model: Model
) -> None:
    assert default_name(stream_model) == "cs2"
    assert default_name(stock_model) == TRAINING_FREE
    assert type(stock_model.selector) is type(method_of(stock_model, TRAINING_FREE).selector)


def test_every_method_says_what_it_is() -> None:
    assert all(entry.says for entry in METHODS.values())


# -- in the engine ------------------------------------------------------------------------------

CONFIG = EngineConfig(rows=3, slots=256, max_question_tokens=200)


def kept_places(engine: Engine, row: int, index: int) -> list[int]:
    """What is kept of a window's pictures and sound, as places."""
    told = engine.ingest(row, tiny.window(index, np.random.default_rng(index))).kept
    cells = [grid.rows * grid.cols for grid in told.grids]
    places = [sum(cells[:g]) + at for g, grid in enumerate(told.grids) for at in grid.kept]
    return places + [sum(cells) + at for at in told.audio_kept]


def test_rows_choose_each_by_its_own_method(stream_model: Model) -> None:
    engine = Engine(stream_model, CONFIG)
    rows = {name: engine.open(RowConfig(selector=name)) for name in (None, "uniform", "random")}
    assert [engine.selector(row) for row in rows.values()] == ["cs2", "uniform", "random"]
    kept = {name: kept_places(engine, row, 0) for name, row in rows.items()}
    assert len({tuple(places) for places in kept.values()}) == 3
    assert len({len(places) for places in kept.values()}) == 1


def test_a_running_session_changes_its_selector_from_the_next_window_on(
    stream_model: Model,
) -> None:
    engine = Engine(stream_model, CONFIG)
    changing, constant = engine.open(RowConfig()), engine.open(RowConfig(selector="uniform"))
    assert kept_places(engine, changing, 0) != kept_places(engine, constant, 0)
    engine.configure(changing, selector="uniform")
    assert engine.selector(changing) == "uniform"
    assert kept_places(engine, changing, 1) == kept_places(engine, constant, 1)
    engine.configure(changing, retention=0.1)
    assert engine.selector(changing) == "uniform"


def test_a_selector_that_is_not_there_changes_nothing(stream_model: Model) -> None:
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig())
    with pytest.raises(SettingInvalid, match="no selector is called"):
        engine.configure(row, selector="psychic", retention=0.5)
    assert (engine.selector(row), engine.retention(row)) == ("cs2", stream_model.retention)
    with pytest.raises(SettingInvalid, match="no selector is called"):
        engine.open(RowConfig(selector="psychic"))
    assert len(engine._rows) == 1


def test_recent_holds_the_newest_tokens_there_is_room_for(stream_model: Model) -> None:
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig(selector="recent", slots=150))
    for index in range(6):
        engine.ingest(row, tiny.window(index, np.random.default_rng(index)))
    table = engine._rows[row].table
    entries = table.stream_entries()
    assert table.used == 150
    ids = np.sort(entries.time_id)
    newest = engine._rows[row].timeline.id_at(12.0) - 1
    assert ids[-1] == newest
    windows = np.unique(entries.window_id)
    assert np.array_equal(np.diff(windows), np.full(len(windows) - 1, 50))


@pytest.mark.parametrize("start_s", [0.0, 1.7e9])  # the latter: as of now, since 1970
def test_recent_keeps_the_newest_of_a_window_larger_than_the_memory(
    stream_model: Model, start_s: float
) -> None:
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig(selector="recent", slots=80, start_s=start_s))
    room = 80 - engine.memory(row).prompt
    window = tiny.window(0, np.random.default_rng(0), start_s=start_s)
    kept = engine.ingest(row, window).kept
    assert kept.kept.total == room < kept.seen.total
    assert kept.grids[0].kept == ()
    assert kept.audio_kept[-1] == 49


def test_what_recent_kept_leaves_room_for_what_another_selector_keeps_after_it(
    stream_model: Model,
) -> None:
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig(selector="recent", slots=200))
    for index in range(3):
        engine.ingest(row, tiny.window(index, np.random.default_rng(index)))
    engine.configure(row, selector="cs2")
    for index in range(3, 6):
        kept = engine.ingest(row, tiny.window(index, np.random.default_rng(index))).kept.kept.total
    held = engine._rows[row].table.stream_entries().window_id
    line = engine._rows[row].timeline
    assert [(held == line.id_at(start_s)).sum() for start_s in (6.0, 8.0, 10.0)] == [kept] * 3


def test_a_method_of_ones_own_chooses_and_brings_its_policy(stream_model: Model) -> None:
    uniform = method_of(stream_model, "uniform").selector
    engine = Engine(stream_model, CONFIG)
    row = engine.open(RowConfig(selector=Method("mine", uniform, RecentFirst()), slots=90))
    assert engine.selector(row) == "mine"
    for index in range(8):
        engine.ingest(row, tiny.window(index, np.random.default_rng(index)))
    held = engine._rows[row].table.stream_entries()
    assert len(np.unique(held.window_id)) < 8
    oldest = held.window_id.min()
    assert set(held.window_id) == set(range(oldest, held.window_id.max() + 1, 50))


@pytest.mark.parametrize("name", ["cs2-raw", "uniform", "cs2-per-modality", "refined-random"])
@pytest.mark.parametrize("layout", ["raw", "refined"])
def test_every_method_answers_whatever_the_text_enters_as(
    stream_model: Model, name: str, layout: str
) -> None:
    model = replace(stream_model, layout=replace(stream_model.layout, text_states=layout))
    engine = Engine(model, CONFIG)
    row = engine.open(RowConfig(selector=name))
    engine.ingest(row, tiny.window(0, np.random.default_rng(0)))
    opened = replace(tiny.window(1, np.random.default_rng(1)), samples=np.zeros(9_600, np.float32))
    begun = engine.ask(row, "what?", open_window=opened, max_tokens=3)
    assert begun.kept.total < begun.seen.total
    assert engine.step(begun.branch).token >= 0
    assert engine.check_integrity()


@pytest.mark.parametrize("name", [name for name, entry in METHODS.items() if entry.attention])
def test_a_method_that_reads_the_towers_attention_gets_it_live(
    stream_model: Model, name: str
) -> None:
    engine = Engine(stream_model, EngineConfig(rows=2, slots=256, look_back=1))
    begun, changed = engine.open(RowConfig(selector=name)), engine.open(RowConfig())
    first = kept_places(engine, begun, 0)
    assert len(first) == kept_count(stream_model.retention, 68)
    kept_places(engine, changed, 0)
    engine.configure(changed, selector=name)
    opened = tiny.window(1, np.random.default_rng(1))
    for row in (begun, changed):
        engine.ask(row, "what?", open_window=opened)
    assert kept_places(engine, begun, 1) == kept_places(engine, changed, 1)


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"omnisift"}))
def test_every_method_works_on_sound_alone_and_on_pictures_alone(
    stream_model: Model, name: str
) -> None:
    engine = Engine(stream_model, CONFIG)
    for video, audio in ((True, False), (False, True)):
        row = engine.open(RowConfig(selector=name))
        for index in range(2):
            rng = np.random.default_rng(index)
            engine.ingest(row, tiny.window(index, rng, video=video, audio=audio))
        assert engine.ask(row, "what?").kept.total > 0
        engine.close(row)
    assert engine.check_integrity()


def test_what_needs_weights_that_are_not_there_is_not_offered(
    model: Model, stream_model: Model, stock_model: Model
) -> None:
    assert list(available(model)) == list(METHODS)
    assert set(METHODS) - set(available(stream_model)) == {"omnisift"}
    assert set(METHODS) - set(available(stock_model)) == {"omnisift", *NEEDS_CS2}
    assert all(available(stock_model).values())
