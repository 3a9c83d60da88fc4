"""Crops of streams with conversations behind them: what one step of the decoder learns from.

A crop is 1 to 30 windows in a row; the last may still be open. Questions are put after several of
them. Between two windows the clock may jump by minutes, so that a short crop teaches what is near
and what is long ago: only ids tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text
from sieve.rope import grid_positions
from sieve.tokens import IDS_PER_S
from sieve.train.demo.bank import Bank
from sieve.train.demo.crop import Crop, places
from sieve.train.demo.labels import Labels, TokenLabels
from sieve.train.demo.packing import Conversation, Packed, Packer, Progress, Turn, in_other_words
from sieve.train.demo.past import Past, nothing
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS
from sieve.train.demo.tiny import INSTRUCTIONS
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    GRIDS,
    UNSURE,
    VIDEO_TOKENS,
    WINDOW_S,
    WINDOW_TOKENS,
)
from stream.world.plot import Plot
from stream.world.questions import AGE_KINDS, AUDIO_KINDS, LATEST_KINDS, VIDEO_KINDS
from stream.world.questions.timing import ago
from stream.world.scene import Question, Scene

BOTH = Modalities()
JUMP_IDS = (1_500, 27_000)  # a minute to 18 minutes
TIMED_KINDS = frozenset({"gap", "ago", "last_window", "last_minute"})  # their truth is in seconds
DESCRIBED_KINDS = frozenset({"last_window", "last_minute"})  # answered in a line of words
_ORIGIN = 100_000  # any id: only differences matter


@dataclass(frozen=True, slots=True)
class BatchShape:
    """``crops`` of ``windows`` windows, ``questions`` each, put after ``moments`` of the windows in
    conversations of up to ``turns``; ``jumps``: share of the crops whose clock jumps. Descriptions
    are several times as long as other answers: ``described`` batches ask for nothing else, others
    not for them. ``past``: the retention at which the streams were sieved that lie before the crops
    in memory (``None``: there are none); then nothing is asked whose answer might lie in those."""

    crops: int
    windows: int
    questions: int = 8
    moments: int = 1
    turns: int = 1
    open_share: float = 0.6
    jumps: float = 0.0
    described: bool = False
    past: float | None = None
    modalities: Modalities = BOTH


@dataclass(frozen=True, slots=True)
class Batch:
    """B crops of n windows of T tokens, Q conversations each."""

    tokens: Tensor  # f32 [B, n, T, 128]
    valid: Tensor  # bool [B, n, T]
    salient: Tensor  # bool [B, n, T]
    starts: Tensor  # i64 [B, n]: first id of every window
    within: Tensor  # i64 [3, T]: positions from the start of the window
    labels: TokenLabels
    video: int  # how many of the T are video: the first ones
    closed: Tensor  # i64 [B]: how many of the windows are; at most one is not
    text_start: Tensor  # i64 [B, Q]: first id after the stream at the conversation's moment
    prompt: Tensor  # i64 [P] token ids
    prompt_end: Tensor  # i64 [B]: the id after the prompt
    past: Past
    markers: int  # how many markers begin and end the stream
    packed: Packed

    @property
    def positions(self) -> Tensor:
        """[3, B, n, T]."""
        return self.within[:, None, None] + self.starts[None, :, :, None]

    def unlabelled(self) -> Batch:
        """Without what the world says of its tokens: nothing matters, nothing can be told of any.
        Nobody then knows which answers a memory can still give: all count."""
        unsure = torch.full_like(self.labels.object, UNSURE)
        labels = TokenLabels(*(unsure for _ in fields(TokenLabels)))
        return replace(self, salient=torch.zeros_like(self.salient), labels=labels)

    def to(self, device: torch.device) -> Batch:
        moved: Batch = _moved(self, device)
        return moved


def _moved(part: Any, device: torch.device) -> Any:
    """A dataclass with all its tensors on ``device``."""
    if isinstance(part, Tensor):
        return part.to(device)
    if not is_dataclass(part) or isinstance(part, type):
        return part
    return replace(part, **{f.name: _moved(getattr(part, f.name), device) for f in fields(part)})


class Pasts(Protocol):
    """Where pasts come from: ``count`` at random of streams sieved at ``retention``."""

    def draw(self, retention: float, count: int, rng: np.random.Generator) -> Past: ...


class Sampler:
    """Draws batches from a bank. The same ``rng`` draws the same batch. Where crops are to have a
    past, ``pasts`` has to be given."""

    def __init__(self, bank: Bank, plot: Plot, packer: Packer) -> None:
        self.bank = bank
        self.pasts: Pasts | None = None
        self._packer = packer
        self._scenes = bank.scenes(plot)
        self._labels = Labels(bank, self._scenes)

    def draw(self, shape: BatchShape, rng: np.random.Generator, progress: Progress) -> Batch:
        crops = [self._crop(shape, rng) for _ in range(shape.crops)]
        rows = [self._conversations(crop, shape, rng, progress) for crop in crops]
        instruction = DEFAULT_INSTRUCTION
        if rng.random() < 0.5:
            instruction = INSTRUCTIONS[int(rng.integers(len(INSTRUCTIONS)))]
        since = [_since_prompt(crop, rng) for crop in crops]
        return self._behind(self._assemble(shape, crops, rows, instruction, since), shape, rng)

    def exam(self, shape: BatchShape, rng: np.random.Generator) -> Batch:
        """A batch for measuring: at every moment each kind that can be asked, once."""
        crops = [self._crop(shape, rng) for _ in range(shape.crops)]
        rows = []
        for crop in crops:
            asked = [
                Conversation((Turn(question),), moment, self._evidence(crop, moment, [question]))
                for moment in _moments(crop, shape, rng)
                for question in self._askable(crop, moment, self._kinds(crop, shape), rng)
            ]
            rows.append(asked)
        batch = self._assemble(shape, crops, rows, DEFAULT_INSTRUCTION, [0] * len(crops))
        return self._behind(batch, shape, rng)

    def silent(self, streams: Sequence[int]) -> Batch:
        """Whole streams, closed, of which nothing is asked."""
        starts = _ORIGIN + np.arange(self.bank.windows) * WINDOW_IDS
        crops = [Crop(stream, 0, False, starts) for stream in streams]
        shape, empty = BatchShape(len(crops), self.bank.windows), [0] * len(crops)
        return self._assemble(shape, crops, [[] for _ in crops], DEFAULT_INSTRUCTION, empty)

    def _behind(self, batch: Batch, shape: BatchShape, rng: np.random.Generator) -> Batch:
        """The batch behind its past, if it has one: the prompt came before that."""
        if shape.past is None:
            return batch
        assert self.pasts is not None, "no pasts were given"
        past = self.pasts.draw(shape.past, len(batch.starts), rng)
        free = HORIZON_IDS - WINDOW_IDS - (batch.starts[:, -1] - batch.starts[:, 0])
        begun = batch.starts[:, 0] - torch.minimum(past.length_ids, free)
        return replace(batch, past=past, prompt_end=begun, labels=batch.labels.of_its_time())

    # -- where ------------------------------------------------------------------------------

    def _crop(self, shape: BatchShape, rng: np.random.Generator) -> Crop:
        stream = int(rng.integers(self.bank.streams))
        first = int(rng.integers(self.bank.windows - shape.windows + 1))
        is_open = bool(rng.random() < shape.open_share)
        jumps = np.zeros(shape.windows, np.int64)
        if shape.windows > 1 and rng.random() < shape.jumps:
            for place in rng.integers(1, shape.windows, int(rng.integers(1, 4))):
                jumps[place] = int(np.exp(rng.uniform(*np.log(JUMP_IDS))))
        aligned = jumps // WINDOW_IDS * WINDOW_IDS
        starts = _ORIGIN + np.arange(shape.windows) * WINDOW_IDS + np.cumsum(aligned)
        too_long = starts[-1] - starts[0] > HORIZON_IDS - WINDOW_IDS
        calm = _ORIGIN + np.arange(shape.windows) * WINDOW_IDS
        return Crop(stream, first, is_open, calm if too_long else starts)

    def _span(self, crop: Crop, moment: int, since: int = 0) -> tuple[float, float]:
        """Scene seconds (now, since) of a question put after window ``moment`` about all windows
        from ``since`` on."""
        offset_s = float(self.bank.offsets_s[crop.stream])
        at = crop.first + moment
        still_open = crop.is_open and moment == crop.last
        passed_s = float(self.bank.elapsed_s[crop.stream, at]) if still_open else WINDOW_S
        return offset_s + at * WINDOW_S + passed_s, offset_s + (crop.first + since) * WINDOW_S

    # -- what is asked ----------------------------------------------------------------------

    def _kinds(self, crop: Crop, shape: BatchShape) -> list[str]:
        """What can be asked of the tracks there are, short answers or descriptions."""
        return [
            kind
            for kind in _kinds(self._scenes[crop.stream], shape.modalities)
            if (kind in DESCRIBED_KINDS) == shape.described
            and (shape.past is None or kind in LATEST_KINDS)
        ]

    def _askable(
        self, crop: Crop, moment: int, kinds: Sequence[str], rng: np.random.Generator
    ) -> list[Question]:
        """At most one question of each kind; where seconds matter only about the time since the
        clock last jumped."""
        scene = self._scenes[crop.stream]
        now_s, since_s = self._span(crop, moment)
        asked = scene.questions(now_s, since_s, rng, [k for k in kinds if k not in TIMED_KINDS])
        asked = [q for q in (self._retimed(crop, moment, q) for q in asked) if q]
        _, calm_s = self._span(crop, moment, crop.calm_since(moment))
        return asked + scene.questions(now_s, calm_s, rng, [k for k in kinds if k in TIMED_KINDS])

    def _retimed(self, crop: Crop, moment: int, question: Question) -> Question | None:
        """The question with an age that counts the jumps of the clock since; ``None`` where that
        is not clear."""
        if question.kind not in AGE_KINDS:
            return question
        begin_s = question.evidence_s[0]
        at, _ = self._evidence(crop, moment, [question])
        jumped = int(crop.starts[moment] - crop.starts[at]) - (moment - at) * WINDOW_IDS
        now_s, _ = self._span(crop, moment)
        answer = ago(now_s - begin_s + jumped / IDS_PER_S)
        return replace(question, answer=answer) if answer else None

    def _evidence(self, crop: Crop, moment: int, questions: Sequence[Question]) -> tuple[int, int]:
        """First and last window that the answers rest on."""
        start_s = min(question.evidence_s[0] for question in questions)
        end_s = max(question.evidence_s[1] for question in questions)
        origin_s = float(self.bank.offsets_s[crop.stream]) + crop.first * WINDOW_S
        first, last = (int((at_s - origin_s) // WINDOW_S) for at_s in (start_s, end_s - 1e-6))
        return min(max(first, 0), moment), min(max(last, 0), moment)

    def _conversations(
        self, crop: Crop, shape: BatchShape, rng: np.random.Generator, progress: Progress
    ) -> list[Conversation]:
        moments = _moments(crop, shape, rng)
        share = -(-shape.questions // len(moments))
        talks = [
            talk
            for moment in moments
            for talk in self._at(crop, moment, share, shape, rng, progress)
        ]
        return talks[: shape.questions]

    def _at(
        self,
        crop: Crop,
        moment: int,
        count: int,
        shape: BatchShape,
        rng: np.random.Generator,
        progress: Progress,
    ) -> list[Conversation]:
        """Up to ``count`` conversations at one moment."""
        every = self._kinds(crop, shape)
        wanted = rng.choice(every, min(len(every), 2 * count), False, progress.weights(every))
        pool = self._askable(crop, moment, wanted.tolist(), rng)
        questions = [in_other_words(pool[int(i)], rng) for i in rng.permutation(len(pool))[:count]]
        earlier = self._earlier(crop, moment, shape, rng) if shape.turns > 1 else []
        talks = []
        while questions:
            taken = questions[: shape.turns] if rng.random() < 0.5 else questions[:1]
            questions = questions[len(taken) :]
            turns = [Turn(question) for question in taken]
            if len(turns) < shape.turns:
                turns = [Turn(q, taught=False) for q in earlier[:1]] + turns
            evidence = self._evidence(crop, moment, taken)
            talks.append(Conversation(tuple(turns), moment, evidence))
        return talks

    def _earlier(
        self, crop: Crop, moment: int, shape: BatchShape, rng: np.random.Generator
    ) -> list[Question]:
        """Questions as they were answered some seconds before."""
        now_s, since_s = self._span(crop, moment)
        then_s = now_s - float(rng.uniform(1.0, 6.0))
        scene = self._scenes[crop.stream]
        if then_s <= since_s + 1.0:
            return []
        asked = scene.questions(then_s, since_s, rng, _kinds(scene, shape.modalities))
        return [asked[int(i)] for i in rng.permutation(len(asked))]

    # -- together ---------------------------------------------------------------------------

    def _assemble(
        self,
        shape: BatchShape,
        crops: Sequence[Crop],
        rows: Sequence[Sequence[Conversation]],
        instruction: str,
        since_prompt: Sequence[int],
    ) -> Batch:
        s, w = places(crops)
        opened = torch.tensor([crop.is_open for crop in crops])
        part = _tokens_of(shape.modalities)
        tokens, valid, salient = (x[:, :, part] for x in self._windows(s, w, opened))
        starts = torch.from_numpy(np.stack([crop.starts for crop in crops]))
        within = window_positions()[:, part]
        newest = starts + (within.amax(0) * valid).amax(-1)
        packed = self._packer.pack(rows, shape.modalities)
        return Batch(
            tokens=tokens,
            valid=valid,
            salient=salient,
            starts=starts,
            within=within,
            labels=self._labels.of(crops, part),
            video=VIDEO_TOKENS if shape.modalities.video else 0,
            closed=shape.windows - opened.long(),
            text_start=newest.cummax(1).values.gather(1, packed.moment) + 1,
            prompt=torch.tensor(self._packer.ids(prompt_text(instruction, shape.modalities))),
            prompt_end=starts[:, 0] - torch.tensor(since_prompt),
            past=nothing(len(crops), tokens.shape[-1]),
            markers=shape.modalities.markers,
            packed=packed,
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


def _moments(crop: Crop, shape: BatchShape, rng: np.random.Generator) -> list[int]:
    """Windows after which something is asked: the last, and others at random."""
    others = min(shape.moments, crop.last + 1) - 1
    return [*(int(m) for m in rng.choice(crop.last, others, replace=False)), crop.last]


def _since_prompt(crop: Crop, rng: np.random.Generator) -> int:
    """Ids between the prompt and the crop: none at a stream's start, later up to the horizon."""
    free = HORIZON_IDS - int(crop.starts[-1] - crop.starts[0]) - WINDOW_IDS
    return int(np.exp(rng.uniform(0.0, np.log(max(free, 2))))) if rng.random() < 0.5 else 0


def _kinds(scene: Scene, modalities: Modalities) -> list[str]:
    if modalities.video and modalities.audio:
        return list(scene.plot.kinds)
    allowed = VIDEO_KINDS if modalities.video else AUDIO_KINDS
    return [kind for kind in scene.plot.kinds if kind in allowed]


def _tokens_of(modalities: Modalities) -> slice:
    first = 0 if modalities.video else VIDEO_TOKENS
    return slice(first, WINDOW_TOKENS if modalities.audio else VIDEO_TOKENS)


def window_positions() -> Tensor:
    """[3, 68] from the start of a window, where its pictures are anchored."""
    cells = [grid_positions(g * 25, 0, 3, 3) for g in range(GRIDS)]
    return torch.cat([*cells, torch.arange(AUDIO_TOKENS).expand(3, -1)], 1)
