"""CS2 with one thing taken away, on the weights as they are (EchoingPixels, section 4.3).

What a switched-off part costs a model that was trained with it is not what a model trained without
it would lose: arms that were trained apart say that (``arms.trained``). Both are reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from sieve.cs2 import CS2, top_k
from sieve.pool import Pool
from sieve.select import Selection, Selector, Text
from sieve.tokens import TEXT

Sees = Callable[[Tensor, Tensor], Tensor]
"""Kinds [L] and times [..., L] of text and pool -> bool [..., L, L], who sees whom in the refiner.
Arms that are trained so (``sieve.train.demo.sieving``) take the same."""


def everything(kinds: Tensor, times: Tensor) -> Tensor:
    """The paper's: bidirectional and joint."""
    return torch.ones(len(kinds), len(kinds), dtype=torch.bool, device=kinds.device)


def the_past(kinds: Tensor, times: Tensor) -> Tensor:
    """Causal: nothing that comes later."""
    return times[..., None, :] <= times[..., :, None]


def own_modality(kinds: Tensor, times: Tensor) -> Tensor:
    """Intra-modal: pictures see pictures, sound sees sound; text sees and is seen by all."""
    return (kinds[None, :] == kinds[:, None]) | (kinds[None, :] == TEXT) | (kinds[:, None] == TEXT)


class Masked:
    """CS2 whose tokens see only what ``sees`` lets them."""

    def __init__(self, cs2: CS2, sees: Sees) -> None:
        self._cs2, self._sees = cs2, sees

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        parts = [before, *([after] if after is not None else [])]
        embeds = torch.cat([*(part.embeds for part in parts), pool.embeds])
        positions = torch.cat([*(part.positions for part in parts), pool.positions], dim=1)
        text = len(embeds) - len(pool)
        kinds = torch.cat([torch.full((text,), TEXT, dtype=torch.uint8), pool.modality])
        mask = self._sees(kinds, positions[0])[None, None].to(embeds.device)
        states, scores = self._cs2(embeds[None], positions[:, None].to(embeds.device), mask)
        keep = top_k(scores[0, text:], count)
        asked = None if after is None else states[0, len(before) : text]
        return Selection(keep, states[0, text:][keep], scores[0, text:], asked)


class WithoutText:
    """No text is read with the pool: neither instruction nor question."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        nothing = Text(before.embeds[:0], before.positions[:, :0])
        chosen = self._selector.select(pool, count, nothing, None)
        return replace(chosen, after=None if after is None else after.embeds)


class WithoutQuestion:
    """The instruction is read with the pool, the question is not: chosen before it is known."""

    def __init__(self, selector: Selector) -> None:
        self._selector = selector

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        chosen = self._selector.select(pool, count, before, None)
        return replace(chosen, after=None if after is None else after.embeds)
