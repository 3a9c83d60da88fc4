"""Which tokens of a pool are kept, and in which state they enter the LLM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sieve.cs2 import CS2, top_k
from sieve.policy import Policy
from sieve.pool import Pool


@dataclass(frozen=True, slots=True)
class Text:
    """Text beside a pool: embeddings [n, d] and positions [3, n]. The last ``markers`` of it are
    those that open the stream."""

    embeds: Tensor
    positions: Tensor
    markers: int = 0

    def __len__(self) -> int:
        return len(self.embeds)


@dataclass(frozen=True, slots=True)
class Selection:
    """``keep`` [k] ascending indices into the pool, ``states`` [k, d] what the LLM reads of them,
    ``scores`` [n] float32 (comparable across windows), ``after`` the refined trailing text."""

    keep: Tensor
    states: Tensor
    scores: Tensor
    after: Tensor | None = None


class Selector(Protocol):
    """Chooses ``count`` tokens of a pool, having read the text before it and, for a second look,
    the question after it. Pure: nothing is remembered between calls."""

    def select(
        self, pool: Pool, count: int, before: Text, after: Text | None = None
    ) -> Selection: ...


@dataclass(frozen=True, slots=True)
class Method:
    """A way of keeping tokens: which of a window enter the memory and, where it is a matter of the
    method, which leave it (``policy`` None: the engine's own). ``attention``: whether the selector
    reads ``Pool.received``, for which the towers do more work."""

    name: str
    selector: Selector
    policy: Policy | None = None
    attention: bool = False


class CS2Selector:
    """The sieve: refine jointly, score, keep the top k in their refined states."""

    def __init__(self, cs2: CS2) -> None:
        self._cs2 = cs2

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        around = [before.embeds, pool.embeds] + ([after.embeds] if after else [])
        where = [before.positions, pool.positions] + ([after.positions] if after else [])
        positions = torch.cat(where, dim=1)[:, None].to(pool.embeds.device)
        states, scores = self._cs2(torch.cat(around)[None], positions)
        first, end = len(before), len(before) + len(pool)
        keep = top_k(scores[0, first:end], count)
        return Selection(
            keep=keep,
            states=states[0, first:end][keep],
            scores=scores[0, first:end],
            after=states[0, end:] if after else None,
        )
