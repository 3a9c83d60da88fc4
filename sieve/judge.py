"""Yes-or-no questions about the memories of many rows, in one pass and without writing a word.

A branch copies what it may see; so many questions would copy so many memories. Here the questions
of a row are one tree of tokens that reads the row's keys and values as one product, and nothing is
written anywhere. The linear layers run once over the tokens of all rows; the last layer goes on
only where a question ends.

What can be kept from window to window is the tree alone. A question's keys and values cannot: its
positions move on with time, and from the second layer on they depend on what was remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.memory import Arena
from sieve.model import Model
from sieve.rope import suffix_positions
from sieve.row import Row
from sieve.select import Text
from sieve.tree import Tree, tree_of
from sieve.verdict import Verdict, YesNo

_TREES = 256  # of how many rows' questions the trees are kept

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sitting:
    """One row's questions in a pass. ``slots`` [s]: what of the row they see; ``nodes``: where
    theirs are among all; ``asking`` [m]: which of them a layer goes on with; ``bias`` [m, s + n]:
    0 where these see a slot or a node, else minus infinity."""

    row: int
    slots: Tensor
    nodes: slice
    asking: Tensor
    bias: Tensor

    def at(self, ends: Tensor) -> Sitting:
        """The same where only the last tokens ask."""
        return Sitting(self.row, self.slots, self.nodes, ends, self.bias[ends])


class Judge:
    """Raises SettingInvalid, NoTokenizer for a model whose yes and no cannot be told apart."""

    def __init__(self, model: Model, arena: Arena) -> None:
        self._backbone, self._arena = model.backbone, arena
        self._yes_no = YesNo(model.backbone)
        self._refined = model.layout.text_states == "refined" and model.cs2 is not None
        self._tree = lru_cache(_TREES)(self._tree_of)

    def verdicts(self, asked: Sequence[tuple[Row, tuple[TokenIds, ...]]]) -> list[list[Verdict]]:
        """For every row the verdicts of its questions, given as token ids (at least one)."""
        trees = [self._tree(questions) for _, questions in asked]
        states, angles, sittings, first = [], [], [], 0
        for (row, questions), tree in zip(asked, trees, strict=True):
            states.append(self._states(row, questions, tree))
            angles.append(self._angles(row, tree))
            sittings.append(self._sit(row, tree, first))
            first += len(tree)
        turns = torch.cat(angles, dim=1)
        hidden = self._read(torch.cat(states), turns, sittings, [tree.ends for tree in trees])
        found = iter(self._yes_no.verdicts(self._backbone.logits(hidden)))
        return [[next(found) for _ in questions] for _, questions in asked]

    def _tree_of(self, questions: tuple[TokenIds, ...]) -> Tree:
        return tree_of(questions, apart=self._refined)

    def _states(self, row: Row, questions: Sequence[TokenIds], tree: Tree) -> Tensor:
        """What the decoder reads [n, d]. A refined token depends on its whole question, so there
        nothing is shared."""
        if not self._refined:
            return self._backbone.embed(tree.token)
        markers, first = row.modalities.markers, row.next_text_id()
        texts = [
            Text(self._backbone.embed(ids), suffix_positions(first, len(ids), markers))
            for ids in questions
        ]
        return torch.cat([row.refine(text) for text in texts])

    def _angles(self, row: Row, tree: Tree) -> Tensor:
        """[2, n, D]: a question begins right after the newest token of its row, as a branch's."""
        longest = int(tree.depth.max()) + 1
        where = suffix_positions(row.next_text_id(), longest, row.modalities.markers)
        return torch.stack(self._backbone.angles(where))[:, tree.depth.to(self._backbone.device)]

    def _sit(self, row: Row, tree: Tree, first: int) -> Sitting:
        device = self._backbone.device
        slots = torch.from_numpy(row.visible((), None))
        bias = torch.zeros(len(tree), len(slots) + len(tree), dtype=self._backbone.dtype)
        bias[:, len(slots) :].masked_fill_(~tree.sees, float("-inf"))
        return Sitting(
            row=row.index,
            slots=slots.to(device),
            nodes=slice(first, first + len(tree)),
            asking=torch.arange(len(tree), device=device),
            bias=bias.to(device),
        )

    def _read(
        self, hidden: Tensor, turns: Tensor, sittings: Sequence[Sitting], ends: Sequence[Tensor]
    ) -> Tensor:
        """All layers over the nodes of all rows: hidden [n, d], their cos and sin [2, n, D] -> the
        hidden states of the ends [q, d]."""
        last = self._backbone.depth - 1
        for layer in range(last + 1):
            queries, keys, values = self._backbone.heads(layer, hidden, turns)
            if layer == last:
                sittings = [sitting.at(end) for sitting, end in zip(sittings, ends, strict=True)]
                hidden = torch.cat([hidden[s.nodes][s.asking] for s in sittings])
            attended = [self._attend(layer, s, queries, keys, values) for s in sittings]
            hidden = self._backbone.conclude(layer, hidden, torch.cat(attended))
        return self._backbone.finish(hidden)

    def _attend(
        self, layer: int, sitting: Sitting, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Of one row: queries [H, n, D], keys, values [H_kv, n, D] of all nodes -> [m, H * D]."""
        held = (store[layer][sitting.row] for store in (self._arena.keys, self._arena.values))
        seen, told = (
            torch.cat([part.index_select(1, sitting.slots), own[:, sitting.nodes]], dim=1)[None]
            for part, own in zip(held, (keys, values), strict=True)
        )
        out = F.scaled_dot_product_attention(
            queries[None, :, sitting.nodes][:, :, sitting.asking],
            seen,
            told,
            attn_mask=sitting.bias,
            scale=self._backbone.scaling,
            enable_gqa=len(queries) != len(keys),
        )
        return out[0].transpose(0, 1).flatten(1)
