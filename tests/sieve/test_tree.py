"""Sequences that begin alike, as a tree."""

from __future__ import annotations

from itertools import chain

import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve.tree import Tree, blocks_of, tree_of

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=8)


def told(tree: Tree) -> list[list[int]]:
    """The sequences again: what the end of each attends to, in order."""
    return [tree.token[tree.sees[end]].tolist() for end in tree.ends]


@given(sequences=SEQUENCES)
def test_each_end_sees_its_own_sequence_and_nothing_else(sequences: list[list[int]]) -> None:
    assert told(tree_of(sequences)) == sequences


@given(sequences=SEQUENCES)
def test_there_is_one_node_for_each_beginning(sequences: list[list[int]]) -> None:
    beginnings = {tuple(s[: i + 1]) for s in sequences for i in range(len(s))}
    assert len(tree_of(sequences)) == len(beginnings)


@given(sequences=SEQUENCES)
def test_depth_is_the_number_of_ancestors(sequences: list[list[int]]) -> None:
    tree = tree_of(sequences)
    assert (tree.sees.sum(dim=1) - 1).tolist() == tree.depth.tolist()


@given(sequences=SEQUENCES)
def test_apart_the_nodes_are_the_sequences_one_after_the_other(sequences: list[list[int]]) -> None:
    tree = tree_of(sequences, apart=True)
    assert tree.token.tolist() == list(chain.from_iterable(sequences))
    assert told(tree) == sequences


@given(sequences=SEQUENCES, size=st.integers(1, 9))
def test_blocks_together_let_each_node_see_what_the_tree_does(
    sequences: list[list[int]], size: int
) -> None:
    tree = tree_of(sequences)
    again = torch.zeros_like(tree.sees)
    for block in blocks_of(tree, torch.arange(len(tree)), size):
        assert len(block.asking) <= size
        again[block.asking[:, None], block.seen] = block.bias == 0
    assert torch.equal(again, tree.sees)


def test_a_block_holds_no_node_that_none_of_it_sees() -> None:
    tree = tree_of([[1, 2, 3], [4, 5, 6]])
    first, second = blocks_of(tree, torch.arange(6), 3)
    assert (first.seen.tolist(), second.seen.tolist()) == ([0, 1, 2], [3, 4, 5])
