"""A question being answered: its private K/V, its text so far."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sieve.backbone import Backbone
from sieve.memory import BranchCache
from sieve.tokens import Step


class Branch:
    """Greedy decoding on a snapshot of the memory."""

    def __init__(
        self,
        index: int,
        row: int,
        backbone: Backbone,
        cache: BranchCache,
        stop_ids: frozenset[int],
        max_tokens: int,
    ) -> None:
        self.index, self.row = index, row
        self._backbone, self._cache = backbone, cache
        self._stop_ids, self._max_tokens = stop_ids, max_tokens
        self._tokens: list[int] = []
        self._text = ""

    def prefill(self, embeds: Tensor, positions: Tensor) -> None:
        """Read what the question adds to the snapshot: embeds [n, d], positions [3, n]."""
        mask = self._cache.mask(len(embeds))
        hidden = self._backbone.read(embeds, positions, self._cache, mask)
        self._next_id = int(positions.max()) + 1
        self._chosen: tuple[int, float] | None = self._best(hidden)

    def step(self) -> Step:
        """One more token. The first was chosen by the prefill already and costs nothing."""
        token, probability = self._advance() if self._chosen is None else self._chosen
        self._chosen = None
        self._tokens.append(token)
        if token in self._stop_ids:
            return Step(self.index, token, probability, self._flush(), True, "stop")
        if len(self._tokens) >= self._max_tokens:
            return Step(self.index, token, probability, self._flush(), True, "length")
        return Step(self.index, token, probability, self._grow(), False)

    def _advance(self) -> tuple[int, float]:
        where = torch.full((3, 1), self._next_id)
        self._next_id += 1
        last = self._backbone.embed(self._tokens[-1:])
        return self._best(self._backbone.read(last, where, self._cache, None))

    def _best(self, hidden: Tensor) -> tuple[int, float]:
        """The likeliest next token, and its probability."""
        logits = self._backbone.logits(hidden[-1:])[0]
        best = int(logits.argmax())
        return best, float((logits[best] - logits.logsumexp(0)).exp())

    def _decoded(self) -> str:
        tokenizer: Any = self._backbone.tokenizer
        said = [token for token in self._tokens if token not in self._stop_ids]
        return str(
            tokenizer.decode(
                said,
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,  # it would change text that was sent already
            )
        )

    def _grow(self) -> str:
        """The text the last token added; a character cut in two waits for its second half."""
        whole = self._decoded()
        if whole.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        return self._emit(whole)

    def _flush(self) -> str:
        return self._emit(self._decoded())

    def _emit(self, whole: str) -> str:
        new = whole[len(self._text) :]
        self._text = whole
        return new
