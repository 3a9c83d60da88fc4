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


@dataclass(frozen=True, slots=True)
class Verdict:
    """``yes``: the probability of yes where only yes and no are possible. ``answered``: how much of
    the next token's probability is on either; little where the question is none of yes or no."""

    yes: float
    answered: float


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


def _first_ids(backbone: Backbone, words: Iterable[str]) -> set[int]:
    return {backbone.token_ids(word)[0] for word in words}
