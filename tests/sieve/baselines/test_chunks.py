"""Windows found again in the pool of a whole clip."""

from __future__ import annotations

import numpy as np
import pytest

from sieve import Model
from sieve.baselines.chunks import chunks
from sieve.eval.offline import OfflineClip
from sieve.tokens import RawWindow
from tests import tiny
from tests.sieve.baselines.pools import PoolShape, a_pool


def test_a_live_window_is_one_chunk() -> None:
    pool = a_pool(PoolShape(grids=2, rows=3, cols=4, audio=10))
    ((grids, audio),) = chunks(pool)
    assert grids == list(pool.grids)
    assert audio.tolist() == list(range(24, 34))


@pytest.mark.parametrize("silent", [(), (0,), (1,)])
@pytest.mark.parametrize("blind", [(), (0,), (2,)])
def test_a_clip_falls_into_its_windows(
    stream_model: Model, silent: tuple[int, ...], blind: tuple[int, ...]
) -> None:
    windows: list[RawWindow] = [
        tiny.window(i, np.random.default_rng(i), video=i not in blind, audio=i not in silent)
        for i in range(3)
    ]
    pool = OfflineClip(stream_model, windows).pool
    found = chunks(pool)
    present = [i for i in range(3) if not (i in silent and i in blind)]
    assert len(found) == len(present)
    heard = [i for i in range(3) if i not in silent]
    for index, (grids, audio) in zip(present, found, strict=True):
        assert [grid.time_s for grid in grids] == (
            [] if index in blind else [2.0 * index, 2.0 * index + 1]
        )
        first = pool.video + 50 * heard.index(index) if index in heard else 0
        assert audio.tolist() == (list(range(first, first + 50)) if index in heard else [])
