"""One forward of sieve and decoder over a batch, and what is to be learned from it.

The visibility rule is the engine's: a token of window i sees the prompt and the windows i-5..i, a
token of an open window one more, a question all that the memory holds and its own conversation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sieve.rope import prompt_positions, suffix_positions
from sieve.train.batch import HORIZON_WINDOWS, WINDOW_IDS, Batch
from sieve.train.packing import NO_BLOCK, NO_TARGET
from sieve.train.tiny import TinyModel
from sieve.train.truth import NO_SOUND, NO_SYMBOL, UNSURE
from stream.scene import COLOURS, OBJECTS, SHAPES, SOUNDS, SYMBOLS

_MASKED = -1e4  # fits bfloat16 and float16
Choice = Literal["labels", "scores", "random"]


@dataclass(frozen=True, slots=True)
class Sieving:
    """How tokens are kept. ``refined``: whether CS2 reads them; ``choice``: by labels (before the
    sieve has learned), by scores, or at random; ``noise``: scale of the Gumbel noise on scores;
    ``gated``: whether the question's loss reaches the scores, by the softmax straight-through
    estimator; ``aware``: whether CS2 reads the question with an open window."""

    retention: float
    refined: bool = True
    choice: Choice = "scores"
    noise: float = 0.0
    gated: bool = False
    aware: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """``answers`` [N, V] logits and ``targets`` [N] of all answer tokens; ``middle`` [B, n, K, d]
    states of the kept tokens halfway through the decoder, ``refined`` [B, n, K, d] after CS2,
    ``kept`` [B, n, K] their indices, ``kept_valid`` bool; ``scores`` fp32 [B, n, T] or None."""

    answers: Tensor
    targets: Tensor
    middle: Tensor
    refined: Tensor
    kept: Tensor
    kept_valid: Tensor
    scores: Tensor | None


def forward(
    model: TinyModel, batch: Batch, sieving: Sieving, generator: torch.Generator
) -> Outcome:
    states, scores = _refine(model, batch, sieving)
    kept, kept_valid = _choose(batch, scores, sieving, generator)
    refined = _gather(states, kept)
    if sieving.gated and scores is not None:
        share = scores.masked_fill(~batch.valid, _MASKED).softmax(-1).gather(2, kept)
        refined = refined * (1 + share - share.detach())[..., None]
    hidden, middle = _read(model, batch, refined, kept, kept_valid)
    asked = batch.packed.target != NO_TARGET
    answers = model.logits(hidden[asked]).float()
    return Outcome(answers, batch.packed.target[asked], middle, refined, kept, kept_valid, scores)


# -- the sieve --------------------------------------------------------------------------------


def _refine(model: TinyModel, batch: Batch, sieving: Sieving) -> tuple[Tensor, Tensor | None]:
    """Tokens [B, n, T, d] as they are, or as CS2 makes them of every window by itself."""
    if not sieving.refined:
        return batch.tokens, None
    count, windows, size, width = batch.tokens.shape
    prompt = model.embed(batch.prompt)
    length = len(batch.prompt)
    embeds = torch.cat(
        [prompt.expand(count * windows, -1, -1), batch.tokens.flatten(0, 1).to(prompt.dtype)], 1
    )
    positions = _sieve_positions(batch, length)
    valid = F.pad(batch.valid.flatten(0, 1), (length, 0), value=True)
    if sieving.aware:
        embeds, positions, valid = _with_question(model, batch, embeds, positions, valid)
    states, scores = model.cs2(embeds, positions, _additive(valid[:, None, None, :]))
    pool = slice(length, length + size)
    shape = (count, windows, size)
    return states[:, pool].view(*shape, width), scores[:, pool].view(shape)


def _sieve_positions(batch: Batch, prompt: int) -> Tensor:
    """[3, B n, P + T]: the prompt right before every window."""
    windows = batch.tokens.shape[1]
    markers = len(batch.markers)
    start = int(batch.positions[0].min())
    rows = [
        torch.cat(
            [prompt_positions(start + i * WINDOW_IDS, prompt, markers), batch.positions[:, i]], 1
        )
        for i in range(windows)
    ]
    return torch.stack(rows, 1).repeat(1, len(batch.tokens), 1)


def _with_question(
    model: TinyModel, batch: Batch, embeds: Tensor, positions: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The text after the stream behind every open window, as a second look has it."""
    windows = batch.tokens.shape[1]
    ids, _, where = _suffix(batch)
    last = F.one_hot(torch.tensor(windows - 1), windows).bool() & batch.is_open[:, None]
    shown = _asked(batch)[:, None] & last[..., None]  # [B, n, L]
    text = model.embed(ids)[:, None].expand(-1, windows, -1, -1).flatten(0, 1)
    at = where[:, :, None].expand(-1, -1, windows, -1).flatten(1, 2)
    return (
        torch.cat([embeds, text.to(embeds.dtype)], 1),
        torch.cat([positions, at], 2),
        torch.cat([valid, shown.flatten(0, 1)], 1),
    )


