"""Decoding: text as it grows, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from sieve.branch import Branch
from sieve.tokens import Step
from tests import tiny

TOKENIZER = tiny.tokenizer()
STOP = tiny.SPECIAL.index("<|im_end|>")


class Scripted:
    """A backbone that says given tokens, whatever it reads."""

    tokenizer = TOKENIZER

    def __init__(self, tokens: Sequence[int]) -> None:
        self.script = list(tokens)
        self.read_positions: list[list[int]] = []

    def embed(self, ids: Sequence[int]) -> Tensor:
        return torch.tensor(ids).float()[:, None]

    def read(self, embeds: Tensor, positions: Tensor, cache: Any, mask: Any) -> Tensor:
        self.read_positions.append(positions[0].tolist())
        return embeds

    def logits(self, hidden: Tensor) -> Tensor:
        out = torch.zeros(1, len(tiny.SPECIAL) + 256)
        out[0, self.script.pop(0)] = 1.0
        return out


class NoCache:
    def mask(self, count: int) -> None:
        return None


def answer(tokens: Sequence[int], max_tokens: int = 1000) -> list[Step]:
    """All steps of a branch that would say ``tokens``."""
    backbone: Any = Scripted(tokens)
    cache: Any = NoCache()
    branch = Branch(3, 0, backbone, cache, frozenset([STOP]), max_tokens)
    branch.prefill(torch.zeros(4, 1), torch.arange(10, 14).expand(3, 4))
    steps = [branch.step()]
    while not steps[-1].done:
        steps.append(branch.step())
    return steps


def ids_of(text: str) -> list[int]:
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False)
    return ids


def decoded(ids: Sequence[int]) -> str:
    return str(TOKENIZER.decode(list(ids), skip_special_tokens=True))


@given(text=st.text(st.characters(exclude_characters="<", codec="utf-8"), max_size=30))
@example(text="häh → 日本 🎉")
@example(text="a , b ! n't")
@example(text="\ufffd and \ufffd")
def test_the_pieces_of_an_answer_join_to_its_text_and_no_character_is_cut(text: str) -> None:
    steps = answer([*ids_of(text), STOP])
    assert "".join(step.text for step in steps) == text
    if "\ufffd" not in text:
        assert not [step.text for step in steps if "\ufffd" in step.text]


@given(tokens=st.lists(st.integers(len(tiny.SPECIAL), len(tiny.SPECIAL) + 255), max_size=30))
def test_even_bytes_that_are_no_text_join_to_what_the_tokenizer_says(tokens: list[int]) -> None:
    steps = answer([*tokens, STOP])
    assert "".join(step.text for step in steps) == decoded(tokens)


def test_a_character_of_three_tokens_comes_with_its_last() -> None:
    assert [step.text for step in answer([*ids_of("日x"), STOP])] == ["", "", "日", "x", ""]


def test_a_character_left_incomplete_is_shown_as_such_at_the_end() -> None:
    steps = answer([*ids_of("a日")[:-1], STOP])
    assert [step.text for step in steps] == ["a", "", "", "\ufffd"]


def test_the_stop_token_ends_an_answer_and_is_not_text() -> None:
    steps = answer([*ids_of("ok"), STOP])
    assert [(step.text, step.done, step.reason) for step in steps] == [
        ("o", False, None),
        ("k", False, None),
        ("", True, "stop"),
    ]
    assert steps[-1].token == STOP
    assert {step.branch for step in steps} == {3}


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_an_answer_has_no_more_tokens_than_allowed(limit: int) -> None:
    steps = answer(ids_of("too long"), max_tokens=limit)
    assert len(steps) == limit
    assert "".join(step.text for step in steps) == "too long"[:limit]
    assert (steps[-1].done, steps[-1].reason) == (True, "length")


def test_a_stop_at_the_limit_is_a_stop() -> None:
    assert answer([*ids_of("a"), STOP], max_tokens=2)[-1].reason == "stop"


def test_the_first_token_needs_no_forward_and_the_others_follow_the_question() -> None:
    backbone: Any = Scripted(ids_of("abc"))
    cache: Any = NoCache()
    branch = Branch(0, 0, backbone, cache, frozenset(), 3)
    branch.prefill(torch.zeros(4, 1), torch.arange(10, 14).expand(3, 4))
    branch.step()
    assert backbone.read_positions == [[10, 11, 12, 13]]
    branch.step()
    branch.step()
    assert backbone.read_positions[1:] == [[14], [15]]


def test_special_tokens_that_do_not_stop_are_no_text() -> None:
    inside = tiny.SPECIAL.index("<|im_start|>")
    steps = answer([*ids_of("a"), inside, *ids_of("b"), STOP])
    assert "".join(step.text for step in steps) == "ab"
