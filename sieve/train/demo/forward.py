"""One forward of sieve, memory and decoder over a batch, as the engine would have run it.

A token of window i sees the prompt, its own window and what the memory holds when window i has
come; a question sees what it holds at its moment, and its own conversation. What was in memory
before the crop (its past: P places) comes before the n windows of K kept tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.policy import ScoreWithAge
from sieve.rope import prompt_positions
from sieve.tokens import AUDIO, VIDEO
from sieve.train.demo.batch import Batch
from sieve.train.demo.decode import Branches, Streams, decode
from sieve.train.demo.packing import NO_TARGET
from sieve.train.demo.replay import Kept, windows_of_leaving
from sieve.train.demo.sieving import Sieved, Sieving, sieve
from sieve.train.demo.tiny import TinyModel

_POLICY = ScoreWithAge()
_LOST = 0.75  # a question counts where at least this share of what was kept for it is still there


@dataclass(frozen=True, slots=True)
class Outcome:
    """``answers`` [N, V] logits, ``targets`` [N] and ``weights`` [N] of all answer tokens, which
    belong to ``turns`` [N] of the crops ``rows`` [N];
    ``middle`` [B, n, K, d] states of the kept tokens halfway through the decoder; ``remembered``
    bool [B, Q, P + n K]: which tokens of past and crop each conversation sees."""

    answers: Tensor
    targets: Tensor
    weights: Tensor
    rows: Tensor
    turns: Tensor
    middle: Tensor
    sieved: Sieved
    remembered: Tensor


def forward(model: TinyModel, batch: Batch, how: Sieving, generator: torch.Generator) -> Outcome:
    return answer(model, batch, sieve(model, batch, how, generator), how)


def answer(model: TinyModel, batch: Batch, sieved: Sieved, how: Sieving) -> Outcome:
    """What the decoder says with the tokens that were kept."""
    leaving = _leaving(batch, sieved, how)
    remembered = _remembered(batch, sieved, leaving)
    hidden, middle = _read(model, batch, sieved, leaving, remembered, how)
    packed = batch.packed
    asked = packed.target[..., -hidden.shape[1] :] != NO_TARGET  # [B, Q, last places]
    fair = _fair(batch, sieved, remembered)[..., None].expand_as(asked)
    return Outcome(
        answers=model.logits(hidden.unflatten(0, asked.shape[:2])[asked]).float(),
        targets=packed.target[..., -hidden.shape[1] :][asked],
        weights=fair[asked].float(),
        rows=asked.nonzero()[:, 0],
        turns=packed.turn[..., -hidden.shape[1] :][asked],
        middle=middle,
        sieved=sieved,
        remembered=remembered,
    )


# -- the memory -------------------------------------------------------------------------------


def _leaving(batch: Batch, sieved: Sieved, how: Sieving) -> Tensor:
    """[B, P + n K]: the window at whose coming a token left the memory."""
    windows, used = sieved.kept.shape[1], _used(batch, sieved).cpu()
    leaving = torch.full(used.shape, windows)
    for i, there in enumerate(used):
        kept = _kept(batch, sieved, i)
        starts, closed = batch.starts[i].cpu().numpy(), int(batch.closed[i])
        held = int((kept.window < closed).sum())
        room = int(batch.past.slots[i]) or int(how.room * held)
        budget = min(how.slots, max(room, _needed(batch, sieved, i)))
        if held > budget:
            left = windows_of_leaving(kept, starts, closed, budget, _POLICY)
            leaving[i, there] = torch.from_numpy(left)
    return leaving.to(sieved.kept.device)


def _needed(batch: Batch, sieved: Sieved, i: int) -> int:
    """Slots with which a perfect sieve could keep all that matters, and one window's tokens."""
    return int(1.1 * int(_matters(batch, sieved)[i].sum())) + sieved.kept.shape[2]


def _matters(batch: Batch, sieved: Sieved) -> Tensor:
    """bool [B, n, K]: kept tokens that hold something."""
    return batch.salient.gather(2, sieved.kept) & sieved.used


def _kept(batch: Batch, sieved: Sieved, i: int) -> Kept:
    """What of one crop and its past is used, as the policy knows it."""
    used = sieved.used[i].cpu()
    window = torch.arange(len(used))[:, None].expand_as(used)[used]
    kept = sieved.kept[i].cpu()[used]
    scores = batch.salient[i].float() if sieved.scores is None else sieved.scores[i].detach()
    starts, past, before = batch.starts[i].cpu(), batch.past, batch.past.used[i]
    kind = torch.where(kept < batch.video, VIDEO, AUDIO).to(past.kind)
    parts = (
        (torch.full((int(before.sum()),), -1), window),
        (past.kind[i, before].cpu(), kind),
        (past.score[i, before].cpu(), scores.cpu()[window, kept]),
        (
            past.positions[0, i, before].cpu() + starts[0],
            starts[window] + batch.within[0].cpu()[kept],
        ),
        (past.start_id[i, before].cpu() + starts[0], starts[window]),
    )
    return Kept(*(torch.cat(part).numpy() for part in parts))