def _asked(batch: Batch) -> Tensor:
    """bool [B, M + L]: the end markers and the (only) question with what comes before it, up to
    the token that predicts the answer's first."""
    packed = batch.packed
    cue = (packed.target != NO_TARGET).int().argmax(1)
    known = (torch.arange(packed.ids.shape[1]) <= cue[:, None]) & (packed.block != NO_BLOCK)
    return F.pad(known, (len(batch.markers), 0), value=True)


def _choose(
    batch: Batch, scores: Tensor | None, sieving: Sieving, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Indices [B, n, K] of the kept tokens in order, and which of the K places are used."""
    size = batch.valid.shape[2]
    pools = batch.valid.sum(-1, keepdim=True)
    counts = (sieving.retention * pools - 1e-9).ceil().clamp(min=1)
    most = max(1, math.ceil(sieving.retention * size - 1e-9))
    if most >= size:
        return torch.arange(size).expand(batch.valid.shape), batch.valid
    noise = torch.rand(batch.valid.shape, generator=generator)
    if sieving.choice == "labels":
        worth = batch.salient + 0.5 * noise
    elif sieving.choice == "random" or scores is None:
        worth = noise
    else:
        gumbel = -torch.log(-torch.log(noise.clamp(1e-6, 1 - 1e-6)))
        worth = scores.detach() + sieving.noise * gumbel
    order = worth.masked_fill(~batch.valid, -math.inf).topk(most, -1).indices
    used = torch.arange(most) < counts
    in_time = order.masked_fill(~used, size).sort(-1).values
    return in_time.clamp(max=size - 1), in_time < size


def _gather(states: Tensor, kept: Tensor) -> Tensor:
    return states.gather(2, kept[..., None].expand(-1, -1, -1, states.shape[-1]))


# -- the decoder ------------------------------------------------------------------------------


def _read(
    model: TinyModel, batch: Batch, refined: Tensor, kept: Tensor, kept_valid: Tensor
) -> tuple[Tensor, Tensor]:
    """Prompt, kept tokens and conversations through the decoder: final states of the
    conversations [B, L, d], and of the kept tokens [B, n, K, d] after half of the layers."""
    count, windows, size = kept.shape
    ids, _, where = _suffix(batch)
    prompt = model.embed(batch.prompt).expand(count, -1, -1)
    embeds = torch.cat([prompt, refined.flatten(1, 2).to(prompt.dtype), model.embed(ids)], 1)
    positions = torch.cat([_prompt_ids(batch), _kept_positions(batch, kept), where], 2)
    mask = _additive(_visible(batch, kept_valid))
    rope = model.lm.rotary_emb(embeds, positions)
    first, end = len(batch.prompt), len(batch.prompt) + windows * size
    states, middle = embeds, embeds
    for i, layer in enumerate(model.lm.layers):
        states = layer(states, attention_mask=mask, position_embeddings=rope)
        if i + 1 == len(model.lm.layers) // 2:
            middle = states[:, first:end]
    hidden = model.lm.norm(states[:, end + len(batch.markers) :])
    return hidden, middle.view(count, windows, size, -1)


def _prompt_ids(batch: Batch) -> Tensor:
    where = prompt_positions(batch.prompt_end, len(batch.prompt), len(batch.markers))
    return where[:, None].expand(-1, len(batch.tokens), -1)


def _kept_positions(batch: Batch, kept: Tensor) -> Tensor:
    everywhere = batch.positions[:, None].expand(-1, len(kept), -1, -1)
    return everywhere.gather(3, kept.expand(3, -1, -1, -1)).flatten(2, 3)


def _suffix(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """End markers and conversations: ids [B, M + L], which are real, positions [3, B, M + L]."""
    packed, count = batch.packed, len(batch.tokens)
    markers = len(batch.markers)
    ids = torch.cat([batch.markers.expand(count, -1), packed.ids], 1)
    real = F.pad(packed.block != NO_BLOCK, (markers, 0), value=True)
    start = suffix_positions(0, markers + 1, markers)[0]  # markers share an id
    offset = torch.cat([start[:markers].expand(count, -1), start[markers] + packed.offset], 1)
    return ids, real, (batch.text_start[:, None] + offset).expand(3, -1, -1)


def _visible(batch: Batch, kept_valid: Tensor) -> Tensor:
    """bool [B, 1, L, L] over prompt, kept tokens, end markers and conversations."""
    count, windows, size = kept_valid.shape
    prompt, markers = len(batch.prompt), len(batch.markers)
    window = _sequence(prompt, torch.arange(windows).repeat_interleave(size), batch, -1, windows)
    block = F.pad(batch.packed.block, (prompt + windows * size + markers, 0), value=NO_BLOCK)
    real = torch.cat(
        [
            torch.ones(count, prompt, dtype=torch.bool),
            kept_valid.flatten(1),
            torch.ones(count, markers, dtype=torch.bool),
            batch.packed.block != NO_BLOCK,
        ],
        1,
    )
    length = real.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    seen = causal & _remembered(window, windows, batch.is_open)
    apart = (block[:, None, :] == NO_BLOCK) | (block[:, None, :] == block[:, :, None])
    visible = seen & apart & real[:, None, :] | torch.eye(length, dtype=torch.bool)
    return visible[:, None]


def _sequence(prompt: int, middle: Tensor, batch: Batch, before: int, after: int) -> Tensor:
    """Window number of every place: ``before`` for the prompt, ``after`` for the text."""
    text = len(batch.markers) + batch.packed.ids.shape[1]
    return torch.cat([torch.full((prompt,), before), middle, torch.full((text,), after)])


def _remembered(window: Tensor, windows: int, is_open: Tensor) -> Tensor:
    """bool [B, L, L]: whether a key's window is still in memory when the query is read."""
    last = torch.tensor(windows - 1)
    reach = torch.full((len(is_open), 1), HORIZON_WINDOWS - 1) + is_open[:, None].long()
    newest = torch.minimum(window, last)  # a question reads what the last window left
    at_end = newest == last
    reaches = torch.where(at_end, reach, torch.tensor(HORIZON_WINDOWS - 1))  # [B, L]
    near = newest[:, None] - window[None, :] <= reaches[..., None]
    return near | (window < 0)[None, None, :]


def _additive(visible: Tensor) -> Tensor:
    dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
    return torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, _MASKED)


