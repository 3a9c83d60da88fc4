"""The text before the stream, in slots that never leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.memory import Arena, RowWriter
from sieve.model import Model
from sieve.rope import prompt_positions, rotate_keys
from sieve.select import Text


class PinnedPrompt:
    """Read once; then its keys are turned to later positions, always from the originals, so that it
    stays within the horizon of a stream that goes on.

    ``end_id`` is the id after its last one. CS2 reads it raw before every window (``before``).
    """

    def __init__(self, model: Model, arena: Arena, row: int) -> None:
        self._model, self._arena, self._row = model, arena, row
        self.slots: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.markers = 0
        self.end_id = 0
        self._read_at = 0
        self._keys: list[Tensor] = []  # per layer [kv_heads, P, head_dim], as read

    def __len__(self) -> int:
        return len(self.slots)

    def read(
        self, ids: Sequence[int], markers: int, end_id: int, slots: NDArray[np.int64]
    ) -> Tensor:
        """Write the prompt's keys and values into taken ``slots``; returns its positions [3, P]."""
        self.slots, self.markers = slots, markers
        self.end_id = self._read_at = end_id
        where = prompt_positions(end_id, len(ids), markers)
        self.raw = self._model.backbone.embed(ids)
        self.states = self._as_read(where)
        nothing_else = np.zeros(self._arena.shape.slots, dtype=bool)
        writer = RowWriter(self._arena, self._row, slots, nothing_else)
        self._model.backbone.read(self.states, where, writer, writer.mask)
        at = self._index()
        self._keys = [layer[self._row][:, at].clone() for layer in self._arena.keys]
        return where

    def _as_read(self, where: Tensor) -> Tensor:
        """The states [P, d] in which the LLM reads the prompt."""
        cs2 = self._model.cs2
        if cs2 is None or self._model.layout.text_states == "raw":
            return self.raw
        states, _ = cs2(self.raw[None], where[:, None].to(self.raw.device))
        return states[0]

    def move(self, end_id: int) -> None:
        """Let the prompt end at ``end_id``; it never moves back."""
        if end_id <= self.end_id:
            return
        self.end_id = end_id
        at, rotary = self._index(), self._model.backbone.rotary
        for layer, keys in zip(self._arena.keys, self._keys, strict=True):
            layer[self._row][:, at] = rotate_keys(keys, end_id - self._read_at, rotary)

    def before(self, position_id: int) -> Text:
        """The prompt as CS2 reads it: raw, right before a window."""
        where = prompt_positions(position_id, len(self.raw), self.markers)
        return Text(self.raw, where, self.markers)

    def _index(self) -> Tensor:
        return torch.from_numpy(self.slots).to(self._arena.keys[0].device)
