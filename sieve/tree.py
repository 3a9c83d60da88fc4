"""Sequences of tokens that begin alike, with every shared beginning once.

Questions of one session stand at the same place in time, so a token that has the same tokens before
it has the same keys and values: what questions begin with alike is read once. Attention is that of
a tree: a token sees its ancestors and itself (SpecInfer, arXiv:2305.09781, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tree:
    """n nodes, a parent before its children.

    ``token`` [n]: its id; ``depth`` [n]: its place in a sequence; ``sees`` bool [n, n]: which nodes
    it attends to; ``ends`` [q]: the last node of each sequence.
    """

    token: Tensor
    depth: Tensor
    sees: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return len(self.token)

    def to(self, device: torch.device) -> Tree:
        parts = (self.token, self.depth, self.sees, self.ends)
        return Tree(*(part.to(device) for part in parts))


@dataclass(frozen=True, slots=True)
class Block:
    """Nodes that attend together. ``asking`` [m]; ``seen`` [k]: what any of them attends to;
    ``bias`` float32 [m, k]: 0 where it does, else minus infinity."""

    asking: Tensor
    seen: Tensor
    bias: Tensor


def blocks_of(tree: Tree, asking: Tensor, size: int) -> tuple[Block, ...]:
    """The nodes ``asking`` in blocks of ``size``. Neighbours share most of what they see, so that
    a block's product holds little that is masked."""
    return tuple(_block(tree, part) for part in asking.split(size))


def _block(tree: Tree, asking: Tensor) -> Block:
    seen = tree.sees[asking].any(dim=0).nonzero()[:, 0]
    sees = tree.sees[asking][:, seen]
    bias = torch.zeros(sees.shape, device=sees.device).masked_fill(~sees, float("-inf"))
    return Block(asking, seen, bias)


def tree_of(sequences: Sequence[Sequence[int]], *, apart: bool = False) -> Tree:
    """The tree of ``sequences``, none of them empty; ``apart`` shares nothing between them, so that
    the nodes are those of one sequence after the other."""
    nodes: dict[tuple[int, int, int], int] = {}  # (sequence if apart, parent, token) -> node
    tokens: list[int] = []
    paths: list[list[int]] = []
    ends: list[int] = []
    for number, sequence in enumerate(sequences):
        path: list[int] = []
        for token in sequence:
            key = (number if apart else -1, path[-1] if path else -1, token)
            if key not in nodes:
                nodes[key] = len(tokens)
                tokens.append(token)
                paths.append([*path, nodes[key]])
            path = paths[nodes[key]]
        ends.append(path[-1])
    sees = torch.zeros(len(paths), len(paths), dtype=torch.bool)
    for node, path in enumerate(paths):
        sees[node, path] = True
    depths = [len(path) - 1 for path in paths]
    return Tree(torch.tensor(tokens), torch.tensor(depths), sees, torch.tensor(ends))
