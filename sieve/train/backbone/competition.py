"""The memory's competition inside a training step: tokens of all windows for a few slots.

Plays the bookkeeping of a session's row (``sieve.row``) over a whole clip and writes down who could
see whom, so that one forward under a mask reads the clip as the session would have read it. A score
that is worth a slot against its own window only, and not against the others, loses here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.cs2 import top_k
from sieve.memory import SlotTable
from sieve.policy import Policy, expired
from sieve.pool import Pool
from sieve.select import Selection
from sieve.tokens import IDS_PER_S, TEXT, WINDOW_S
from sieve.train.backbone.viewing import Viewing

_WINDOW_IDS = round(WINDOW_S * IDS_PER_S)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of the sequence: kept tokens of ``window``, or the prompt (None) at ``prompt_end_id``.
    (The prompt's keys move with a long stream; here a copy stands at each of its places.)"""

    window: int | None
    selection: Selection | None
    prompt_end_id: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The sequence of L tokens in ``blocks``; ``visible`` bool [L, L]: row sees column;
    ``remembered`` [m]: what is left for a question; ``newest_id``: text comes after it."""

    blocks: tuple[Block, ...]
    visible: Tensor
    remembered: Tensor
    newest_id: int


def replay(
    viewing: Viewing,
    selections: Sequence[Selection],
    slots: int,
    horizon_ids: int,
    policy: Policy,
) -> Replay:
    """A clip's closed windows, each with what was selected of it, through ``slots`` slots."""
    play = _Play(len(viewing.prompt), slots, horizon_ids, policy)
    play.place_prompt(viewing.timeline.base_id)
    for index, (pool, selection) in enumerate(zip(viewing.closed, selections, strict=True)):
        play.append(index, pool, selection, viewing.timeline.id_at(pool.start_s))
    oldest_id = -(2**62)
    if viewing.window_open is not None:
        oldest_id = viewing.timeline.id_at(viewing.window_open.start_s) - horizon_ids
    return play.result(oldest_id)


class _Play:
    def __init__(self, prompt: int, slots: int, horizon_ids: int, policy: Policy) -> None:
        self._prompt, self._horizon_ids, self._policy = prompt, horizon_ids, policy
        self._table = SlotTable(slots, slots)
        self._token_of = np.zeros(slots, dtype=np.int64)  # by slot
        self._prompt_slots = self._table.take(prompt)
        self._prompt_end_id = 0
        self._newest_id: int | None = None
        self._blocks: list[Block] = []
        self._seen: list[NDArray[np.int64]] = []  # of every token the tokens before its block

    def place_prompt(self, end_id: int) -> None:
        """(A copy of) the prompt that ends before ``end_id``; tokens keep the one they read."""
        self._prompt_end_id = end_id
        first, nothing = len(self._seen), np.zeros(0, dtype=np.int64)
        self._blocks.append(Block(None, None, end_id))
        self._seen += [nothing] * self._prompt
        self._token_of[self._prompt_slots] = np.arange(first, first + self._prompt)
        kind = np.full(self._prompt, TEXT, dtype=np.uint8)
        zeros = np.zeros(self._prompt, dtype=np.float32)
        self._table.fill(self._prompt_slots, kind, zeros, zeros.astype(np.int64), end_id)

    def append(self, index: int, pool: Pool, selection: Selection, window_id: int) -> None:
        """As ``Row.append`` does."""
        selection = self._fit(selection)
        oldest_id = window_id + _WINDOW_IDS - self._horizon_ids
        self._table.evict(expired(self._table.stream_entries(), oldest_id))
        if oldest_id > self._prompt_end_id:
            self.place_prompt(oldest_id)
        self._make_room(len(selection.keep), window_id + _WINDOW_IDS)
        if len(selection.keep):
            self._write(index, pool, selection, window_id)
            self._newest_id = max(self._newest_id or 0, int(pool.positions.max()))

    def _fit(self, selection: Selection) -> Selection:
        room = self._table.budget - self._prompt
        if len(selection.keep) <= room:
            return selection
        best = top_k(selection.scores[selection.keep].detach(), room)
        return replace(selection, keep=selection.keep[best], states=selection.states[best])

    def _make_room(self, count: int, now_id: int) -> None:
        lacking = self._table.used + count - self._table.budget
        if lacking > 0:
            entries = self._table.stream_entries()
            self._table.evict(self._policy.victims(entries, lacking, now_id))

    def _write(self, index: int, pool: Pool, selection: Selection, window_id: int) -> None:
        keep = selection.keep.cpu()
        first, count = len(self._seen), len(keep)
        before = np.sort(self._token_of[self._table.valid])
        self._blocks.append(Block(index, selection, self._prompt_end_id))
        self._seen += [before] * count
        slots = self._table.take(count)
        self._token_of[slots] = np.arange(first, first + count)
        scores = selection.scores.detach().cpu()[keep].float().numpy()
        time_id = pool.positions[0, keep].numpy()
        self._table.fill(slots, pool.modality[keep].numpy(), scores, time_id, window_id)

    def result(self, oldest_id: int) -> Replay:
        """``oldest_id``: a question sees nothing of windows that began before it."""
        table = self._table
        hidden = (table.window_id < oldest_id) & (table.kind != TEXT)
        remembered = np.sort(self._token_of[table.valid & ~hidden])
        newest = max(self._prompt_end_id - 1, self._newest_id or 0)
        blocks = tuple(self._blocks)
        return Replay(blocks, self._visible(), torch.from_numpy(remembered), newest)

    def _visible(self) -> Tensor:
        """What came before, and causally the token's own block."""
        length = len(self._seen)
        visible = torch.zeros(length, length, dtype=torch.bool)
        first = 0
        for block in self._blocks:
            count = self._prompt if block.selection is None else len(block.selection.keep)
            rows = slice(first, first + count)
            visible[rows, torch.from_numpy(self._seen[first])] = True
            visible[rows, rows] = torch.ones(count, count, dtype=torch.bool).tril()
            first += count
        return visible
