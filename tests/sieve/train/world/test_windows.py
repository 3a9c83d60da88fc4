"""A rendered stream as windows."""

from __future__ import annotations

import numpy as np

from sieve.train.world.render import render_stream
from sieve.train.world.windows import closed_window, open_window


def test_a_closed_window_is_whole_and_an_open_one_is_what_has_come() -> None:
    stream = render_stream(3, 8, 0.0)
    closed, opened = closed_window(stream, 2), open_window(stream, 5.3)
    assert closed.samples is not None
    assert opened.samples is not None
    assert closed.lookahead is not None
    assert (len(closed.samples), len(closed.lookahead)) == (32_000, 40)
    assert len(opened.samples) == int((5.3 - 4.0) * 16_000)
    assert np.array_equal(closed.samples[: len(opened.samples)], opened.samples)
    assert closed.grid_times_s == (4.0, 5.0)
    assert np.array_equal(opened.grids[0], closed.grids[0])
    assert np.array_equal(opened.grids[1][1], closed.grids[1][0])
