"""Whether one more session would be served, without those who are here suffering from it."""

from __future__ import annotations

from collections.abc import Iterable

from session import wire
from sieve.tokens import WINDOW_S

SMOOTHING = 0.1  # weight of the newest window in the running mean of ingest times


class Admission:
    """By the places there are, by how far the engine is behind, and by its time."""

    def __init__(self, places: int, load: float) -> None:
        """`load`: the most of the engine's time that is given away."""
        self._places = places
        self._load = load
        self._ingest_s = 0.0  # running mean

    def note_ingest(self, seconds: float) -> None:
        """How long a window took the engine; admission goes by the mean."""
        known = self._ingest_s or seconds
        self._ingest_s = known + SMOOTHING * (seconds - known)

    def refusal(self, taken: int, levels: Iterable[wire.OverloadLevel]) -> str | None:
        """Why a new session would not be served now, beside those that have taken a place, at
        these levels of overload; None when it would."""
        if taken >= self._places:
            return f"all {self._places} places are taken"
        if any(level != "none" for level in levels):
            return "the engine is behind with the sessions it has"
        share = (taken + 1) * self._ingest_s / WINDOW_S
        if taken and share > self._load:
            return f"one more session would take {share:.0%} of the engine's time"
        return None
