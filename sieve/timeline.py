"""Where a stream's seconds lie on the axis of position ids."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.tokens import IDS_PER_S


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stream second ``start_s`` has id ``base_id``; one id is 40 ms.

    H and W of a frame count from the start of its anchor period of ``anchor_period_ids``: anchored
    once at the stream's start they would drift away from the T of the text around them.
    """

    base_id: int
    start_s: float
    anchor_period_ids: int

    def id_at(self, time_s: float) -> int:
        return self.base_id + round((time_s - self.start_s) * IDS_PER_S)

    def time_at(self, position_id: int) -> float:
        return self.start_s + (position_id - self.base_id) / IDS_PER_S

    def anchor_of(self, position_id: int) -> int:
        since = position_id - self.base_id
        return self.base_id + since // self.anchor_period_ids * self.anchor_period_ids
