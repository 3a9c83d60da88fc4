"""What lies before a crop in memory."""

from __future__ import annotations

import torch

from sieve.train.demo.past import Past, Remnant, nothing


def _remnant(tokens: int, slots: int) -> Remnant:
    ids = torch.arange(-50 * tokens, 0, 50)
    return Remnant(
        states=torch.full((tokens, 4), float(tokens), dtype=torch.float16),
        positions=ids.expand(3, -1),
        start_id=ids,
        kind=torch.ones(tokens, dtype=torch.uint8),
        score=torch.arange(float(tokens)),
        length_ids=50 * tokens,
        slots=slots,
    )


def test_remnants_of_different_lengths_lie_side_by_side() -> None:
    past = Past.of([_remnant(2, 20), _remnant(3, 30)])
    assert past.places == 3
    assert past.used.tolist() == [[True, True, False], [True, True, True]]
    assert past.states.shape == (2, 3, 4)
    assert past.positions.shape == (3, 2, 3)
    assert past.positions[0][past.used].tolist() == [-100, -50, -150, -100, -50]
    assert past.start_id[0, :2].tolist() == [-100, -50]
    assert past.score[1].tolist() == [0.0, 1.0, 2.0]
    assert (past.length_ids.tolist(), past.slots.tolist()) == ([100, 150], [20, 30])


def test_of_nothing_there_are_no_places() -> None:
    past = nothing(5, 4)
    assert past.places == 0
    assert past.states.shape == (5, 0, 4)
    assert past.positions.shape == (3, 5, 0)
    assert not past.slots.any()
