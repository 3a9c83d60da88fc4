"""Which tokens leave a full memory. Pure: numbers in, slots out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sieve.tokens import IDS_PER_S


@dataclass(frozen=True, slots=True)
class Entries:
    """The stream tokens of one row, arrays [n] of equal length and in no order.

    ``window_id`` is the first position id of the token's window: tokens of one window share it.
    """

    slot: NDArray[np.int64]
    kind: NDArray[np.uint8]
    score: NDArray[np.float32]
    time_id: NDArray[np.int64]
    window_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.slot)


class Policy(Protocol):
    """``victims`` returns ``count`` distinct slots of ``entries`` (all of them if fewer)."""

    def victims(self, entries: Entries, count: int, now_id: int) -> NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True)
class ScoreWithAge:
    """Tokens of all windows compete: the lowest score leaves first, scores fading with age.

    ``fade_per_s`` is what a token's score loses a second (scores are logits). The ``floor`` best
    tokens of each window and modality are its trace of what was seen and what was heard: they leave
    only when nothing else is left, the oldest first. Traces are at most ``trace_share`` of the
    memory; older ones compete as all others do. Without that bound they would fill it within
    minutes and leave room for the newest window alone.
    """

    fade_per_s: float = 0.05
    floor: int = 1
    trace_share: float = 0.25

    def victims(self, entries: Entries, count: int, now_id: int) -> NDArray[np.int64]:
        age_s = (now_id - entries.time_id) / IDS_PER_S
        worth = entries.score - self.fade_per_s * age_s
        traces = self._traces(entries)
        first = np.where(traces, entries.time_id, worth)
        order = np.lexsort((entries.slot, entries.score, first, traces))
        return entries.slot[order[:count]]

    def _traces(self, entries: Entries) -> NDArray[np.bool_]:
        """Which tokens are traces: the newest of those that come into question."""
        able = np.flatnonzero(_rank_in_group(entries) < self.floor)
        score, time_id = entries.score[able], entries.time_id[able]
        newest_first = able[np.lexsort((entries.slot[able], -score, -time_id))]
        traces = np.zeros(len(entries), dtype=bool)
        traces[newest_first[: int(self.trace_share * len(entries))]] = True
        return traces


@dataclass(frozen=True, slots=True)
class RecentFirst:
    """The oldest token leaves first: recent-N at equal bytes."""

    def victims(self, entries: Entries, count: int, now_id: int) -> NDArray[np.int64]:
        order = np.lexsort((entries.slot, entries.score, entries.time_id))
        return entries.slot[order[:count]]


@dataclass(frozen=True, slots=True)
class FixedShare:
    """Every window has the same share, whatever its age: of the window that holds most, the lowest
    score leaves."""

    def victims(self, entries: Entries, count: int, now_id: int) -> NDArray[np.int64]:
        return _equal_shares(entries, entries.window_id)[:count]


@dataclass(frozen=True, slots=True)
class ShareByAge:
    """Memory that thins out with age: the newest ``newest_s`` seconds have the same share as the
    next ``newest_s``, as the 2 ``newest_s`` before them, the 4 ``newest_s`` before those, ..."""

    newest_s: float = 4.0

    def victims(self, entries: Entries, count: int, now_id: int) -> NDArray[np.int64]:
        age_s = np.maximum(now_id - entries.time_id, 0) / IDS_PER_S
        octave = np.floor(np.log2(np.maximum(age_s / self.newest_s, 0.5))) + 1
        return _equal_shares(entries, octave.astype(np.int64))[:count]


def expired(entries: Entries, oldest_id: int) -> NDArray[np.int64]:
    """Slots of tokens whose window began before ``oldest_id``: beyond the horizon."""
    return entries.slot[entries.window_id < oldest_id]


def _equal_shares(entries: Entries, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """All slots, first those that leave first where all groups are to hold equally many: whoever is
    outranked by most others of its own group; of equals the lower score, then the older."""
    rank = _rank(entries, group)
    return entries.slot[np.lexsort((entries.slot, entries.time_id, entries.score, -rank))]


def _rank_in_group(entries: Entries) -> NDArray[np.int64]:
    """0 for the best-scored token of its window and modality, 1 for the next, ..."""
    return _rank(entries, 4 * entries.window_id + entries.kind)


def _rank(entries: Entries, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 for the best-scored token of its ``group`` [n], 1 for the next, ..."""
    order = np.lexsort((entries.slot, -entries.score, group))
    starts = np.ones(len(entries), dtype=bool)
    starts[1:] = np.diff(group[order]) != 0
    first = np.maximum.accumulate(np.where(starts, np.arange(len(entries)), 0))
    rank = np.empty(len(entries), dtype=np.int64)
    rank[order] = np.arange(len(entries)) - first
    return rank
