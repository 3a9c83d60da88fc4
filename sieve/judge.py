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
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.memory import Arena
from sieve.model import Model
from sieve.rope import suffix_positions
from sieve.row import Row
from sieve.select import Text
from sieve.tree import Block, Tree, blocks_of, tree_of
from sieve.verdict import Numbers, Verdict, YesNo

_TREES = 256  # of how many rows' questions the trees are kept
_BLOCK = 96  # nodes that attend together on a processor, where what is masked costs as much;
_WHOLE = 1 << 20  # on an accelerator one large product is cheaper than many small ones

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Questions (at least one, as token ids) that see the same of a row: what came in its last
    ``within_s``, or all that is remembered."""

    row: Row
    within_s: float | None
    questions: tuple[TokenIds, ...]


@dataclass(frozen=True, slots=True)
class Questions:
    """A view's questions as they are read, window after window: all nodes, then the ends alone."""

    tree: Tree
    inner: tuple[Block, ...]
    outer: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A view's questions in a pass. ``slots`` [s]: what of the row they see; ``nodes``: where
    theirs are among all."""

    row: int
    slots: Tensor
    nodes: slice
    questions: Questions


class Judge:
    """Raises SettingInvalid, NoTokenizer for a model whose yes and no cannot be told apart."""

    def __init__(self, model: Model, arena: Arena) -> None:
        self._backbone, self._arena = model.backbone, arena
        self._yes_no = YesNo(model.backbone)
        self._numbers = Numbers(model.backbone)
        self._refined = model.layout.text_states == "refined" and model.cs2 is not None
        self._block = _BLOCK if model.backbone.device.type == "cpu" else _WHOLE
        self._questions = lru_cache(_TREES)(self._questions_of)

    def verdicts(self, views: Sequence[View]) -> list[list[Verdict]]:
        """For every view the verdicts of its questions."""
        read = [self._questions(view.questions) for view in views]
        lengths = torch.tensor([len(questions.tree) for questions in read])
        firsts = (lengths.cumsum(0) - lengths).tolist()
        sittings = [self._sit(*part) for part in zip(views, firsts, read, strict=True)]
        turns = [self._angles(view.row, part.tree) for view, part in zip(views, read, strict=True)]
        states = [
            self._states(view.row, view.questions, part.tree)
            for view, part in zip(views, read, strict=True)
        ]
        hidden = self._read(torch.cat(states), torch.cat(turns, dim=1), sittings)
        found = iter(self._verdicts(self._backbone.logits(hidden)))
        return [[next(found) for _ in view.questions] for view in views]

    def _verdicts(self, logits: Tensor) -> list[Verdict]:
        read = zip(self._yes_no.verdicts(logits), self._numbers.counts(logits), strict=True)
        return [replace(verdict, count=count) for verdict, count in read]

    def _questions_of(self, questions: tuple[TokenIds, ...]) -> Questions:
        device = self._backbone.device
        tree = tree_of(questions, apart=self._refined).to(device)
        inner = blocks_of(tree, torch.arange(len(tree), device=device), self._block)
        return Questions(tree, inner, blocks_of(tree, tree.ends, self._block))

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
        return torch.stack(self._backbone.angles(where))[:, tree.depth]

    def _sit(self, view: View, first: int, questions: Questions) -> Sitting:
        slots = torch.from_numpy(view.row.lately(view.within_s)).to(self._backbone.device)
        nodes = slice(first, first + len(questions.tree))
        return Sitting(view.row.index, slots, nodes, questions)

    def _read(self, hidden: Tensor, turns: Tensor, sittings: Sequence[Sitting]) -> Tensor:
        """All layers over the nodes of all rows: hidden [n, d], their cos and sin [2, n, D] -> the
        hidden states of the ends [q, d]."""
        last = self._backbone.depth - 1
        for layer in range(last + 1):
            heads = self._backbone.heads(layer, hidden, turns)
            if layer == last:
                hidden = torch.cat([hidden[s.nodes][s.questions.tree.ends] for s in sittings])
            attended = [
                self._attend(layer, s, layer == last, *(part[:, s.nodes] for part in heads))
                for s in sittings
            ]
            hidden = self._backbone.conclude(layer, hidden, torch.cat(attended))
        return self._backbone.finish(hidden)

    def _attend(
        self,
        layer: int,
        sitting: Sitting,
        ends: bool,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
    ) -> Tensor:
        """Of one row: queries [H, n, D], keys, values [H_kv, n, D] -> [m, H * D], of all its nodes
        or of the ends alone."""
        held_keys, held_values = (
            store[layer][sitting.row].index_select(1, sitting.slots)
            for store in (self._arena.keys, self._arena.values)
        )
        attended = []
        for block in sitting.questions.outer if ends else sitting.questions.inner:
            out = F.scaled_dot_product_attention(
                queries[None].index_select(2, block.asking),
                torch.cat([held_keys, keys.index_select(1, block.seen)], dim=1)[None],
                torch.cat([held_values, values.index_select(1, block.seen)], dim=1)[None],
                attn_mask=F.pad(block.bias, (len(sitting.slots), 0)).to(queries),
                scale=self._backbone.scaling,
                enable_gqa=len(queries) != len(keys),
            )
            attended.append(out[0].transpose(0, 1).flatten(1))
        return torch.cat(attended)
