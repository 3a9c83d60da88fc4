"""The slot arena: every session's memory, allocated once, never moved.

Keys are stored rotated at absolute positions, so a slot's place means nothing: evicting is marking
a slot free, appending is filling free ones. Attention reads the arena with a mask. Unused slots
hold finite values always (a NaN under a mask is still a NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.errors import NoRowFree
from sieve.policy import Entries
from sieve.tokens import AUDIO, TEXT, VIDEO


@dataclass(frozen=True, slots=True)
class ArenaShape:
    """What the arena is made of; bytes are fixed by it."""

    layers: int
    rows: int
    kv_heads: int
    slots: int
    head_dim: int


class Arena:
    """Keys and values of all rows: per layer [rows, kv_heads, slots, head_dim], each."""

    def __init__(self, shape: ArenaShape, dtype: torch.dtype, device: torch.device) -> None:
        self.shape = shape
        size = (shape.rows, shape.kv_heads, shape.slots, shape.head_dim)
        self.keys = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.values = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self._free_rows = list(range(shape.rows - 1, -1, -1))

    @property
    def row_bytes(self) -> int:
        per_layer = self.keys[0][0].nbytes + self.values[0][0].nbytes
        return per_layer * self.shape.layers

    def take_row(self) -> int:
        """A free row, all zeros; raises NoRowFree."""
        if not self._free_rows:
            raise NoRowFree(f"all {self.shape.rows} rows of the memory are taken")
        return self._free_rows.pop()

    def give_row(self, row: int) -> None:
        """Back to the free ones, wiped: nothing of a tenant can be read by the next."""
        for layer in (*self.keys, *self.values):
            layer[row].zero_()
        self._free_rows.append(row)

    def rows_free(self) -> int:
        return len(self._free_rows)


class SlotTable:
    """What each slot of one row holds. ``budget`` slots may be used of the row's ``slots``."""

    def __init__(self, slots: int, budget: int) -> None:
        self.slots = slots
        self.budget = budget
        self.valid = np.zeros(slots, dtype=bool)
        self.kind = np.zeros(slots, dtype=np.uint8)
        self.score = np.zeros(slots, dtype=np.float32)
        self.time_id = np.zeros(slots, dtype=np.int64)
        self.window_id = np.zeros(slots, dtype=np.int64)
        self._free = list(range(slots - 1, -1, -1))

    @property
    def used(self) -> int:
        return self.slots - len(self._free)

    def can_take(self, count: int) -> bool:
        return self.used + count <= self.budget

    def take(self, count: int) -> NDArray[np.int64]:
        """``count`` free slots; the caller has made room (``can_take``)."""
        assert self.can_take(count), (self.used, count, self.budget)
        return np.array([self._free.pop() for _ in range(count)], dtype=np.int64)

    def fill(
        self,
        slots: NDArray[np.int64],
        kind: NDArray[np.uint8],
        score: NDArray[np.float32],
        time_id: NDArray[np.int64],
        window_id: int,
    ) -> None:
        """Say what taken ``slots`` hold; from now on they are seen."""
        self.valid[slots] = True
        self.kind[slots] = kind
        self.score[slots] = score
        self.time_id[slots] = time_id
        self.window_id[slots] = window_id

    def evict(self, slots: NDArray[np.int64]) -> None:
        assert self.valid[slots].all()
        self.valid[slots] = False
        self._free.extend(int(slot) for slot in slots)

    def stream_entries(self) -> Entries:
        """The tokens that may be evicted: all but the pinned prompt."""
        slot = np.flatnonzero(self.valid & (self.kind != TEXT))
        return Entries(
            slot, self.kind[slot], self.score[slot], self.time_id[slot], self.window_id[slot]
        )

    def count(self, kind: int) -> int:
        return int((self.valid & (self.kind == kind)).sum())

    def is_sound(self) -> bool:
        """Free and valid slots are disjoint and complete, the budget holds."""
        free = np.array(sorted(self._free), dtype=np.int64)
        return (
            len(np.unique(free)) == len(free)
            and bool((~self.valid[free]).all())
            and int(self.valid.sum()) + len(free) == self.slots
            and self.used <= self.budget <= self.slots
            and set(np.unique(self.kind[self.valid])) <= {TEXT, VIDEO, AUDIO}
        )


class RowWriter:
    """The cache of one forward that appends to a row: writes new K/V into ``slots`` and lets the
    decoder attend to the row up to the highest slot in use."""

    def __init__(
        self, arena: Arena, row: int, slots: NDArray[np.int64], visible: NDArray[np.bool_]
    ):
        self._arena, self._row = arena, row
        device = arena.keys[0].device
        self._slots = torch.from_numpy(slots).to(device)
        self._end = max(
            int(np.flatnonzero(visible)[-1]) + 1 if visible.any() else 0, int(slots.max()) + 1
        )
        seen = torch.from_numpy(visible[: self._end]).to(device).expand(len(slots), -1).clone()
        among = torch.ones(len(slots), len(slots), dtype=torch.bool, device=device).tril()
        seen[:, self._slots] = among
        self.mask = seen[None, None]  # bool [1, 1, n, end]

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """keys, values [1, H_kv, n, D] -> those of the whole row [1, H_kv, end, D]."""
        row_keys, row_values = self._arena.keys[layer], self._arena.values[layer]
        row_keys[self._row].index_copy_(1, self._slots, keys[0])
        row_values[self._row].index_copy_(1, self._slots, values[0])
        span = slice(self._row, self._row + 1)
        return row_keys[span, :, : self._end], row_values[span, :, : self._end]


class BranchCache:
    """A question's own K/V: a snapshot of the slots it may see, then what it adds.

    The snapshot is dense (no mask is needed) and independent of the row: ingest goes on meanwhile.
    """

    def __init__(self, arena: Arena, row: int, slots: NDArray[np.int64], capacity: int) -> None:
        shape = arena.shape
        index = torch.from_numpy(slots).to(arena.keys[0].device)
        held = len(slots)
        self._lengths = [held] * shape.layers
        size = (1, shape.kv_heads, held + capacity, shape.head_dim)
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        for source, store in ((arena.keys, self._keys), (arena.values, self._values)):
            for layer in source:
                own = layer.new_empty(size)
                own[0, :, :held] = layer[row].index_select(1, index)
                store.append(own)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """keys, values [1, H_kv, n, D] -> all so far [1, H_kv, length, D]."""
        start = self._lengths[layer]
        end = start + keys.shape[2]
        self._keys[layer][:, :, start:end] = keys
        self._values[layer][:, :, start:end] = values
        self._lengths[layer] = end
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def mask(self, count: int) -> Tensor | None:
        """bool [1, 1, count, length + count] for the next forward; ``None`` for a single token."""
        if count == 1:
            return None
        past = torch.ones(count, self._lengths[0], dtype=torch.bool)
        own = torch.ones(count, count, dtype=torch.bool).tril()
        return torch.cat([past, own], dim=1)[None, None].to(self._keys[0].device)


def slots_of(
    table: SlotTable, without_windows: Sequence[int] = (), oldest_id: int | None = None
) -> NDArray[np.int64]:
    """Slots a branch may see: the prompt, and every token but those of windows looked at again and
    of windows that began before ``oldest_id``."""
    hidden = np.isin(table.window_id, np.array(without_windows, dtype=np.int64))
    if oldest_id is not None:
        hidden |= table.window_id < oldest_id
    return np.flatnonzero(table.valid & ~(hidden & (table.kind != TEXT)))
