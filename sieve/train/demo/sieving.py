"""The sieve over a batch: CS2 reads every window by itself, and some of its tokens are kept.

What the paper takes away in its ablations is one field of ``Sieving`` each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.eval.ablations import Sees, everything, own_modality, the_past
from sieve.rope import prompt_positions
from sieve.tokens import AUDIO, TEXT, VIDEO
from sieve.train.demo.batch import Batch
from sieve.train.demo.decode import additive
from sieve.train.demo.packing import NO_TARGET
from sieve.train.demo.sifting import sift_windows
from sieve.train.demo.tiny import TinyModel
from sieve.train.estimators import ESTIMATORS, Estimator

Choice = Literal["labels", "scores", "random", "per-modality", "similarity"]
_PADDING = -1e4  # the score of what is no token
_SEES: dict[str, Sees] = {"joint": everything, "causal": the_past, "apart": own_modality}


@dataclass(frozen=True, slots=True)
class Sieving:
    """How tokens are kept. ``refined``: whether CS2 reads them; ``choice``: by labels (before the
    sieve has learned), by scores, at random, by scores with a fixed share for each modality, or
    what is least like the rest of its modality, in the place of scores; ``noise``: scale of the
    Gumbel noise by which the choice strays from the scores; the gradient does not know of it (the
    Gumbel estimator's own is another); ``estimator``: how the loss of the answers reaches the
    scores, by its name (one of ``ESTIMATORS``, or ``exchange``: then by a loss of its own,
    ``exchanging.py``); ``aware``: whether CS2 reads the question with an open window; ``room``:
    share of the kept tokens that the memory has room for, and ``slots`` how many it holds at most;
    ``method``: CS2, or OmniSIFT trained in
    its place.

    For ablations: ``attention`` of the refiner: over all, over what is no later, or within a
    modality (and the text); ``text``: what is computed with the text in sight; ``output``: the
    state in which kept tokens enter the decoder; ``positions``: their own, or numbered anew.
    """

    retention: float
    refined: bool = True
    choice: Choice = "scores"
    noise: float = 0.0
    estimator: str | None = None
    aware: bool = False
    room: float = 1.0
    slots: int = 490  # of the stream, in a memory of 512
    method: Literal["cs2", "omnisift"] = "cs2"
    attention: Literal["joint", "causal", "apart"] = "joint"
    text: Literal["both", "scores", "states", "none"] = "both"
    output: Literal["refined", "raw"] = "refined"
    positions: Literal["absolute", "compacted"] = "absolute"


@dataclass(frozen=True, slots=True)
class Sieved:
    """``states`` [B, n, K, d] and ``kept`` [B, n, K] indices of the kept tokens, ``used`` bool:
    which of the K places are; ``scores`` fp32 [B, n, T] or None; ``pool`` [B, n, T, d]: the states
    that all of them would enter the decoder with."""

    states: Tensor
    kept: Tensor
    used: Tensor
    scores: Tensor | None
    pool: Tensor


def sieve(model: TinyModel, batch: Batch, how: Sieving, generator: torch.Generator) -> Sieved:
    if how.method == "omnisift":
        return _sift(model, batch, how)
    states, scores = refine(model, batch, how)
    if how.choice == "similarity":
        scores = _unlikeness(batch)
    rated = None if scores is None else scores.masked_fill(~batch.valid, _PADDING)
    estimator = ESTIMATORS.get(how.estimator or "")
    if estimator is not None and rated is not None:
        rated = estimator.explore(rated, generator)
    kept, used = _choose(batch, rated, how, generator)
    read = batch.tokens if how.output == "raw" else states
    chosen = read.gather(2, kept[..., None].expand(-1, -1, -1, read.shape[-1]))
    if estimator is not None and rated is not None:
        chosen = chosen * _gate(rated, kept, used, estimator)[..., None]
    return Sieved(chosen, kept, used, scores, read)


def _sift(model: TinyModel, batch: Batch, how: Sieving) -> Sieved:
    """OmniSIFT keeps tokens as the towers made them."""
    gates, scores, keep = sift_windows(model.sifter, batch, how.retention)
    size = keep.shape[-1]
    places = torch.arange(size, device=keep.device).masked_fill(~keep, size).sort(-1).values
    places = places[..., : int(keep.sum(-1).max())]
    kept, used = places.clamp(max=size - 1), places < size
    chosen = batch.tokens.gather(2, kept[..., None].expand(-1, -1, -1, batch.tokens.shape[-1]))
    gate = gates.gather(2, kept).masked_fill(~used, 1.0)
    return Sieved(chosen * gate[..., None], kept, used, scores, batch.tokens)


def _gate(scores: Tensor, kept: Tensor, used: Tensor, estimator: Estimator) -> Tensor:
    """Factors [B, n, K]: 1 forward, and backward the way of the loss to the scores that chose."""
    keep = torch.zeros_like(scores).scatter_add_(2, kept, used.to(scores.dtype)) > 0
    return estimator.gate(scores, keep).gather(2, kept)


# -- CS2 --------------------------------------------------------------------------------------


def refine(model: TinyModel, batch: Batch, how: Sieving) -> tuple[Tensor, Tensor | None]:
    """Tokens [B, n, T, d] as they are, or as CS2 makes them of every window, and their scores."""
    if not how.refined:
        return batch.tokens, None
    states, scores = _read_windows(model, batch, how, sees_text=how.text != "none")
    if how.text in ("both", "none"):
        return states, scores
    without = _read_windows(model, batch, how, sees_text=False)
    return (without[0], scores) if how.text == "scores" else (states, without[1])


def _read_windows(
    model: TinyModel, batch: Batch, how: Sieving, *, sees_text: bool
) -> tuple[Tensor, Tensor]:
    count, windows, size, width = batch.tokens.shape
    prompt = model.embed(batch.prompt)
    length = len(prompt)
    tokens = batch.tokens.flatten(0, 1).to(prompt.dtype)
    embeds = torch.cat([prompt.expand(count * windows, -1, -1), tokens], 1)
    before = prompt_positions(0, length, batch.markers).to(batch.within.device)
    positions = torch.cat([before, batch.within], 1)[:, None]
    real = F.pad(batch.valid.flatten(0, 1), (length, 0), value=sees_text)
    if how.aware and sees_text:
        embeds, positions, real = _with_question(model, batch, embeds, positions, real)
    sees = real[:, None, None, :] & _reach(how.attention, positions[0], length, batch)
    sees = sees | torch.eye(embeds.shape[1], dtype=torch.bool, device=sees.device)
    states, scores = model.cs2(embeds, positions, additive(sees))
    pool = slice(length, length + size)
    shape = (count, windows, size)
    return states[:, pool].view(*shape, width), scores[:, pool].view(shape)


def _reach(attention: str, times: Tensor, prompt: int, batch: Batch) -> Tensor:
    """bool [1 or B n, 1, L, L] of ``times`` [1 or B n, L]: what the refiner's attention may reach
    at all."""
    length, size = times.shape[1], batch.tokens.shape[2]
    kinds = torch.full((length,), TEXT, dtype=torch.uint8, device=times.device)
    kinds[prompt : prompt + size] = AUDIO
    kinds[prompt : prompt + batch.video] = VIDEO
    return _SEES[attention](kinds, times).view(-1, 1, length, length)


def _with_question(
    model: TinyModel, batch: Batch, embeds: Tensor, positions: Tensor, real: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The (only) question behind every open window, as a second look has it."""
    windows, packed = batch.starts.shape[1], batch.packed
    last = torch.arange(windows, device=real.device) == windows - 1
    shown = _asked(batch)[:, None] & (last & (batch.closed < windows)[:, None])[..., None]
    text = model.embed(packed.ids[:, 0])[:, None].expand(-1, windows, -1, -1).flatten(0, 1)
    at = batch.text_start - batch.starts[:, -1:] + packed.offset[:, 0]  # [B, L] from its window
    at = at[:, None].expand(-1, windows, -1).flatten(0, 1)
    return (
        torch.cat([embeds, text.to(embeds.dtype)], 1),
        torch.cat([positions.expand(-1, len(embeds), -1), at.expand(3, -1, -1)], 2),
        torch.cat([real, shown.flatten(0, 1)], 1),
    )


def _asked(batch: Batch) -> Tensor:
    """bool [B, L]: the first conversation up to the token that predicts its answer's first."""
    target = batch.packed.target[:, 0]
    cue = (target != NO_TARGET).int().argmax(1, keepdim=True)
    places = torch.arange(target.shape[1], device=target.device)
    return batch.packed.real[:, 0] & (places <= cue)


# -- the choice -------------------------------------------------------------------------------


def _choose(
    batch: Batch, scores: Tensor | None, how: Sieving, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Indices [B, n, K] of the kept tokens in order, and which of the K places are used."""
    size = batch.valid.shape[2]
    counts = (how.retention * batch.valid.sum(-1, keepdim=True) - 1e-9).ceil().clamp(min=1)
    most = max(1, math.ceil(how.retention * size - 1e-9))
    if most >= size:
        every = torch.arange(size, device=batch.valid.device)
        return every.expand(batch.valid.shape), batch.valid
    worth = _worth(batch, scores, counts, how, generator)
    order = worth.masked_fill(~batch.valid, -math.inf).topk(most, -1).indices
    used = torch.arange(most, device=order.device) < counts
    in_time = order.masked_fill(~used, size).sort(-1).values
    return in_time.clamp(max=size - 1), in_time < size


def _worth(
    batch: Batch, scores: Tensor | None, counts: Tensor, how: Sieving, generator: torch.Generator
) -> Tensor:
    """What tokens [B, n, T] compete with for the ``counts`` [B, n, 1] places of their window."""
    noise = torch.rand(batch.valid.shape, generator=generator).to(batch.valid.device)
    if how.choice == "labels":
        return batch.salient + 0.5 * noise
    if how.choice == "random" or scores is None:
        return noise
    gumbel = -torch.log(-torch.log(noise.clamp(1e-6, 1 - 1e-6)))
    worth = scores.detach() + how.noise * gumbel
    return _by_modality(worth, batch, counts) if how.choice == "per-modality" else worth


def _by_modality(worth: Tensor, batch: Batch, counts: Tensor) -> Tensor:
    """1 for the best of each modality, as many as are its share of the places; 0 for the others
    (``sieve.baselines.per_modality``)."""
    there = batch.valid.sum(-1, keepdim=True).clamp(min=1)
    seen = batch.valid[..., : batch.video].sum(-1, keepdim=True)
    video = (counts.double() * seen / there).round()
    parts = (worth[..., : batch.video], video), (worth[..., batch.video :], counts - video)
    best = [part.argsort(-1, descending=True).argsort(-1) < share for part, share in parts]
    return torch.cat(best, -1).float()


def _unlikeness(batch: Batch) -> Tensor:
    """Scores [B, n, T]: one minus the mean cosine to all of the same modality in the window
    (``sieve.baselines.similarity``)."""
    unit = F.normalize(batch.tokens, dim=-1) * batch.valid[..., None]
    alike = []
    for kind in (slice(batch.video), slice(batch.video, None)):
        part, there = unit[:, :, kind], batch.valid[..., kind].sum(-1, keepdim=True)
        alike.append((part * part.sum(2, keepdim=True)).sum(-1) / there.clamp(min=1))
    return 1.0 - torch.cat(alike, -1)
