"""Memory competition inside a training step: the engine's policy over the tokens of a crop.

A row holds so many slots; when a window comes and there is no room, the policy says which older
tokens leave, and what lies beyond the horizon leaves anyway. What a later window or a question can
see follows from it. Numbers only, and the same decisions as ``sieve.row.Row`` takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sieve.policy import Entries, Policy, expired
from sieve.tokens import IDS_PER_S, WINDOW_S

HORIZON_IDS = 32_000
WINDOW_IDS = round(WINDOW_S * IDS_PER_S)


@dataclass(frozen=True, slots=True)
class Kept:
    """The kept tokens [m] of one crop, window after window; ``window`` numbers them from 0, and is
    negative for what was in memory before; ``start_id``: the first id of its window."""

    window: NDArray[np.int64]
    kind: NDArray[np.uint8]
    score: NDArray[np.float32]
    time_id: NDArray[np.int64]
    start_id: NDArray[np.int64]

    def entries(self, held: NDArray[np.int64]) -> Entries:
        """Those at the places ``held``."""
        return Entries(
            held, self.kind[held], self.score[held], self.time_id[held], self.start_id[held]
        )


def windows_of_leaving(
    kept: Kept, starts: NDArray[np.int64], closed: int, budget: int, policy: Policy
) -> NDArray[np.int64]:
    """[m]: the window at whose coming each token left the memory; ``len(starts)`` where it stayed.

    The first ``closed`` of the windows are ingested; one more may be open: it is read by questions
    only and takes no slots. No window keeps more than ``budget`` tokens.
    """
    leaving = np.full(len(kept.window), len(starts))
    held = np.flatnonzero(kept.window < 0)
    for number, start_id in enumerate(starts):
        is_closed = number < closed
        newest_id = int(start_id) + (WINDOW_IDS if is_closed else 0)
        old = expired(kept.entries(held), newest_id - HORIZON_IDS)
        held = _without(held, old, leaving, number)
        if not is_closed:
            continue
        new = np.flatnonzero(kept.window == number)
        lacking = len(held) + len(new) - budget
        if lacking > 0:
            victims = policy.victims(kept.entries(held), lacking, newest_id)
            held = _without(held, victims, leaving, number)
        held = np.concatenate([held, new])
    return leaving


def _without(
    held: NDArray[np.int64],
    going: NDArray[np.int64],
    leaving: NDArray[np.int64],
    number: int,
) -> NDArray[np.int64]:
    leaving[going] = number
    return held[leaving[held] > number] if len(going) else held