def _used(batch: Batch, sieved: Sieved) -> Tensor:
    """bool [B, P + n K]: which places of past and crop hold a token."""
    return torch.cat([batch.past.used, sieved.used.flatten(1)], 1)


def _window_of_place(batch: Batch, sieved: Sieved) -> Tensor:
    """[P + n K]; -1 in the past."""
    windows, places = sieved.kept.shape[1:]
    window = torch.arange(windows, device=sieved.kept.device).repeat_interleave(places)
    return F.pad(window, (batch.past.places, 0), value=-1)


def _remembered(batch: Batch, sieved: Sieved, leaving: Tensor) -> Tensor:
    """bool [B, Q, P + n K]: what is in memory at the moment of a conversation."""
    moment = batch.packed.moment[..., None]
    come = _window_of_place(batch, sieved) <= moment
    return come & (leaving[:, None] > moment) & _used(batch, sieved)[:, None]


def _fair(batch: Batch, sieved: Sieved, remembered: Tensor) -> Tensor:
    """bool [B, Q]: whether the memory still holds what the conversation's answers rest on; what it
    had no room for cannot be taught."""
    first, last = (part[..., None] for part in batch.packed.evidence.unbind(-1))
    window = _window_of_place(batch, sieved)
    matters = F.pad(_matters(batch, sieved).flatten(1), (batch.past.places, 0))
    evidence = (window >= first) & (window <= last) & matters[:, None]
    return (evidence & remembered).sum(-1) >= _LOST * evidence.sum(-1)


# -- the decoder ------------------------------------------------------------------------------


def _read(
    model: TinyModel,
    batch: Batch,
    sieved: Sieved,
    leaving: Tensor,
    remembered: Tensor,
    how: Sieving,
) -> tuple[Tensor, Tensor]:
    """Final states [B Q, asked, d] of the conversations, and of the kept tokens [B, n, K, d] after
    half of the layers."""
    prompt, past = len(batch.prompt), batch.past
    where, text_start = _memory_positions(batch, sieved), batch.text_start
    if how.positions == "compacted":
        where, text_start = _numbered_anew(batch, sieved, remembered)
    before = prompt_positions(0, prompt, batch.markers).to(where.device)
    before = before[:, None] + batch.prompt_end[None, :, None]
    head = model.embed(batch.prompt).expand(len(batch.starts), -1, -1)
    held = past.states.to(head.dtype), sieved.states.flatten(1, 2).to(head.dtype)
    streams = Streams(
        torch.cat([head, *held], 1),
        torch.cat([before, where], 2),
        _stream_sees(prompt, batch, sieved, leaving),
    )
    at = (text_start[..., None] + batch.packed.offset).flatten(0, 1)
    branches = Branches(
        model.embed(batch.packed.ids.flatten(0, 1)),
        at.expand(3, -1, -1),
        F.pad(remembered, (prompt, 0), value=True),
        batch.packed.real.flatten(0, 1),
    )
    hidden, middle = decode(model.lm, streams, branches, batch.packed.asked)
    return hidden, middle[:, prompt + past.places :].unflatten(1, sieved.kept.shape[1:])


def _stream_sees(prompt: int, batch: Batch, sieved: Sieved, leaving: Tensor) -> Tensor:
    """bool [B, S, S] over prompt, past and kept tokens."""
    window = F.pad(_window_of_place(batch, sieved), (prompt, 0), value=-1)
    stays = F.pad(leaving, (prompt, 0), value=len(window))
    used = F.pad(_used(batch, sieved), (prompt, 0), value=True)
    causal = torch.ones(len(window), len(window), dtype=torch.bool, device=window.device).tril()
    sees = causal & (stays[:, None, :] > window[:, None]) & used[:, None, :]
    return sees | torch.eye(len(window), dtype=torch.bool, device=window.device)


def _memory_positions(batch: Batch, sieved: Sieved) -> Tensor:
    """[3, B, P + n K]."""
    kept = batch.positions.gather(3, sieved.kept.expand(3, -1, -1, -1)).flatten(2)
    return torch.cat([batch.past.positions + batch.starts[:, :1], kept], 2)


def _numbered_anew(batch: Batch, sieved: Sieved, remembered: Tensor) -> tuple[Tensor, Tensor]:
    """The ablation: kept tokens one after another, without their time; and where text begins."""
    used = _used(batch, sieved)
    number = batch.prompt_end[:, None] + used.long().cumsum(1) - 1
    newest = (number[:, None] * remembered).amax(-1)
    return number.expand(3, -1, -1), torch.maximum(newest, batch.prompt_end[:, None]) + 1
