"""Dropping tokens inside the LLM: a forward, one layer at a time, that is thinned out on the way.

This is the form in which FastV, PyramidDrop, FastAV and SEATS were published: the whole clip and
the question are there, tokens are dropped after some layers, later layers hold no keys and values
of them. A budget is the share of the audio-visual tokens that a layer reads, averaged over layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Protocol

import torch
from torch import Tensor

from sieve.backbone import Backbone, KeyValues
from sieve.cs2 import kept_count, top_k
from sieve.errors import BudgetUnreachable
from sieve.pool import Pool

_LEAST = 1e-9  # attention; its log stays finite
_STAGE = 50.0  # what lies between the scores of tokens dropped one stage apart


class Reading:
    """A causal forward over one sequence: ``hidden`` [m, d] of the tokens ``at`` [m] (indices into
    the sequence) that are still read, about to enter ``layer``; ``pool`` bool [m] says which are
    audio-visual. ``scores`` float32 [n] tells of every token how it fared: the log of what it was
    ranked by last, 1 an even share, and for each drop it was not there for, 50 less."""

    def __init__(
        self,
        backbone: Backbone,
        embeds: Tensor,
        positions: Tensor,
        pool: Tensor,
        cache: KeyValues | None = None,
    ) -> None:
        self.hidden, self.pool, self.layer = embeds, pool.to(embeds.device), 0
        self.at = torch.arange(len(embeds), device=embeds.device)
        self.scores = torch.zeros(len(embeds), device=embeds.device)
        self._backbone, self._cache = backbone, cache
        self._positions = positions.to(embeds.device)
        self._inputs: dict[int, Tensor] = {}  # of layers that read what is read now

    @property
    def first_layer(self) -> int:
        """The first layer that has read exactly the tokens of now."""
        return min(self._inputs, default=self.layer)

    def step(self) -> None:
        """Read one layer."""
        self._inputs[self.layer] = self.hidden
        where = self._positions[:, self.at]
        self.hidden = self._backbone.read_layer(self.layer, self.hidden, where, self._cache)
        self.layer += 1

    def attention(self, layer: int, queries: Tensor | None = None) -> Tensor:
        """Weights [q, m] of ``queries`` [q] (places among the tokens read; the last token if None),
        mean over heads, in a layer from ``first_layer`` on or in the one to come."""
        hidden = self.hidden if layer == self.layer else self._inputs[layer]
        last = torch.tensor([len(hidden) - 1], device=hidden.device)
        where = self._positions[:, self.at]
        return self._backbone.attention(layer, hidden, where, last if queries is None else queries)

    def keep(self, weights: Tensor, count: int) -> None:
        """Drop all audio-visual tokens but the ``count`` of most weight [m]; text stays."""
        places = self.pool.nonzero()[:, 0]
        ranked = weights[places].float()
        even = ranked * len(places) / ranked.sum().clamp(min=_LEAST)
        self.scores -= _STAGE
        self.scores[self.at[places]] = even.clamp(min=_LEAST).log()
        staying = ~self.pool
        staying[places[top_k(ranked, count)]] = True
        self.hidden, self.at, self.pool = self.hidden[staying], self.at[staying], self.pool[staying]
        self._inputs.clear()

    def finish(self) -> Tensor:
        """Hidden states [m, d] after the last layer, ready for ``Backbone.logits``."""
        return self._backbone.finish(self.hidden)


class Pruner(Protocol):
    """A method that drops tokens inside the LLM."""

    def family(self, layers: int, retention: float, x: float) -> tuple[float, ...]:
        """For each layer the share of the tokens that it reads; grows with ``x`` in [0, 1]."""
        ...

    def live(self, layers: int, share: float) -> tuple[float, ...]:
        """The same up to the layer before which ``share`` of them is left, the last entry."""
        ...

    def rank(self, reading: Reading) -> Tensor:
        """What the tokens still read are worth [m], all at least 0."""
        ...

    def enter(self, pool: Pool, share: float) -> Tensor:
        """Indices, ascending, of the tokens that the LLM reads at all, where ``share`` of them is
        the budget; by default everything."""
        return torch.arange(len(pool), device=pool.embeds.device)


def shares(pruner: Pruner, layers: int, retention: float) -> tuple[float, ...]:
    """For each layer the share of the tokens to read, on average ``retention`` (less where even
    the method's fullest schedule reads less). Raises BudgetUnreachable below the method's floor."""
    least = floor(pruner, layers, retention)
    if retention <= least:
        raise BudgetUnreachable(
            f"{type(pruner).__name__} reads at least {least:.1%} of the tokens in the average of "
            f"{layers} layers: {retention:.1%} is below its floor"
        )
    return pruner.family(layers, retention, _solve(_mean_of(pruner, layers, retention), retention))


def floor(pruner: Pruner, layers: int, retention: float) -> float:
    """The layer average that the method cannot go below."""
    return _mean_of(pruner, layers, retention)(0.0)


def _mean_of(pruner: Pruner, layers: int, retention: float) -> Callable[[float], float]:
    return lambda x: fmean(pruner.family(layers, retention, x))


def _solve(mean: Callable[[float], float], wanted: float) -> float:
    """The x in [0, 1] at which a growing function is ``wanted``; 1 where it is nowhere."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < wanted else (low, middle)
    return high


def counts_of(shares: Sequence[float], total: int) -> list[int]:
    """Tokens to read in each layer: none for a share of 0, else at least one."""
    return [kept_count(share, total) if share > 0.0 else 0 for share in shares]


def read_pruned(reading: Reading, pruner: Pruner, counts: Sequence[int]) -> Reading:
    """Go through as many layers as there are ``counts``, each reading at most so many."""
    for count in counts:
        thin(reading, pruner, count)
        reading.step()
    return reading


def thin(reading: Reading, pruner: Pruner, count: int) -> None:
    """Let the method drop what is above ``count``, if anything is."""
    if count < int(reading.pool.sum()):
        reading.keep(pruner.rank(reading), count)
