"""Exchanges near the threshold, for all crops of a batch at once: the study's arm in our form of
AVEX-Prune (``sieve.train.backbone.exchange`` states it, and its limits).

One token of one window leaves in every crop, one of those dropped enters in its place; what that
does to the log-likelihood of all the crop's answers is the reward. The labels' loss holds the
scores where they were, so there is no divergence from a warm scorer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.train.demo.batch import Batch
from sieve.train.demo.forward import Outcome, answer
from sieve.train.demo.sieving import Sieved, Sieving
from sieve.train.demo.tiny import TinyModel
from sieve.train.estimators import advantages

EXCHANGE = "exchange"  # the estimator's name
EXCHANGES = 2  # of every crop, each another forward: one within a modality, one across
MARGIN = 3  # so near to the threshold are the tokens that change places


@dataclass(frozen=True, slots=True)
class Swap:
    """In ``window`` [B] of its crop the token ``leaving`` [B] makes room for ``entering`` [B]
    (indices into the window's pool); ``possible`` bool [B]: whether there is such a pair."""

    window: Tensor
    leaving: Tensor
    entering: Tensor
    possible: Tensor


def exchange_loss(
    model: TinyModel, batch: Batch, outcome: Outcome, how: Sieving, generator: torch.Generator
) -> Tensor:
    """-mean A (log sigma(s_in) - log sigma(s_out)); 0 where nothing can be exchanged."""
    sieved = outcome.sieved
    assert sieved.scores is not None
    before = loglikelihood(outcome, len(batch.starts)).detach()
    swaps, rewards = [], []
    for i in range(EXCHANGES):
        swap = draw_swap(batch, sieved, generator, across=i % 2 == 1)
        with torch.no_grad():
            after = answer(model, batch, swapped(sieved, swap), how)
        swaps.append(swap)
        rewards.append((loglikelihood(after, len(before)) - before) * swap.possible)
    found = torch.stack(rewards)  # [E, B]
    gains = found.new_tensor(advantages(found.flatten().tolist())).view_as(found)
    pulls = torch.stack([_pull(sieved.scores, swap) for swap in swaps])
    return -(gains * pulls).sum() / max(1, sum(int(swap.possible.sum()) for swap in swaps))


def loglikelihood(outcome: Outcome, crops: int) -> Tensor:
    """[B]: log P of all answers of a crop that its memory could give."""
    logs = -F.cross_entropy(outcome.answers, outcome.targets, reduction="none") * outcome.weights
    return logs.new_zeros(crops).index_add(0, outcome.rows, logs)


def draw_swap(batch: Batch, sieved: Sieved, generator: torch.Generator, *, across: bool) -> Swap:
    """One pair of every crop, near the threshold of one of its windows; ``across`` modalities, or
    within the one of the token that leaves."""
    assert sieved.scores is not None
    count, windows, size = sieved.scores.shape
    device = sieved.scores.device
    window = torch.randint(windows, (count,), generator=generator).to(device)
    crop = torch.arange(count, device=device)
    scores = sieved.scores.detach()[crop, window]  # [B, T]
    kept = _marks(sieved.kept[crop, window], sieved.used[crop, window], size)
    dropped = batch.valid[crop, window] & ~kept
    leaving, some = _near(-scores, kept, generator)
    is_video = torch.arange(size, device=device) < batch.video
    same = is_video == (leaving < batch.video)[:, None]
    entering, others = _near(scores, dropped & (same != across), generator)
    return Swap(window, leaving, entering, some & others)


def _marks(kept: Tensor, used: Tensor, size: int) -> Tensor:
    """bool [B, T] of indices [B, K]."""
    marks = torch.zeros(len(kept), size, dtype=torch.long, device=kept.device)
    return marks.scatter_add_(1, kept, used.long()) > 0


def _near(worth: Tensor, able: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One [B] of the ``MARGIN`` of most worth among those able [B, T], and whether one is."""
    best = worth.masked_fill(~able, -torch.inf).topk(min(MARGIN, worth.shape[1]), -1).indices
    there = able.gather(1, best)
    drawn = torch.rand(best.shape, generator=generator).to(best.device).masked_fill(~there, -1.0)
    return best.gather(1, drawn.argmax(1, keepdim=True))[:, 0], there.any(1)


def swapped(sieved: Sieved, swap: Swap) -> Sieved:
    """What is kept after the exchange, in the order of time."""
    crop = torch.arange(len(swap.window), device=swap.window.device)[swap.possible]
    window = swap.window[swap.possible]
    size = sieved.pool.shape[2]
    kept, used = sieved.kept[crop, window], sieved.used[crop, window]
    goes = used & (kept == swap.leaving[swap.possible, None])
    places = torch.where(goes, swap.entering[swap.possible, None], kept)
    in_time = places.masked_fill(~used, size).sort(-1).values
    everywhere, there = sieved.kept.clone(), sieved.used.clone()
    everywhere[crop, window] = in_time.clamp(max=size - 1)
    there[crop, window] = in_time < size
    width = sieved.pool.shape[-1]
    states = sieved.pool.gather(2, everywhere[..., None].expand(-1, -1, -1, width))
    return replace(sieved, states=states, kept=everywhere, used=there)


def _pull(scores: Tensor, swap: Swap) -> Tensor:
    """[B]: log sigma(s_in) - log sigma(s_out), what the advantage multiplies."""
    crop = torch.arange(len(swap.window), device=scores.device)
    of = scores[crop, swap.window]
    entering, leaving = (of.gather(1, at[:, None])[:, 0] for at in (swap.entering, swap.leaving))
    return (F.logsigmoid(entering) - F.logsigmoid(leaving)) * swap.possible
