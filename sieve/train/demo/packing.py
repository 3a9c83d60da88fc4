"""Questions and answers as the tokens of branches.

A conversation is a question, or a question after one or two earlier turns, written just as the
engine writes it. It is put at a moment: after one of the windows of its crop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from sieve.prompt import Modalities, question_text
from stream.world.scene import Question

NO_TARGET = -100


@dataclass(frozen=True, slots=True)
class Turn:
    """``taught`` is false for a turn that was answered earlier, from another memory."""

    question: Question
    taught: bool = True


@dataclass(frozen=True, slots=True)
class Conversation:
    """``moment``: the window of the crop after which it is put; ``evidence``: first and last of
    the windows that its answers rest on."""

    turns: tuple[Turn, ...]
    moment: int = 0
    evidence: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Text:
    """The tokens of one conversation, still of any length."""

    ids: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)  # the next token where it is an answer's
    turn: list[int] = field(default_factory=list)  # which of the row's taught turns it belongs to


@dataclass(frozen=True, slots=True)
class Packed:
    """Q conversations of each of B crops, padded before their text: i64 [B, Q, L], ``real`` bool;
    ``moment`` [B, Q], ``evidence`` [B, Q, 2]; the kinds of the taught turns of every crop.
    A crop with fewer conversations has some without any text."""

    ids: Tensor
    offset: Tensor  # position after the stream
    target: Tensor
    turn: Tensor
    real: Tensor
    moment: Tensor
    evidence: Tensor
    kinds: tuple[tuple[str, ...], ...]

    @property
    def asked(self) -> int:
        """How many of the last places hold everything that is taught."""
        taught = (self.target != NO_TARGET).any(0).any(0).nonzero()
        return self.ids.shape[2] - int(taught[0]) if len(taught) else 1


class Packer:
    """Turns conversations into tokens; the pieces of text are cut once and remembered."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._cut: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        if text not in self._cut:
            self._cut[text] = self._tokenizer.encode(text, add_special_tokens=False)
        return self._cut[text]

    def pack(self, rows: Sequence[Sequence[Conversation]], modalities: Modalities) -> Packed:
        """``rows``: the conversations of each crop."""
        most = max(1, max(len(row) for row in rows))
        kinds: list[tuple[str, ...]] = []
        texts: list[Text] = []
        for row in rows:
            named: list[str] = []
            texts += [self._text(talk, modalities, named) for talk in row]
            texts += [Text() for _ in range(most - len(row))]
            kinds.append(tuple(named))
        length = max(1, max(len(text.ids) for text in texts))
        shape = (len(rows), most, length)
        lengths = torch.tensor([len(text.ids) for text in texts]).view(shape[:2])
        real = torch.arange(length) >= length - lengths[..., None]
        markers = max(modalities.markers - 1, 0)  # the markers share an id
        offset = torch.arange(length) - (length - lengths[..., None]) - markers
        return Packed(
            ids=_pad([text.ids for text in texts], 0, shape),
            offset=offset.clamp(min=0),
            target=_pad([text.target for text in texts], NO_TARGET, shape),
            turn=_pad([text.turn for text in texts], 0, shape),
            real=real,
            moment=_put([[talk.moment for talk in row] for row in rows], (*shape[:2],)),
            evidence=_put([[talk.evidence for talk in row] for row in rows], (*shape[:2], 2)),
            kinds=tuple(kinds),
        )

    def _text(self, talk: Conversation, modalities: Modalities, kinds: list[str]) -> Text:
        """Its tokens; adds the kinds of its taught turns to ``kinds``."""
        text, nothing = Text(), Modalities(video=False, audio=False)
        for i, turn in enumerate(talk.turns):
            asked = question_text(turn.question.text, [], nothing if i else modalities)
            question = self.ids("\n<|im_start|>user\n" + asked if i else asked)
            answer = [*self.ids(turn.question.answer), self._end]
            last = i == len(talk.turns) - 1
            ids = question + (answer[:-1] if last else answer)
            taught = [NO_TARGET] * (len(question) - 1) + answer
            taught += [NO_TARGET] * (len(ids) - len(taught))
            text.ids += ids
            text.target += taught if turn.taught else [NO_TARGET] * len(ids)
            text.turn += [len(kinds)] * len(ids)
            if turn.taught:
                kinds.append(turn.question.kind)
        return text

    @property
    def _end(self) -> int:
        return self.ids("<|im_end|>")[0]


def _pad(texts: Sequence[Sequence[int]], value: int, shape: tuple[int, int, int]) -> Tensor:
    """[B, Q, L] with the texts at the ends of their rows."""
    out = np.full((len(texts), shape[2]), value)
    for row, text in zip(out, texts, strict=True):
        row[len(row) - len(text) :] = text
    return torch.from_numpy(out).view(shape)


def _put(rows: Sequence[Sequence[object]], shape: tuple[int, ...]) -> Tensor:
    """[B, Q, ...] from rows of any length, zeros where a row has ended."""
    out = np.zeros(shape, np.int64)
    for at, row in zip(out, rows, strict=True):
        if row:
            at[: len(row)] = row
    return torch.from_numpy(out)


KIND_WEIGHTS: Mapping[str, float] = {
    "now": 1.0,
    "first": 1.0,
    "during": 3.0,
    "sound_of": 4.0,
    "order": 2.0,
    "digit": 1.0,
    "count": 1.2,
    "any": 0.4,
    "first_sound": 0.8,
    "last_sound": 0.8,
    "exists": 2.5,
    "with_symbol": 2.0,
    "after": 2.5,
    "heard": 0.6,
    "sound_after": 2.0,
    "when_seen": 1.5,
    "when_heard": 1.5,
    "which": 0.8,
    "symbol_of": 0.8,
}


class Progress:
    """A running estimate of each kind's accuracy; what is not yet known is asked more often."""

    def __init__(self) -> None:
        self.right: dict[str, float] = {}

    def note(self, kind: str, right: bool) -> None:
        before = self.right.get(kind, 0.5)
        self.right[kind] = before + 0.005 * (float(right) - before)

    def weights(self, kinds: Sequence[str]) -> np.ndarray:
        raw = [KIND_WEIGHTS.get(k, 1.0) * (1.12 - self.right.get(k, 0.5)) for k in kinds]
        return np.array(raw) / np.sum(raw)


def in_other_words(question: Question, rng: np.random.Generator) -> Question:
    """The same question as people type it: capitalised, or without its mark."""
    text = question.text
    if rng.random() < 0.3:
        text = text.capitalize()
    if rng.random() < 0.05:
        text = text.removesuffix("?")
    return replace(question, text=text)
