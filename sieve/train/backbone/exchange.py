"""Exchange-aware fine-tuning of the scorer: AVEX-Prune, in our form of it.

AVEX-Prune (arXiv 2606.10533) is reinforcement learning for dynamic audio-visual pruning in
captioning: retained tokens of low confidence are swapped with candidates of high confidence, of the
same or of the other modality, and the difference this makes to the generated caption is the signal.
We know it from its abstract; the form of its policy, its reward, its loss and its stages are not
known to us. What follows is ours:

* the scorer has been warmed up with a straight-through estimator; S are the tokens it keeps;
* R- are the m lowest of a window's retained tokens, C+ the m highest of its dropped ones; equal
  numbers are exchanged between them, half of the exchanges within a modality, half across;
* the reward is r_e = log P(y | S_e) - log P(y | S) of an answer y that is known (a label, or what
  the model said with all tokens), not a metric of a caption that is generated anew;
* the loss is -mean_e A_e [sum log sigma(s_in) - sum log sigma(s_out)] + beta KL(warm || now), the
  KL between the two scorers' Bernoulli choices of every token. A_e is r_e divided by the root mean
  square of the sample's rewards: r_e is a difference to S already and keeps its sign.

Limits: it moves tokens near the threshold only; the refiner learns through its scores, not through
its states; exchanges stay within a window; differences of log P below bfloat16's noise are noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.select import Selection
from sieve.train.backbone.tuning import ExchangePlan


@dataclass(frozen=True, slots=True)
class Exchange:
    """In ``window`` the tokens ``leaving`` [e] make room for as many ``entering`` [e]."""

    window: int
    leaving: tuple[int, ...]
    entering: tuple[int, ...]


def draw_exchanges(
    chosen: Sequence[Selection],
    modalities: Sequence[Tensor],
    plan: ExchangePlan,
    rng: np.random.Generator,
) -> list[Exchange]:
    """Up to ``plan.exchanges`` near the thresholds of random windows; ``modalities`` are uint8 [n]
    of every pool. Where a window has nothing fitting to exchange, fewer."""
    drawn = []
    for i in range(plan.exchanges):
        window = int(rng.integers(len(chosen)))
        pairs = _pairs(chosen[window], modalities[window], plan, across=i % 2 == 1, rng=rng)
        if pairs:
            leaving, entering = zip(*pairs, strict=True)
            drawn.append(Exchange(window, leaving, entering))
    return drawn


def _pairs(
    selection: Selection,
    modality: Tensor,
    plan: ExchangePlan,
    *,
    across: bool,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Tokens that leave, each with one that enters in its place."""
    retained, dropped = _threshold(selection, plan.margin)
    pairs: list[tuple[int, int]] = []
    for leaving in rng.permutation(retained)[: int(rng.integers(1, plan.size + 1))]:
        taken = {entering for _, entering in pairs}
        able = [
            token
            for token in dropped
            if token not in taken and (modality[token] != modality[leaving]) == across
        ]
        if able:
            pairs.append((int(leaving), able[int(rng.integers(len(able)))]))
    return pairs


def _threshold(selection: Selection, margin: int) -> tuple[list[int], list[int]]:
    """R-: the lowest retained; C+: the highest dropped."""
    scores = selection.scores.detach().float().cpu()
    kept = torch.zeros(len(scores), dtype=torch.bool)
    kept[selection.keep.cpu()] = True
    order = scores.argsort(stable=True)
    retained = [int(i) for i in order if kept[i]][:margin]
    dropped = [int(i) for i in order.flip(0) if not kept[i]][:margin]
    return retained, dropped


def exchanged(
    chosen: Sequence[Selection], wholes: Sequence[Selection], exchange: Exchange
) -> list[Selection]:
    """S_e: what is kept after an exchange. ``wholes`` hold all tokens' states."""
    at = exchange.window
    kept = set(chosen[at].keep.tolist()) - set(exchange.leaving) | set(exchange.entering)
    keep = torch.tensor(sorted(kept), device=chosen[at].keep.device)
    other = replace(chosen[at], keep=keep, states=wholes[at].states[keep])
    return [*chosen[:at], other, *chosen[at + 1 :]]


def rewards(
    loglikelihood: Callable[[Sequence[Selection]], float],
    chosen: Sequence[Selection],
    wholes: Sequence[Selection],
    exchanges: Sequence[Exchange],
) -> list[float]:
    """log P(y | S_e) - log P(y | S) of every exchange."""
    as_it_is = loglikelihood(chosen)
    return [loglikelihood(exchanged(chosen, wholes, e)) - as_it_is for e in exchanges]


def exchange_loss(
    scores: Sequence[Tensor], exchanges: Sequence[Exchange], advantage: Sequence[float]
) -> Tensor:
    """The loss without its divergence; ``scores`` [n] of every window."""
    terms = [
        -gain
        * (
            F.logsigmoid(scores[e.window][list(e.entering)]).sum()
            - F.logsigmoid(scores[e.window][list(e.leaving)]).sum()
        )
        for e, gain in zip(exchanges, advantage, strict=True)
    ]
    return torch.stack(terms).mean() if terms else scores[0].sum() * 0.0


def divergence(warm: Tensor, now: Tensor) -> Tensor:
    """Mean KL between the choices that two scorers' scores [n] stand for, each token by itself."""
    keep = torch.sigmoid(warm)
    kept = F.logsigmoid(warm) - F.logsigmoid(now)
    dropped = F.logsigmoid(-warm) - F.logsigmoid(-now)
    return (keep * kept + (1 - keep) * dropped).mean()
