"""The measurement runs and gives plausible numbers; what they are is for the benchmark to judge."""

from __future__ import annotations

from stream.measure import measure_media


def test_both_ways_of_receiving_cost_something_and_windows_come_out() -> None:
    cost = measure_media(2.0, rounds=1)
    assert cost.bare_ms_per_s > 0
    assert cost.peer_ms_per_s > 0
    assert cost.ratio == cost.peer_ms_per_s / cost.bare_ms_per_s
    assert cost.windows >= 1
