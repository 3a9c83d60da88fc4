"""A question about a clip that is there as a whole: the paper's setting, with any selector.

The windows' pools are joined to one, the selector reads it with the question after it, and the LLM
reads prompt, kept tokens and question in one forward. ``Arrange`` says how what is kept is laid
before the LLM: the paper's way, or one of its ablations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sieve.clip import GrowingCache
from sieve.cs2 import kept_count
from sieve.model import Model
from sieve.pool import Pool, WindowEncoder
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text, question_text
from sieve.prune import Pruner, Reading, counts_of, read_pruned, shares
from sieve.rope import prompt_positions, suffix_positions
from sieve.select import Selection, Text
from sieve.timeline import Timeline
from sieve.tokens import IDS_PER_S, WINDOW_S, Counts, RawWindow

_WINDOW_IDS = round(WINDOW_S * IDS_PER_S)


@dataclass(frozen=True, slots=True)
class Arranged:
    """``order`` [k] in which the LLM reads the kept tokens, their ``positions`` [3, k] (before they
    are ordered), and the id at which text goes on."""

    order: Tensor
    positions: Tensor
    next_id: int


Arrange = Callable[[Tensor, int, int], Arranged]
"""Positions [3, k] of kept tokens in the clip's order, ids at which the clip begins and ends."""


def in_place(positions: Tensor, begin_id: int, end_id: int) -> Arranged:
    """In the order of the clip, each at its own time."""
    return Arranged(torch.arange(positions.shape[1]), positions, end_id)


def compacted(positions: Tensor, begin_id: int, end_id: int) -> Arranged:
    """As if what was dropped had never been: the times that are left are counted through."""
    _, rank = positions[0].unique(return_inverse=True)
    closed = positions - positions[0] + begin_id + rank
    newest = int(closed.max()) if closed.shape[1] else begin_id - 1
    return Arranged(torch.arange(positions.shape[1]), closed, newest + 1)


def shuffled(positions: Tensor, begin_id: int, end_id: int) -> Arranged:
    """Each at its own time, read in random order: the order of reading tells nothing of time."""
    generator = torch.Generator().manual_seed(positions.shape[1])
    return Arranged(torch.randperm(positions.shape[1], generator=generator), positions, end_id)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, the probability of its first token, the tokens it could rest on and all there
    were."""

    text: str
    confidence: float
    kept: Counts
    seen: Counts


class OfflineClip:
    """All windows of a clip up to a moment, the last of them perhaps open. ``attention``: whether
    the pool tells what attention its tokens receive, which some selectors read. ``told``: what the
    user says before the clip."""

    def __init__(
        self,
        model: Model,
        closed: Sequence[RawWindow],
        opened: RawWindow | None = None,
        *,
        attention: bool = False,
        told: str = "",
        instruction: str = DEFAULT_INSTRUCTION,
    ) -> None:
        self._model = model
        self._modalities = _modalities([*closed, *([opened] if opened else [])])
        self._begin_id, self._prompt = _prompt(model, self._modalities, instruction, told)
        timeline = Timeline(self._begin_id, 0.0, model.layout.anchor_period_ids)
        encoder = WindowEncoder(model.backbone, model.layout.pixels, attention=attention)
        with torch.inference_mode():
            pools = [encoder.close_window(window, timeline) for window in closed]
            pools += [encoder.open_window(opened, timeline)] if opened else []
            self.pool = joined(model, pools)  # all pictures, then all sound

    @torch.inference_mode()
    def answer(
        self, question: str, retention: float, arrange: Arrange = in_place, *, most: int = 64
    ) -> Answered:
        """Greedy, at most ``most`` tokens; the selector has read the question."""
        backbone, pool = self._model.backbone, self.pool
        ids = backbone.token_ids(question_text(question, [], self._modalities))
        end_id = int(pool.positions.max()) + 1 if len(pool) else self._begin_id
        asked = Text(backbone.embed(ids), self._question_positions(end_id, len(ids)))
        chosen = self._sieve(retention, asked)
        embeds, positions = self._laid_out(chosen, asked, arrange(*self._kept(chosen, end_id)))
        cache = GrowingCache()
        hidden = backbone.read(embeds, positions, cache, None)
        return self._answered(hidden, int(positions.max()) + 1, cache, chosen.keep, most)

    @torch.inference_mode()
    def answer_pruned(
        self, question: str, retention: float, pruner: Pruner, *, most: int = 64
    ) -> Answered:
        """The same by a method that drops tokens inside the LLM, as it was published; ``kept`` are
        the tokens it reads in the first layer. Raises BudgetUnreachable for a ``retention``, the
        layer average, below the method's floor."""
        backbone, pool = self._model.backbone, self.pool
        counts = counts_of(shares(pruner, backbone.depth, retention), len(pool))
        ids = backbone.token_ids(question_text(question, [], self._modalities))
        end_id = int(pool.positions.max()) + 1 if len(pool) else self._begin_id
        where = self._question_positions(end_id, len(ids))
        entering = self._in_order(pruner.enter(pool, retention))
        embeds = torch.cat([self._prompt.embeds, pool.embeds[entering], backbone.embed(ids)])
        seen = pool.positions[:, entering.cpu()]
        is_pool = torch.zeros(len(embeds), dtype=torch.bool)
        is_pool[len(self._prompt) : len(self._prompt) + len(entering)] = True
        positions, cache = torch.cat([self._prompt.positions, seen, where], dim=1), GrowingCache()
        reading = Reading(backbone, embeds, positions, is_pool, cache)
        hidden = read_pruned(reading, pruner, counts).finish()
        return self._answered(hidden, int(positions.max()) + 1, cache, entering, most)

    def _answered(
        self, hidden: Tensor, next_id: int, cache: GrowingCache, keep: Tensor, most: int
    ) -> Answered:
        """What follows of a prefill, ``hidden`` [n, d], of the tokens ``keep``."""
        tokens, confidence = self._generate(hidden, next_id, cache, most)
        audio = int((keep >= self.pool.video).sum())
        tokenizer = self._model.backbone.tokenizer
        return Answered(
            text=str(tokenizer.decode(tokens, skip_special_tokens=True)),
            confidence=confidence,
            kept=Counts(len(keep) - audio, audio),
            seen=Counts(self.pool.video, self.pool.audio),
        )

    def _question_positions(self, first_id: int, count: int) -> Tensor:
        return suffix_positions(first_id, count, self._modalities.markers)

    def _sieve(self, retention: float, asked: Text) -> Selection:
        """The selection, in the clip's order: window by window, pictures before sound."""
        pool = self.pool
        if not len(pool):
            return Selection(torch.zeros(0, dtype=torch.long), pool.embeds, torch.zeros(0))
        count = kept_count(retention, len(pool))
        chosen = self._model.selector.select(pool, count, self._prompt, asked)
        order = self._order(chosen.keep)
        return replace(chosen, keep=chosen.keep[order], states=chosen.states[order])

    def _order(self, keep: Tensor) -> Tensor:
        """In which ``keep`` (ascending in the pool) follows the clip."""
        window = (self.pool.positions[0, keep.cpu()] - self._begin_id) // _WINDOW_IDS
        return window.argsort(stable=True).to(keep.device)

    def _in_order(self, keep: Tensor) -> Tensor:
        return keep[self._order(keep)]

    def _kept(self, chosen: Selection, end_id: int) -> tuple[Tensor, int, int]:
        return self.pool.positions[:, chosen.keep.cpu()], self._begin_id, end_id

    def _laid_out(
        self, chosen: Selection, asked: Text, arranged: Arranged
    ) -> tuple[Tensor, Tensor]:
        """What the LLM reads: embeds [n, d], positions [3, n]."""
        refined = self._model.layout.text_states == "refined" and chosen.after is not None
        text = chosen.after if refined and chosen.after is not None else asked.embeds
        order = arranged.order
        where = self._question_positions(arranged.next_id, len(asked))
        return (
            torch.cat([self._prompt.embeds, chosen.states[order.to(text.device)], text]),
            torch.cat([self._prompt.positions, arranged.positions[:, order], where], dim=1),
        )

    def _generate(
        self, hidden: Tensor, next_id: int, cache: GrowingCache, most: int
    ) -> tuple[list[int], float]:
        """Greedy tokens without the one that ends them, and the probability of the first."""
        backbone = self._model.backbone
        logits = backbone.logits(hidden[-1:])[0]
        confidence = float(logits.softmax(0).max())
        tokens: list[int] = []
        while (token := int(logits.argmax())) not in self._model.stop_ids:
            tokens.append(token)
            if len(tokens) >= most:
                break
            at = torch.full((3, 1), next_id + len(tokens) - 1)
            logits = backbone.logits(backbone.read(backbone.embed([token]), at, cache, None))[0]
        return tokens, confidence


