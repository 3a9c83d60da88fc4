"""What is to be learned from a forward: the answers, the scores, and what every token shows."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sieve.train.demo.batch import Batch
from sieve.train.demo.forward import Outcome
from sieve.train.demo.labels import MOST_COUNTED, OF_BEFORE
from sieve.train.demo.sieving import Sieved
from sieve.train.demo.tiny import TinyModel
from sieve.train.world.truth import NO_SOUND, NO_SYMBOL, UNSURE
from stream.world.questions.timing import LONGEST_S
from stream.world.scene import COLOURS, OBJECTS, SHAPES, SOUNDS, SYMBOLS


def answer_loss(outcome: Outcome) -> Tensor:
    """Cross-entropy of the answers that the memory could give."""
    losses = F.cross_entropy(outcome.answers, outcome.targets, reduction="none")
    return (losses * outcome.weights).sum() / outcome.weights.sum().clamp(min=1)


def score_loss(outcome: Outcome, batch: Batch) -> Tensor:
    """BCE of every token's score with "this is worth keeping": it makes scores comparable across
    windows."""
    assert outcome.sieved.scores is not None
    return F.binary_cross_entropy_with_logits(
        outcome.sieved.scores[batch.valid], batch.salient[batch.valid].float()
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
        width = model.lm.config.hidden_size
        self.previous = nn.Linear(width, len(OBJECTS) + 1)
        self.heard_before = nn.Linear(width, len(SOUNDS) + 1)
        self.apart = nn.Linear(width, LONGEST_S + 1)
        self.heard_so_far = nn.Linear(width, MOST_COUNTED + 1)
        self.alike_so_far = nn.Linear(width, MOST_COUNTED + 1)
        self.shown_so_far = nn.Linear(width, len(SHAPES) + 1)

    def losses(
        self, states: Tensor, batch: Batch, sieved: Sieved, *, causal: bool
    ) -> dict[str, Tensor]:
        """Of kept states [B, n, K, d]: cross-entropies of what is there, and of what was before it.

        ``causal``: video tokens come before the sound of their window and cannot know it.
        """
        labels = {
            f.name: getattr(batch.labels, f.name)
            .gather(2, sieved.kept)
            .masked_fill(~sieved.used, UNSURE)
            for f in fields(batch.labels)
        }
        obj, sound = labels["object"], labels["sound"]
        if causal:
            sound = sound.masked_fill(sieved.kept < batch.video, UNSURE)
        flat = F.rms_norm(states.float(), states.shape[-1:])
        colour = torch.where(obj < 0, obj, obj // len(SHAPES))
        shape = torch.where(obj < 0, obj, obj % len(SHAPES))
        return {
            "object": _loss(self._say(flat, 0), colour) + _loss(self._say(flat, 1), shape),
            "sound": _loss(_or_none(self._say(flat, 2), NO_SOUND), sound),
            "symbol": _loss(_or_none(self._say(flat, 3), NO_SYMBOL), labels["symbol"]),
            **{name: _loss(getattr(self, name)(flat), labels[name]) for name in OF_BEFORE},
        }

    def _say(self, states: Tensor, which: int) -> Tensor:
        ids = self._words[which].to(states.device)
        return states @ self._model.lm.embed_tokens.weight[ids].T


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
    hits = (outcome.answers.argmax(-1) == outcome.targets).tolist()
    places = zip(outcome.rows.tolist(), outcome.turns.tolist(), strict=True)
    wrong = {place for place, hit in zip(places, hits, strict=True) if not hit}
    return [
        (kind, (r, t) not in wrong)
        for r, kinds in enumerate(batch.packed.kinds)
        for t, kind in enumerate(kinds)
    ]
