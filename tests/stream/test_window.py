"""Which frames of a stream can be in a window."""

from __future__ import annotations

from stream.window import Ticks


def test_ticks_want_the_first_frame_at_or_after_each_of_them() -> None:
    ticks = Ticks(2.0)
    times = [0.1, 0.4, 0.4999999, 0.6, 0.9, 1.7, 1.6, 2.0]
    assert [t for t in times if ticks.wants(t)] == [0.1, 0.4999999, 1.7, 2.0]
