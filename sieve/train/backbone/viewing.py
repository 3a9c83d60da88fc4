"""A clip before the sieve: its windows through the towers, at the places a session gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sieve.model import Model
from sieve.pool import Pool, WindowEncoder
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text, question_text
from sieve.rope import prompt_positions, suffix_positions
from sieve.select import Selection, Selector, Text
from sieve.timeline import Timeline
from sieve.tokens import RawWindow

Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Footage:
    """Windows [0, 2), [2, 4) ... of a clip, all of them whole. Of the last one's sound the first
    ``heard`` samples are the clip's, the rest is silence."""

    windows: tuple[RawWindow, ...]
    heard: int

    def still_open(self) -> RawWindow:
        """The last window as it is at the clip's last moment, while it is open."""
        last = self.windows[-1]
        samples = None if last.samples is None else last.samples[: self.heard]
        return replace(last, samples=samples, lookahead=None)


@dataclass(frozen=True, slots=True)
class Viewing:
    """Pools of all windows in order; of an ``opened`` viewing the last window is still open, so a
    question reads it together with its own text. ``prompt`` [P, d] are raw embeddings."""

    pools: tuple[Pool, ...]
    opened: bool
    timeline: Timeline
    modalities: Modalities
    prompt: Tensor

    @property
    def closed(self) -> tuple[Pool, ...]:
        """The pools that go through the memory."""
        return self.pools[:-1] if self.opened else self.pools

    @property
    def window_open(self) -> Pool | None:
        return self.pools[-1] if self.opened else None

    @property
    def tokens(self) -> int:
        """Audio-visual tokens of the whole clip."""
        return sum(len(pool) for pool in self.pools)

    def before(self, position_id: int) -> Text:
        """The prompt as CS2 reads it: raw, right before ``position_id``."""
        markers = self.modalities.markers
        return Text(self.prompt, prompt_positions(position_id, len(self.prompt), markers))

    def sieve(self, selector: Selector, pool: Pool, after: Text | None = None) -> Selection:
        """All tokens of a pool with their states and scores."""
        before = self.before(self.timeline.id_at(pool.start_s))
        return selector.select(pool, len(pool), before, after)


def view(
    model: Model, footage: Footage, *, opened: bool, instruction: str = DEFAULT_INSTRUCTION
) -> Viewing:
    """The towers over a clip; gradients reach them where they learn."""
    modalities = modalities_of(footage)
    ids = model.backbone.token_ids(prompt_text(instruction, modalities))
    start_id = len(ids) - max(modalities.markers - 1, 0)
    timeline = Timeline(start_id, 0.0, model.layout.anchor_period_ids)
    encoder = WindowEncoder(model.backbone, model.layout.pixels)
    closed = footage.windows[:-1] if opened else footage.windows
    pools = [encoder.close_window(window, timeline) for window in closed]
    if opened:
        pools.append(encoder.open_window(footage.still_open(), timeline))
    return Viewing(tuple(pools), opened, timeline, modalities, model.backbone.embed(ids))


def modalities_of(footage: Footage) -> Modalities:
    """What the clip holds. (A session learns it window by window.)"""
    video = any(window.grids for window in footage.windows)
    audio = any(window.samples is not None for window in footage.windows)
    return Modalities(video, audio)


def question_ids(model: Model, modalities: Modalities, question: str, history: Turns) -> list[int]:
    """The text after the stream, up to where the answer begins."""
    return model.backbone.token_ids(question_text(question.strip(), history, modalities))


def text_after(model: Model, viewing: Viewing, newest_id: int, ids: Sequence[int]) -> Text:
    """Question ``ids`` as raw embeddings, after the newest id of memory and open window."""
    pool = viewing.window_open
    if pool is not None and len(pool):
        newest_id = max(newest_id, int(pool.positions.max()))
    where = suffix_positions(newest_id + 1, len(ids), viewing.modalities.markers)
    return Text(model.backbone.embed(torch.tensor(ids)), where)
