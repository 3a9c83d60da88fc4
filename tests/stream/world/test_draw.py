"""Pictures show what their segment holds, in the cells it says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.world.draw import CELL, CELLS, NATIVE_SIZE, Cells, cells, choose_look, draw
from stream.world.scene import COLOURS, OBJECTS, Scene, Segment, Symbol, Thing

few = settings(max_examples=25, deadline=None)


def _cell(image: NDArray[np.uint8], cell: int) -> NDArray[np.int64]:
    row, column = divmod(cell, CELLS)
    return image[row * CELL :, column * CELL :][:CELL, :CELL].astype(int)


def _drawn(segment: Segment, time_s: float, seed: int = 3) -> tuple[NDArray[np.uint8], Cells]:
    look = choose_look(segment, np.random.default_rng(seed))
    return draw(segment, look, time_s, seed), cells(segment, look, time_s)


def in_order(names: list[str]) -> list[str]:
    return sorted(names, key=OBJECTS.index)


@st.composite
def crowds(draw_: st.DrawFn) -> Segment:
    names = draw_(st.lists(st.sampled_from(OBJECTS), unique=True, max_size=3).map(in_order))
    return Segment(
        index=0,
        start_s=10.0,
        end_s=20.0,
        things=tuple(Thing.named(name) for name in names),
        symbol=Symbol("4", 12.0, 14.0),
        still=draw_(st.booleans()),
        flicker=draw_(st.floats(0, 1)),
    )


@given(crowds(), st.integers(0, 999), st.floats(10.0, 19.99))
@few
def test_nothing_shares_a_cell(segment: Segment, seed: int, time_s: float) -> None:
    used = cells(segment, choose_look(segment, np.random.default_rng(seed)), time_s)
    taken = [*used.things, *used.flicker, *([] if used.symbol is None else [used.symbol])]
    assert len(set(taken)) == len(taken)
    assert all(0 <= cell < CELLS * CELLS for cell in taken)


@given(crowds(), st.integers(0, 999), st.floats(10.0, 19.99))
@few
def test_every_thing_is_drawn_in_its_cell_in_its_colour(
    segment: Segment, seed: int, time_s: float
) -> None:
    image, used = _drawn(segment, time_s, seed)
    for thing, cell in zip(segment.things, used.things, strict=True):
        away = np.abs(_cell(image, cell) - COLOURS[thing.colour]).max(-1)
        assert (away < 30).sum() > 60


def test_a_symbol_is_there_from_its_start_to_its_end_only() -> None:
    segment = Segment(0, 0.0, 10.0, symbol=Symbol("8", 2.0, 3.0))
    bright = {t: int((_drawn(segment, t)[0] > 220).sum()) for t in (1.99, 2.0, 2.99, 3.0)}
    assert bright[1.99] == bright[3.0] == 0
    assert bright[2.0] > 200
    assert bright[2.99] > 200
    assert _drawn(segment, 1.0)[1].symbol is None


def test_a_faint_symbol_is_darker_than_a_clear_one_and_brighter_than_what_is_behind_it() -> None:
    def contrast(faint: bool) -> float:
        segment = Segment(0, 0.0, 4.0, symbol=Symbol("8", 0.0, 4.0, faint))
        image, used = _drawn(segment, 1.0)
        assert used.symbol is not None
        cell = _cell(image, used.symbol).mean(-1)
        return float(np.sort(cell.ravel())[-100:].mean() - np.median(cell))

    assert 30 < contrast(faint=True) < 80 < contrast(faint=False)


@given(crowds(), st.integers(0, 999))
@few
def test_a_still_picture_does_not_change_where_nothing_flickers(
    segment: Segment, seed: int
) -> None:
    (early, used), (late, _) = (_drawn(segment, t, seed) for t in (15.1, 18.7))
    changed = {
        cell
        for cell in range(CELLS * CELLS)
        if not np.array_equal(_cell(early, cell), _cell(late, cell))
    }
    if segment.still:
        assert changed == set(used.flicker)
    else:
        assert changed == set(range(CELLS * CELLS))


def test_a_share_of_the_cells_flickers_at_every_tick() -> None:
    segment = Segment(0, 0.0, 9.0, (Thing.named("red circle"),), flicker=0.3)
    look = choose_look(segment, np.random.default_rng(5))
    assert len(look.flicker) == 3
    frames = [draw(segment, look, i / 2, 5) for i in range(18)]
    for cell in look.flicker:
        for before, after in pairwise(frames):
            assert np.abs(_cell(before, cell) - _cell(after, cell)).mean() > 20


def test_larger_frames_are_the_native_ones_enlarged() -> None:
    scene = Scene(4)
    large = scene.frame(7.3, 4 * NATIVE_SIZE)
    assert large.shape == (336, 336, 3)
    assert np.array_equal(large[::4, ::4], scene.frame(7.3))
