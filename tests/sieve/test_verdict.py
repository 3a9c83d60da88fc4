"""Yes and no among the first tokens of an answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sieve import Model
from sieve.errors import SettingInvalid
from sieve.verdict import Numbers, YesNo
from tests import tiny


class Spelling:
    """A backbone of which only the tokenizer is asked."""

    device = torch.device("cpu")

    def __init__(self, first: dict[str, int]) -> None:
        self._first = first

    def token_ids(self, text: str) -> list[int]:
        return [self._first.get(text, 99), 7]


def yes_no(first: dict[str, int]) -> YesNo:
    backbone: Any = Spelling(first)
    return YesNo(backbone)


def test_all_spellings_count_together() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    (verdict,) = yes_no({"yes": 0, " Yes": 1, "no": 2}).verdicts(logits)
    assert verdict.yes == pytest.approx(0.3 / 0.6)
    assert verdict.answered == pytest.approx(0.6)


def test_a_token_that_both_begin_with_tells_nothing() -> None:
    (verdict,) = yes_no({"yes": 0, " yes": 3, "no": 1, " no": 3}).verdicts(torch.zeros(1, 4))
    assert verdict.yes == pytest.approx(0.5)
    assert verdict.answered == pytest.approx(0.5)


def test_a_tokenizer_that_cannot_tell_them_apart_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="does not tell yes from no"):
        yes_no({})


def test_improbable_answers_give_a_share_and_no_error() -> None:
    logits = torch.tensor([[-500.0, -501.0, 500.0]])
    (verdict,) = yes_no({"yes": 0, "no": 1}).verdicts(logits)
    assert verdict.yes == pytest.approx(1 / (1 + 2.718281828**-1))
    assert verdict.answered == 0.0


def test_the_built_in_model_says_yes_in_one_token(demo_model: Model) -> None:
    assert len(demo_model.backbone.token_ids("yes")) == 1
    assert len(demo_model.backbone.token_ids("no")) == 1


def test_a_tokenizer_of_bytes_tells_y_from_n(stream_model: Model) -> None:
    logits = torch.zeros(1, len(tiny.SPECIAL) + 256)
    logits[0, stream_model.backbone.token_ids("y")] = 9.0
    assert YesNo(stream_model.backbone).verdicts(logits)[0].yes > 0.9


class Digits(Spelling):
    """Writes what it knows as one token, everything else as two."""

    def token_ids(self, text: str) -> list[int]:
        return [self._first[text]] if text in self._first else [0, 0]


def test_the_likeliest_number_is_read_in_any_of_its_spellings() -> None:
    backbone: Any = Digits({"2": 1, "two": 2, "3": 3})
    (count,) = Numbers(backbone).counts(torch.tensor([[0.2, 0.2, 0.3, 0.3]]).log())
    assert count is not None
    assert (count.number, count.share) == (2, pytest.approx(0.5 / 0.8))
    assert count.answered == pytest.approx(0.8)


def test_a_tokenizer_without_numbers_counts_nothing() -> None:
    backbone: Any = Digits({})
    assert Numbers(backbone).counts(torch.zeros(2, 4)) == [None, None]


def test_the_built_in_model_writes_small_numbers_in_one_token(demo_model: Model) -> None:
    for number in range(10):
        assert len(demo_model.backbone.token_ids(str(number))) == 1
