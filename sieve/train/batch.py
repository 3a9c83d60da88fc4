"""Crops of streams with conversations behind them: what one step of the decoder learns from.

A crop is 1 to 12 windows in a row; the last may still be open. What a window and a question can see
of it is what the engine's memory would hold: six closed windows, and the open one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text
from sieve.rope import grid_positions
from sieve.train.bank import Bank
from sieve.train.packing import (
    AUDIO_KINDS,
    KIND_WEIGHTS,
    VIDEO_KINDS,
    Packed,
    Packer,
    Progress,
    Turn,
    in_other_words,
)
from sieve.train.tiny import INSTRUCTIONS
from sieve.train.truth import (
    AUDIO_TOKENS,
    GRIDS,
    VIDEO_TOKENS,
    WINDOW_S,
    WINDOW_TOKENS,
)
from stream.scene import OBJECTS, Question

HORIZON_WINDOWS = 6
WINDOW_IDS = 50
BOTH = Modalities()
_ORIGIN = 1000  # any id: only differences matter


@dataclass(frozen=True, slots=True)
class BatchShape:
    """``crops`` of ``windows`` windows; ``questions`` a crop, in conversations of up to
    ``turns``."""

    crops: int
    windows: int
    questions: int = 8
    turns: int = 3
    open_share: float = 0.6
    modalities: Modalities = BOTH


@dataclass(frozen=True, slots=True)
class TokenLabels:
    """Per token [B, n, T], i64: what can be told of it; -1 where nothing should be learned."""

    object: Tensor  # 0..23, in the token's cell or else alone at its time
    previous: Tensor  # 0..23, 24: nothing before it is remembered
    sound: Tensor  # 0..6, 7: none
    symbol: Tensor  # 0..9, 10: none


@dataclass(frozen=True, slots=True)
class Batch:
    """B crops of n windows of T tokens."""

    tokens: Tensor  # f32 [B, n, T, 128]
    valid: Tensor  # bool [B, n, T]
    salient: Tensor  # bool [B, n, T]
    positions: Tensor  # i64 [3, n, T]
    labels: TokenLabels
    video: int  # how many of the T are video: the first ones
    is_open: Tensor  # bool [B]: the last window is
    text_start: Tensor  # i64 [B]: first id after the stream
    prompt: Tensor  # i64 [P] token ids
    prompt_end: int  # the id after the prompt
    markers: Tensor  # i64 [M] token ids of the end markers
    packed: Packed


class Sampler:
    """Draws batches from a bank. The same ``rng`` draws the same batch."""

    def __init__(self, bank: Bank, packer: Packer) -> None:
        self.bank = bank
        self._packer = packer
        self._scenes = bank.scenes()

    def draw(self, shape: BatchShape, rng: np.random.Generator, progress: Progress) -> Batch:
        streams = rng.integers(self.bank.streams, size=shape.crops)
        first = rng.integers(self.bank.windows - shape.windows + 1, size=shape.crops)
        is_open = rng.random(shape.crops) < shape.open_share
        rows = [
            self._conversations(int(s), int(w), bool(o), shape, rng, progress)
            for s, w, o in zip(streams, first, is_open, strict=True)
        ]
        instruction = DEFAULT_INSTRUCTION
        if rng.random() < 0.5:
            instruction = INSTRUCTIONS[int(rng.integers(len(INSTRUCTIONS)))]
        gap = int(rng.integers(HORIZON_WINDOWS * WINDOW_IDS)) if rng.random() < 0.4 else 0
        return self._assemble(shape, streams, first, is_open, rows, instruction, _ORIGIN - gap)

    def exam(self, shape: BatchShape, rng: np.random.Generator, kinds: Sequence[str]) -> Batch:
        """A batch for measuring: every kind that can be asked, one conversation each."""
        streams = rng.integers(self.bank.streams, size=shape.crops)
        first = rng.integers(self.bank.windows - shape.windows + 1, size=shape.crops)
        is_open = rng.random(shape.crops) < shape.open_share
        rows = []
        for s, w, o in zip(streams, first, is_open, strict=True):
            now_s, since_s = self._span(int(s), int(w), bool(o), shape.windows)
            asked = self._scenes[int(s)].questions(now_s, since_s, rng, kinds)
            rows.append([[Turn(question)] for question in asked])
        return self._assemble(shape, streams, first, is_open, rows, DEFAULT_INSTRUCTION, _ORIGIN)

    def _span(self, stream: int, first: int, is_open: bool, windows: int) -> tuple[float, float]:
        """Scene seconds (now, since) of a question after the crop."""
        offset_s = float(self.bank.offsets_s[stream])
        last = first + windows - 1
        open_s = float(self.bank.elapsed_s[stream, last]) if is_open else WINDOW_S
        closed = HORIZON_WINDOWS if is_open else HORIZON_WINDOWS - 1
        since = max(first, last - closed)
        return offset_s + last * WINDOW_S + open_s, offset_s + since * WINDOW_S

    def _conversations(
        self,
        stream: int,
        first: int,
        is_open: bool,
        shape: BatchShape,
        rng: np.random.Generator,
        progress: Progress,
    ) -> list[list[Turn]]:
        now_s, since_s = self._span(stream, first, is_open, shape.windows)
        kinds = _kinds(shape.modalities)
        pool = self._ask_often(stream, now_s, since_s, shape.questions, kinds, rng, progress)
        conversations: list[list[Turn]] = []
        while pool:
            turns = 1 if rng.random() < 0.7 else int(rng.integers(1, shape.turns + 1))
            taken, pool = pool[:turns], pool[turns:]
            conversation = [Turn(in_other_words(question, rng)) for question in taken]
            if rng.random() < 0.15:
                earlier = self._earlier(stream, now_s, since_s, kinds, rng)
                conversation = [Turn(q, taught=False) for q in earlier] + conversation
            conversations.append(conversation)
        return conversations

    def _ask_often(
        self,
        stream: int,
        now_s: float,
        since_s: float,
        count: int,
        kinds: Sequence[str],
        rng: np.random.Generator,
        progress: Progress,
    ) -> list[Question]:
        scene = self._scenes[stream]
        asked = scene.questions(now_s, since_s, rng, kinds)
        asked += scene.questions(now_s, since_s, rng, kinds)
        if not asked:
            return []
        chances = progress.weights([q.kind for q in asked])
        chosen = rng.choice(len(asked), min(count, len(asked)), replace=False, p=chances)
        return [asked[int(i)] for i in chosen]

    def _earlier(
        self,
        stream: int,
        now_s: float,
        since_s: float,
        kinds: Sequence[str],
        rng: np.random.Generator,
    ) -> list[Question]:
        """A question as it was answered some seconds before."""
        then_s = now_s - float(rng.uniform(1.0, 6.0))
        if then_s <= since_s + 1.0:
            return []
        asked = self._scenes[stream].questions(then_s, since_s, rng, kinds)
        return [asked[int(rng.integers(len(asked)))]] if asked else []

    def _assemble(
        self,
        shape: BatchShape,
        streams: np.ndarray,
        first: np.ndarray,
        is_open: np.ndarray,
        rows: Sequence[Sequence[Sequence[Turn]]],
        instruction: str,
        prompt_end: int,
    ) -> Batch:
        s = torch.from_numpy(streams)[:, None]
        w = torch.from_numpy(first)[:, None] + torch.arange(shape.windows)
        opened = torch.from_numpy(is_open)
        kept = _tokens_of(shape.modalities)
        tokens, valid, salient = self._windows(s, w, opened)
        positions = window_positions(shape.windows)
        newest = positions.amax(0) * valid  # [B, n, 68]
        return Batch(
            tokens=tokens[:, :, kept],
            valid=valid[:, :, kept],
            salient=salient[:, :, kept],
            positions=positions[:, :, kept],
            labels=self._labels(s, w, kept),
            video=VIDEO_TOKENS if shape.modalities.video else 0,
            is_open=opened,
            text_start=newest[:, :, kept].amax((1, 2)) + 1,
            prompt=torch.tensor(self._packer.ids(prompt_text(instruction, shape.modalities))),
            prompt_end=prompt_end,
            markers=torch.tensor(self._packer.ids(shape.modalities.end)),
            packed=self._packer.pack(rows),
        )

    def _windows(self, s: Tensor, w: Tensor, opened: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        bank = self.bank
        tokens = bank.closed[s, w].float()
        valid = torch.ones(tokens.shape[:3], dtype=torch.bool)
        salient = bank.salient[s, w].clone()
        at = (s[opened, 0], w[opened, -1])
        tokens[opened, -1] = bank.opened[at].float()
        valid[opened, -1] = bank.open_valid[at]
        salient[opened, -1] = bank.open_salient[at] & bank.open_valid[at]
        return tokens, valid, salient

    def _labels(self, s: Tensor, w: Tensor, part: slice) -> TokenLabels:
        bank = self.bank
        segment = bank.segment[s, w].long()  # [B, n, 68]
        stream = s[..., None].expand_as(segment)
        before = (segment - 1).clamp(min=0)
        remembered_s = bank.offsets_s[s] + _oldest_remembered(w) * WINDOW_S
        known = bank.ends_s[stream, before] > remembered_s[..., None] + 0.5
        nothing = torch.tensor(len(OBJECTS))
        previous = torch.where(known & (segment > 0), bank.objects[stream, before], nothing)
        return TokenLabels(
            object=bank.object[s, w].long()[:, :, part],
            previous=previous[:, :, part],
            sound=bank.sound[s, w].long()[:, :, part],
            symbol=bank.symbol[s, w].long()[:, :, part],
        )


def _oldest_remembered(windows: Tensor) -> Tensor:
    """Of windows in a row [B, n]: the oldest that each can see."""
    return torch.maximum(windows - (HORIZON_WINDOWS - 1), windows[:, :1])


def _kinds(modalities: Modalities) -> list[str]:
    if modalities.video and modalities.audio:
        return list(KIND_WEIGHTS)
    allowed = VIDEO_KINDS if modalities.video else AUDIO_KINDS
    return [kind for kind in KIND_WEIGHTS if kind in allowed]


def _tokens_of(modalities: Modalities) -> slice:
    first = 0 if modalities.video else VIDEO_TOKENS
    return slice(first, WINDOW_TOKENS if modalities.audio else VIDEO_TOKENS)


def window_positions(windows: int) -> Tensor:
    """[3, n, 68] of windows in a row; pictures are anchored at their own window's start."""
    rows = []
    for i in range(windows):
        start = _ORIGIN + i * WINDOW_IDS
        cells = [grid_positions(start + g * 25, start, 3, 3) for g in range(GRIDS)]
        rows.append(torch.cat([*cells, (start + torch.arange(AUDIO_TOKENS)).expand(3, -1)], 1))
    return torch.stack(rows, 1)