# -- what is learned --------------------------------------------------------------------------


def answer_loss(outcome: Outcome) -> Tensor:
    return F.cross_entropy(outcome.answers, outcome.targets, reduction="sum") / max(
        1, len(outcome.targets)
    )


def score_loss(outcome: Outcome, batch: Batch) -> Tensor:
    """BCE of every token's score with "this is worth keeping": it makes scores comparable across
    windows."""
    assert outcome.scores is not None
    return F.binary_cross_entropy_with_logits(
        outcome.scores[batch.valid], batch.salient[batch.valid].float()
    )


class TokenWords(nn.Module):
    """Says of a token, through the tied word embeddings, what is seen and heard at its time.

    "None" is a fixed logit of 0: where nothing is, nothing need be written.
    """

    _model: TinyModel  # not registered: its weights are its own

    def __init__(self, model: TinyModel, word_id: dict[str, int]) -> None:
        super().__init__()
        self._words = [
            torch.tensor([word_id[word] for word in words])
            for words in (
                COLOURS,
                [" " + s for s in SHAPES],
                [s.split()[0] for s in SOUNDS],
                SYMBOLS,
            )
        ]
        object.__setattr__(self, "_model", model)
        self.previous = nn.Linear(model.lm.config.hidden_size, len(OBJECTS) + 1)

    def losses(
        self, states: Tensor, batch: Batch, outcome: Outcome, *, causal: bool
    ) -> dict[str, Tensor]:
        """Of kept states [B, n, K, d]: cross-entropies of object, previous, sound, symbol.

        ``causal``: video tokens come before the sound of their window and cannot know it.
        """
        labels = batch.labels
        obj, previous, sound, symbol = (
            label.gather(2, outcome.kept).masked_fill(~outcome.kept_valid, UNSURE)
            for label in (labels.object, labels.previous, labels.sound, labels.symbol)
        )
        if causal:
            sound = sound.masked_fill(outcome.kept < batch.video, UNSURE)
        flat = F.rms_norm(states.float(), states.shape[-1:])
        colour = torch.where(obj < 0, obj, obj // len(SHAPES))
        shape = torch.where(obj < 0, obj, obj % len(SHAPES))
        return {
            "object": _loss(self._say(flat, 0), colour) + _loss(self._say(flat, 1), shape),
            "previous": _loss(self.previous(flat), previous),
            "sound": _loss(_or_none(self._say(flat, 2), NO_SOUND), sound),
            "symbol": _loss(_or_none(self._say(flat, 3), NO_SYMBOL), symbol),
        }

    def _say(self, states: Tensor, which: int) -> Tensor:
        return states @ self._model.lm.embed_tokens.weight[self._words[which]].T


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over what is sure; 0 where nothing is."""
    total = F.cross_entropy(
        scores.flatten(0, -2), labels.flatten(), ignore_index=UNSURE, reduction="sum"
    )
    return total / (labels != UNSURE).sum().clamp(min=1)


def _or_none(scores: Tensor, none: int) -> Tensor:
    assert scores.shape[-1] == none
    return F.pad(scores, (0, 1))


def turns_right(outcome: Outcome, batch: Batch) -> list[tuple[str, bool]]:
    """Of every taught turn its kind and whether each token of its answer is the most likely one."""
    packed = batch.packed
    asked = packed.target != NO_TARGET
    hit = outcome.answers.argmax(-1) == outcome.targets
    row = asked.nonzero()[:, 0]
    turn = packed.turn[asked]
    wrong = {(int(r), int(t)) for r, t, h in zip(row, turn, hit, strict=True) if not h}
    return [
        (kind, (r, t) not in wrong)
        for r, kinds in enumerate(packed.kinds)
        for t, kind in enumerate(kinds)
    ]
