"""Whether one more session would be served. Pure."""

from __future__ import annotations

import pytest

from session.roster.admission import Admission


@pytest.fixture
def admission() -> Admission:
    return Admission(places=4, load=0.8)


def test_an_idle_engine_takes_one_whatever_a_window_costs(admission: Admission) -> None:
    admission.note_ingest(10.0)
    assert admission.refusal(0, []) is None


def test_all_places_taken_is_said_first(admission: Admission) -> None:
    assert admission.refusal(4, ["skipped"] * 4) == "all 4 places are taken"


def test_nobody_comes_in_while_one_who_is_here_suffers(admission: Admission) -> None:
    assert admission.refusal(2, ["none", "none"]) is None
    assert "behind" in (admission.refusal(2, ["none", "frame_rate"]) or "")


def test_the_share_of_time_is_that_of_all_with_the_new_one(admission: Admission) -> None:
    admission.note_ingest(0.6)  # of the 2 s that a window lasts
    assert admission.refusal(1, ["none"]) is None
    assert "90%" in (admission.refusal(2, ["none", "none"]) or "")


def test_one_slow_window_among_many_refuses_nobody(admission: Admission) -> None:
    for _ in range(50):
        admission.note_ingest(0.1)
    admission.note_ingest(2.0)
    assert admission.refusal(3, ["none"] * 3) is None
