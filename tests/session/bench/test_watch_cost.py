"""What standing queries cost."""

from __future__ import annotations

import pytest

from session.bench import watch_cost
from session.bench.watch_cost import measure_served, questions
from session.config import ServiceConfig


def test_the_queries_whose_cost_is_measured_are_all_different() -> None:
    assert len(set(questions(50))) == 50


async def test_the_real_service_is_measured_with_one_and_with_fifty_queries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_cost, "PHASE_S", 3.0)
    monkeypatch.setattr(watch_cost, "SETTLED_S", 1.0)
    one, fifty = await measure_served(ServiceConfig(journal=None), rounds=1)
    assert (one.queries, fifty.queries) == (1, 50)
    assert one.ratio == 1.0
    assert fifty.cpu_ms > 0
    assert fifty.ratio == pytest.approx(fifty.cpu_ms / one.cpu_ms, rel=0.02)
