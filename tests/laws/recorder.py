"""Writes down every forward of an engine's decoder, so that one plain forward can repeat it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import sieve.row as row_module
from sieve.backbone import Backbone, KeyValues
from sieve.memory import BranchCache, RowWriter, SlotTable
from sieve.rope import prompt_positions
from sieve.row import Row


@dataclass
class Offline:
    """One long sequence: embeddings, positions, and for each token the tokens it may see."""

    embeds: list[Tensor] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)
    visible: list[list[int]] = field(default_factory=list)

    def add(self, embeds: Tensor, positions: Tensor, past: list[int]) -> list[int]:
        """Append tokens that see ``past`` and, causally, each other; returns their indices."""
        first = len(self.visible)
        new = list(range(first, first + len(embeds)))
        self.embeds.append(embeds)
        self.positions.append(positions)
        self.visible += [past + new[: i + 1] for i in range(len(new))]
        return new

    def hidden(self, backbone: Backbone) -> Tensor:
        """[N, d]: one forward of the stock decoder under the visibility mask, without a cache."""
        size = len(self.visible)
        mask = torch.zeros(size, size, dtype=torch.bool)
        for token, seen in enumerate(self.visible):
            mask[token, seen] = True
        where = torch.cat(self.positions, dim=1)
        with torch.inference_mode():
            return backbone.read(torch.cat(self.embeds), where, None, mask[None, None])


class Recorder:
    """Stands before ``backbone.read`` for one row and keeps the offline twin of what passes."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.backbone = row.model.backbone
        self.offline = Offline()
        self.token_of_slot: dict[int, int] = {}
        self.answers: list[tuple[list[int], Tensor]] = []  # tokens and their hidden states
        self._prompt_end = row.prompt.end_id
        self._branch_past: dict[int, tuple[BranchCache, list[int]]] = {}
        self._read = self.backbone.read
        self._slots_of = row_module.slots_of
        self._branch_slots: list[int] = []
        self._copy_prompt()

    def __enter__(self) -> Recorder:
        self.backbone.read = self.read  # type: ignore[method-assign]
        row_module.slots_of = self.slots_of
        return self

    def __exit__(self, *_: object) -> None:
        self.backbone.read = self._read  # type: ignore[method-assign]
        row_module.slots_of = self._slots_of

    def slots_of(
        self, table: SlotTable, without_windows: Sequence[int], *oldest_id: int
    ) -> NDArray[np.int64]:
        slots = self._slots_of(table, without_windows, *oldest_id)
        self._branch_slots = slots.tolist()
        return slots

    def read(
        self, embeds: Tensor, positions: Tensor, cache: KeyValues | None, mask: Tensor | None
    ) -> Tensor:
        self._follow_prompt()
        if isinstance(cache, RowWriter):
            self._note_append(embeds, positions, cache)
        hidden = self._read(embeds, positions, cache, mask)
        if isinstance(cache, BranchCache):
            self._note_branch(embeds, positions, cache, hidden)
        return hidden

    def _copy_prompt(self) -> None:
        """The prompt at its place of now; tokens read before keep seeing its earlier copies."""
        embeds = self.row.prompt.states
        where = prompt_positions(self._prompt_end, len(embeds), self.row.prompt.markers)
        new = self.offline.add(embeds, where, [])
        self.token_of_slot.update(zip(self.row.prompt.slots.tolist(), new, strict=True))

    def _follow_prompt(self) -> None:
        if self.row.prompt.end_id != self._prompt_end:
            self._prompt_end = self.row.prompt.end_id
            self._copy_prompt()

    def _tokens(self, slots: list[int]) -> list[int]:
        return [self.token_of_slot[slot] for slot in slots]

    def _note_append(self, embeds: Tensor, positions: Tensor, cache: RowWriter) -> None:
        visible = self.row.table.valid.nonzero()[0].tolist()
        new = self.offline.add(embeds, positions, self._tokens(visible))
        self.token_of_slot.update(zip(cache._slots.tolist(), new, strict=True))

    def _note_branch(
        self, embeds: Tensor, positions: Tensor, cache: BranchCache, hidden: Tensor
    ) -> None:
        first = (cache, self._tokens(self._branch_slots))  # held, so that no id is used twice
        _, past = self._branch_past.setdefault(id(cache), first)
        new = self.offline.add(embeds, positions, list(past))
        past += new
        self.answers.append((new, hidden))