def joined(model: Model, pools: Sequence[Pool]) -> Pool:
    """One pool of many: the pictures of all, then the sound of all."""
    width = model.backbone.text_config.hidden_size
    empty = torch.zeros(0, width, dtype=model.backbone.dtype, device=model.backbone.device)
    pictures = [pool.embeds[: pool.video] for pool in pools]
    sounds = [pool.embeds[pool.video :] for pool in pools]
    where = [pool.positions[:, : pool.video] for pool in pools]
    where += [pool.positions[:, pool.video :] for pool in pools]
    grids, offset = [], 0
    for pool in pools:
        grids += [replace(grid, offset=grid.offset + offset) for grid in pool.grids]
        offset += pool.video
    return Pool(
        start_s=pools[0].start_s if pools else 0.0,
        embeds=torch.cat([empty, *pictures, *sounds]),
        positions=torch.cat([torch.zeros(3, 0, dtype=torch.long), *where], dim=1),
        grids=tuple(grids),
        audio=sum(pool.audio for pool in pools),
        received=_received(pools),
    )


def _received(pools: Sequence[Pool]) -> Tensor | None:
    """In the order of ``joined``, where every pool tells it."""
    told = [(pool.received, pool.video) for pool in pools if pool.received is not None]
    if not told or len(told) < len(pools):
        return None
    seen = [received[:video] for received, video in told]
    return torch.cat([*seen, *(received[video:] for received, video in told)])


def _prompt(model: Model, modalities: Modalities, instruction: str, told: str) -> tuple[int, Text]:
    """The id at which the stream begins, and the prompt before it, which begins at 0."""
    ids = model.backbone.token_ids(prompt_text(instruction, modalities, told))
    begin_id = len(ids) - max(modalities.markers - 1, 0)
    where = prompt_positions(begin_id, len(ids), modalities.markers)
    return begin_id, Text(model.backbone.embed(ids), where)


def _modalities(windows: Sequence[RawWindow]) -> Modalities:
    """The markers around a clip: those of what it holds, both where it holds nothing."""
    found = Modalities(
        any(window.grids for window in windows),
        any(window.samples is not None for window in windows),
    )
    return found if found.markers else Modalities()
