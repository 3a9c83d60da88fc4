"""Yes or no, from the probabilities of an answer's first token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sieve.errors import SettingInvalid

if TYPE_CHECKING:
    from sieve.backbone import Backbone

YES = ("yes", "Yes", "YES", " yes", " Yes")
NO = ("no", "No", "NO", " no", " No")


NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)


@dataclass(frozen=True, slots=True)
class Count:
    """The likeliest number. ``share``: its probability where only numbers are possible;
    ``answered``: how much of the next token's probability is on numbers."""

    number: int
    share: float
    answered: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """``yes``: the probability of yes where only yes and no are possible. ``answered``: how much of
    the next token's probability is on either; little where the question is none of yes or no."""

    yes: float
    answered: float
    count: Count | None = None  # the same token read as a number, where numbers have tokens


class Numbers:
    """The numbers that this tokenizer writes as one token, in digits or in words. Where it writes
    digit by digit, ten and more are no such, and what begins with a digit may be one of them."""

    def __init__(self, backbone: Backbone) -> None:
        spelled = {n: (str(n), f" {n}", word, word.capitalize()) for n, word in enumerate(NUMBERS)}
        found = {n: _whole_ids(backbone, words) for n, words in spelled.items()}
        self._ids = {
            n: torch.tensor(sorted(ids), device=backbone.device) for n, ids in found.items() if ids
        }

    def counts(self, logits: Tensor) -> list[Count | None]:
        """Of next-token logits [q, vocabulary]."""
        if not self._ids:
            return [None] * len(logits)
        mass = torch.stack([logits[:, ids].logsumexp(-1) for ids in self._ids.values()], dim=-1)
        answered = (mass.logsumexp(-1) - logits.logsumexp(-1)).exp().tolist()
        shares, best = mass.softmax(-1).max(-1)
        known = list(self._ids)
        return [
            Count(known[place], share, whole)
            for place, share, whole in zip(best.tolist(), shares.tolist(), answered, strict=True)
        ]


class YesNo:
    """The tokens with which a yes or a no begins, in any of its spellings; what both may begin with
    tells nothing. Raises SettingInvalid for a tokenizer that leaves none of them, NoTokenizer."""

    def __init__(self, backbone: Backbone) -> None:
        yes, no = (_first_ids(backbone, words) for words in (YES, NO))
        if not (yes - no and no - yes):
            raise SettingInvalid(
                "this model cannot judge: its tokenizer does not tell yes from no by a first token"
            )
        self._yes, self._no = (
            torch.tensor(sorted(ids), device=backbone.device) for ids in (yes - no, no - yes)
        )

    def verdicts(self, logits: Tensor) -> list[Verdict]:
        """Of next-token logits [q, vocabulary]."""
        whole = logits.logsumexp(dim=-1)
        yes, no = (logits[:, ids].logsumexp(dim=-1) for ids in (self._yes, self._no))
        shares = zip((yes - no).sigmoid().tolist(), _shares(yes, no, whole), strict=True)
        return [Verdict(share, answered) for share, answered in shares]


def _shares(yes: Tensor, no: Tensor, whole: Tensor) -> list[float]:
    shares: list[float] = (torch.logaddexp(yes, no) - whole).exp().tolist()
    return shares


def _whole_ids(backbone: Backbone, words: Iterable[str]) -> set[int]:
    return {ids[0] for ids in map(backbone.token_ids, words) if len(ids) == 1}


def _first_ids(backbone: Backbone, words: Iterable[str]) -> set[int]:
    return {backbone.token_ids(word)[0] for word in words}
