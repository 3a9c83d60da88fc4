"""Streams of any age: that they are as old as it is said."""

from __future__ import annotations

import pytest

from session.bench import ages
from sieve import Engine, EngineConfig, Model, RowConfig


def test_an_old_stream_is_at_its_age(stream_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "FED_S", 4)
    engine = Engine(stream_model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    windows = ages.scene_windows(4)
    assert len(ages.feed(engine, row, windows, until_s=3_600)) == 4
    newest = engine.memory(row).newest_s
    assert newest is not None
    assert 3_598 <= newest <= 3_600


def test_an_open_window_is_the_first_half_of_a_closed_one() -> None:
    window = ages.half(ages.scene_windows(2)[0].moved(100.0))
    assert window.grid_times_s == (100.0,)
    assert window.samples is not None
    assert len(window.samples) == 16_000


def test_a_stream_longer_than_a_windower_waits_for_is_there_from_its_beginning() -> None:
    windows = ages.scene_windows(80)
    assert [window.start_s for window in windows] == [2.0 * i for i in range(40)]
