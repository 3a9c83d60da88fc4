"""Questions and answers as token blocks behind one stream.

Several conversations share one stream in a batch row; a mask keeps them apart. A conversation is a
question, or a question after one or two earlier turns, just as the engine puts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from sieve.prompt import Modalities, question_text
from stream.scene import Question

NO_TARGET = -100
NO_BLOCK = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """``taught`` is false for a turn that was answered earlier, from another memory."""

    question: Question
    taught: bool = True


@dataclass(slots=True)
class Row:
    """Tokens of one batch row, still of any length."""

    ids: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)  # 1, 2, ... by conversation
    offset: list[int] = field(default_factory=list)  # position after the end markers
    target: list[int] = field(default_factory=list)  # the next token where it is an answer's
    turn: list[int] = field(default_factory=list)  # which of the row's taught turns it belongs to
    kinds: list[str] = field(default_factory=list)  # of the taught turns


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows padded to one length: i64 [B, L] each, and the kinds of the taught turns."""

    ids: Tensor
    block: Tensor  # 0 is padding
    offset: Tensor
    target: Tensor
    turn: Tensor
    kinds: tuple[tuple[str, ...], ...]


class Packer:
    """Turns conversations into token rows; the pieces of text are cut once and remembered."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._cut: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        if text not in self._cut:
            self._cut[text] = self._tokenizer.encode(text, add_special_tokens=False)
        return self._cut[text]

    def pack(self, rows: Sequence[Sequence[Sequence[Turn]]]) -> Packed:
        """``rows`` of conversations of turns."""
        packed = [self._row(conversations) for conversations in rows]
        return Packed(
            ids=_pad([row.ids for row in packed], 0),
            block=_pad([row.block for row in packed], NO_BLOCK),
            offset=_pad([row.offset for row in packed], 0),
            target=_pad([row.target for row in packed], NO_TARGET),
            turn=_pad([row.turn for row in packed], 0),
            kinds=tuple(tuple(row.kinds) for row in packed),
        )

    def _row(self, conversations: Sequence[Sequence[Turn]]) -> Row:
        row = Row()
        for number, turns in enumerate(conversations, start=1):
            self._add(row, number, turns)
        return row

    def _add(self, row: Row, number: int, turns: Sequence[Turn]) -> None:
        before = len(row.ids)
        nothing = Modalities(video=False, audio=False)
        for i, turn in enumerate(turns):
            asked = question_text(turn.question.text, [], nothing)
            if i:
                asked = "\n<|im_start|>user\n" + asked
            question, answer = self.ids(asked), [*self.ids(turn.question.answer), self._end]
            last = i == len(turns) - 1
            ids = question + (answer[:-1] if last else answer)
            taught = [NO_TARGET] * (len(question) - 1) + answer
            taught += [NO_TARGET] * (len(ids) - len(taught))
            row.ids += ids
            row.target += taught if turn.taught else [NO_TARGET] * len(ids)
            row.turn += [len(row.kinds)] * len(ids)
            if turn.taught:
                row.kinds.append(turn.question.kind)
        length = len(row.ids) - before
        row.block += [number] * length
        row.offset += range(length)

    @property
    def _end(self) -> int:
        return self.ids("<|im_end|>")[0]


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    out = torch.full((len(rows), max(1, max(len(row) for row in rows))), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


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
    "which": 0.8,
    "symbol_of": 0.8,
}
VIDEO_KINDS = frozenset(
    {"now", "first", "order", "digit", "exists", "with_symbol", "after", "which", "symbol_of"}
)
AUDIO_KINDS = frozenset({"count", "any", "first_sound", "last_sound", "heard"})


class Progress:
    """A running estimate of each kind's accuracy; what is not yet known is asked more often."""

    def __init__(self) -> None:
        self.right: dict[str, float] = dict.fromkeys(KIND_WEIGHTS, 0.5)

    def note(self, kind: str, right: bool) -> None:
        self.right[kind] += 0.005 * (float(right) - self.right[kind])

    def weights(self, kinds: Sequence[str]) -> np.ndarray:
        raw = np.array([KIND_WEIGHTS[k] * (1.12 - self.right[k]) for k in kinds])
        return raw / raw.sum()


def in_other_words(question: Question, rng: np.random.Generator) -> Question:
    """The same question as people type it: capitalised, or without its mark."""
    text = question.text
    if rng.random() < 0.3:
        text = text.capitalize()
    if rng.random() < 0.05:
        text = text.removesuffix("?")
    return replace(question, text=text)
