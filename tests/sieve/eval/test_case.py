"""A case gives the engine's windows, and what its tokens show is what the world shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sieve import Model
from sieve.eval.case import Case, Oracle, worth_of
from sieve.eval.tasks import TASKS
from sieve.pool import GridShape, Pool, WindowEncoder
from sieve.select import Text
from sieve.timeline import Timeline
from sieve.tokens import Counts
from sieve.train.world.windows import closed_window

TIMELINE = Timeline(0, 0.0, 50)
NOTHING = Text(torch.zeros(0, 64), torch.zeros(3, 0, dtype=torch.long))


@pytest.fixture(scope="module")
def case() -> Case:
    return TASKS["first"].made(1, 0, 4)


def test_the_windows_of_a_stretch_come_once_each(case: Case) -> None:
    first, rest = list(case.closed("both", 4.1)), list(case.closed("both", 7.9, 4.1))
    assert [window.start_s for window in first + rest] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("tracks", "grids", "sound"), [("both", 2, True), ("video", 2, False), ("audio", 0, True)]
)
def test_tracks_that_are_not_there_are_not_seen(
    case: Case, tracks: str, grids: int, sound: bool
) -> None:
    (window, *_) = case.closed(tracks, 2.0)  # type: ignore[arg-type]
    opened = case.opened(tracks, 7.5)  # type: ignore[arg-type]
    assert opened is not None
    for given in (window, opened):
        assert (len(given.grids), given.samples is not None) == (grids, sound)


def test_who_is_blind_sees_nothing(case: Case) -> None:
    assert list(case.closed("none", 8.0)) == []
    assert case.opened("none", 7.0) is None


def test_evidence_lies_in_the_past(case: Case) -> None:
    assert case.asked
    assert all(case.age_s(asked) >= -1e-6 for asked in case.asked)


def test_tokens_are_counted_as_they_come(case: Case) -> None:
    assert case.tokens(4.0) == Counts(2 * 18, 2 * 50)
    assert case.tokens(5.5) == Counts(3 * 18, 2 * 50 + 37)
    assert 0 < case.dense(6.0).video < 54


def test_every_token_within_a_sound_counts_as_content(case: Case) -> None:
    offset_s = case.stream.offset_s
    sounds = [s for part in case.stream.scene.segments(0.0, 20.0) for s in part.sounds]
    times_s = offset_s + (np.arange(4 * 50) + 0.5) * 0.04
    inside = [any(s.start_s <= t < s.end_s for s in sounds) for t in times_s]
    assert abs(case.dense(8.0).audio - sum(inside)) <= 2 * len(sounds)  # an edge is rounded
    assert case.dense(8.0).audio > (case.worth[:4, 18:] >= 1.0).sum()


def test_of_everything_there_is_one_token_is_worth_most(case: Case) -> None:
    salient = case.worth >= 1.0
    assert 0 < salient.sum() <= case.dense(8.0).total
    for window in case.worth:
        segments = case.stream.scene.segments(0.0, 9.0)
        assert 1 <= (window >= 2.0).sum() <= 3 * len(segments)


@torch.inference_mode()
def test_the_oracle_keeps_what_there_is(case: Case, stream_model: Model) -> None:
    encoder = WindowEncoder(stream_model.backbone, stream_model.layout.pixels)
    pool = encoder.close_window(closed_window(case.stream, 0), TIMELINE)
    worth = worth_of(pool, case.worth)
    assert torch.equal(worth, torch.from_numpy(case.worth[0]))
    there = int((worth >= 1.0).sum())
    kept = Oracle(case).select(pool, there, NOTHING).keep
    assert torch.equal(kept, (worth >= 1.0).nonzero()[:, 0])


def test_a_finer_grid_has_the_worth_of_the_cells_below_it(case: Case) -> None:
    grid = GridShape(3.0, 6, 6, 0)
    pool = Pool(2.0, torch.zeros(36, 4), torch.zeros(3, 36, dtype=torch.long), (grid,), 0)
    coarse = case.worth[1, 9:18].reshape(3, 3)
    assert np.array_equal(worth_of(pool, case.worth).reshape(6, 6)[::2, 1::2], coarse)
