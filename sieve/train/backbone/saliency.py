"""Which of a clip's tokens an answer rests on: what the scores of a new sieve begin from.

Two measures, each a share of the whole clip's for every token:

* ``Sensitivity``: how much the answer's log-likelihood changes when a token is dimmed a little,
  |d log P(answer) / d gate|, the gate a factor of its state (input times gradient). It needs the
  memory of a backward pass over all tokens.
* ``Attention``: what a token gets from the answer's places, over all heads and layers. It costs a
  forward only; in the built-in model it says nothing of what matters (docs/LOG.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from sieve.backbone import ATTENTION, Backbone, grouped_attention
from sieve.model import Model
from sieve.select import Selection
from sieve.train.backbone.viewing import Viewing
from sieve.train.backbone.window_loss import Asked, Memory, answer_logits, answer_loss, remember

_OBSERVED = "echosieve-observed"
_SMALLEST = 1e-12


class Saliency(Protocol):
    """Of one clip with all tokens; ``memory`` is what was read of its closed windows."""

    memory: Memory

    def of(self, asked: Asked, answer: Sequence[int]) -> Tensor:
        """float32 [n], sums to 1: the share of every token of the clip in an answer."""
        ...


class Sensitivity:
    def __init__(self, model: Model, viewing: Viewing, wholes: Sequence[Selection]) -> None:
        self._model, self._viewing = model, viewing
        self._gates = [torch.ones_like(w.scores).requires_grad_() for w in wholes]
        dimmed = [_dimmed(whole, gate) for whole, gate in zip(wholes, self._gates, strict=True)]
        with torch.enable_grad():
            self.memory = remember(model, viewing, dimmed)

    def of(self, asked: Asked, answer: Sequence[int]) -> Tensor:
        gates = list(self._gates)
        with torch.enable_grad():
            if asked.look is not None:
                gates.append(torch.ones_like(asked.look.scores).requires_grad_())
                asked = replace(asked, look=_dimmed(asked.look, gates[-1]))
            logits = answer_logits(self._model, self._viewing, self.memory, asked, answer)
            loss = answer_loss(logits, answer)
        slopes = torch.autograd.grad(loss, gates, retain_graph=True, materialize_grads=True)
        return _shares(torch.cat(slopes).abs())


@torch.enable_grad()
def _dimmed(whole: Selection, gate: Tensor) -> Selection:
    return replace(whole, states=whole.states * gate[whole.keep, None].to(whole.states.dtype))


class Attention:
    def __init__(self, model: Model, viewing: Viewing, wholes: Sequence[Selection]) -> None:
        self._model, self._viewing = model, viewing
        self.memory = remember(model, viewing, wholes)

    def of(self, asked: Asked, answer: Sequence[int]) -> Tensor:
        with observed(self._model.backbone, len(answer)) as mass:
            answer_logits(self._model, self._viewing, self.memory, asked, answer)
        assert mass.received is not None
        return _shares(_on_tokens(self._viewing, self.memory, mass.received.cpu()))


SALIENCY: dict[str, type[Sensitivity] | type[Attention]] = {
    "sensitivity": Sensitivity,
    "attention": Attention,
}


def _shares(amounts: Tensor) -> Tensor:
    amounts = amounts.detach().float().cpu()
    return amounts / amounts.sum().clamp(min=_SMALLEST)


def _on_tokens(viewing: Viewing, memory: Memory, received: Tensor) -> Tensor:
    """Attention [keys] of memory, open window and text -> of the clip's tokens [n]."""
    of_clip = torch.zeros(viewing.tokens)
    columns = memory.columns
    media = columns >= 0
    of_clip[columns[media]] = received[: len(columns)][media]
    if viewing.window_open is not None:
        last = len(viewing.window_open)
        of_clip[viewing.tokens - last :] = received[len(columns) : len(columns) + last]
    return of_clip


class Mass:
    """Attention that keys received from the last ``queries`` queries of each forward, summed over
    heads, layers and queries: ``received`` [keys]."""

    def __init__(self, queries: int) -> None:
        self._queries = queries
        self.received: Tensor | None = None

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        **more: Any,
    ) -> tuple[Tensor, None]:
        """As ``grouped_attention``, [B, H, L, D] with B = 1."""
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        asking = query[:, :, -self._queries :].float()
        heads = query.shape[1] // key.shape[1]
        weights = asking @ key.float().repeat_interleave(heads, 1).transpose(2, 3) * scale
        if attention_mask is not None:
            weights = weights.masked_fill(~attention_mask[:, :, -self._queries :], -torch.inf)
        received = weights.softmax(-1).sum((0, 1, 2)).detach()
        self.received = received if self.received is None else self.received + received
        return grouped_attention(module, query, key, value, attention_mask, scaling, **more)


@contextmanager
def observed(backbone: Backbone, queries: int) -> Iterator[Mass]:
    """Within, the decoder's attention is summed up; one forward with a mask is expected."""
    config = backbone.thinker.model.language_model.config
    mass = Mass(queries)
    AttentionInterface.register(_OBSERVED, mass.attend)
    config._attn_implementation = _OBSERVED
    try:
        yield mass
    finally:
        config._attn_implementation = ATTENTION
