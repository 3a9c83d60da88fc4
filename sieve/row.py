"""One session on the accelerator: its slots, its prompt, its clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.cs2 import top_k
from sieve.errors import SettingInvalid, WindowOutOfOrder
from sieve.memory import Arena, RowWriter, SlotTable
from sieve.model import Model
from sieve.policy import Policy, expired
from sieve.pool import Pool, WindowEncoder
from sieve.prompt import Modalities, prompt_text
from sieve.rope import prompt_positions, rotate_keys
from sieve.select import Selection, Text
from sieve.timeline import Timeline
from sieve.tokens import (
    AUDIO,
    IDS_PER_S,
    TEXT,
    VIDEO,
    WINDOW_S,
    Counts,
    MemoryState,
    RawWindow,
    Span,
)

_WINDOW_IDS = round(WINDOW_S * IDS_PER_S)
_MIN_STREAM_SLOTS = 16
_TIME_SLACK_S = 1e-6


class Row:
    """The state of one stream: prompt and kept tokens in a row of the arena."""

    def __init__(
        self, model: Model, arena: Arena, index: int, start_s: float, instruction: str, slots: int
    ) -> None:
        self.model, self.arena, self.index = model, arena, index
        self.table = SlotTable(arena.shape.slots, slots)
        self.instruction = instruction
        self.modalities = Modalities()
        self.encoder = WindowEncoder(model.backbone, model.layout.pixels)
        self.last_start_s: float | None = None
        self.newest_frame_s: float | None = None
        self._newest_id: int | None = None
        self._seen: dict[int, tuple[float, Counts]] = {}  # by window id, of windows still held
        self._origin_id = round(start_s * IDS_PER_S)
        self._start_s = start_s
        self._prompt_slots: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._prompt_keys: list[Tensor] = []
        self.check_settings(slots, instruction)
        self._write_prompt(first=True)

    # -- the prompt -------------------------------------------------------------------------

    def _write_prompt(self, *, first: bool, policy: Policy | None = None) -> None:
        """Read the prompt anew into its pinned slots; it ends right before the stream begins."""
        ids = self._prompt_ids(self.instruction)
        markers = self.modalities.video + self.modalities.audio
        distinct = len(ids) - max(markers - 1, 0)
        if first:
            self.timeline = Timeline(
                self._origin_id + distinct, self._start_s, self.model.layout.anchor_period_ids
            )
        self.table.evict(self._prompt_slots)
        if policy is not None:
            self._make_room(len(ids), policy, self.next_text_id())
        self.prompt_embeds = self._prompt_states(ids, markers)
        self._markers = markers
        self._prompt_end = self.timeline.base_id
        self._read_prompt()

    def _prompt_states(self, ids: list[int], markers: int) -> Tensor:
        embeds = self.model.backbone.embed(ids)
        self.raw_prompt = embeds
        cs2 = self.model.cs2
        if cs2 is None or self.model.layout.text_states == "raw":
            return embeds
        where = prompt_positions(self.timeline.base_id, len(ids), markers)
        states, _ = cs2(embeds[None], where[:, None].to(embeds.device))
        return states[0]

    def _read_prompt(self) -> None:
        count = len(self.prompt_embeds)
        where = prompt_positions(self._prompt_end, count, self._markers)
        hidden_windows = np.zeros(self.table.slots, dtype=bool)  # the prompt sees itself alone
        self._prompt_slots = self.table.take(count)
        writer = RowWriter(self.arena, self.index, self._prompt_slots, hidden_windows)
        self.model.backbone.read(self.prompt_embeds, where, writer, writer.mask)
        kind = np.full(count, TEXT, dtype=np.uint8)
        score = np.zeros(count, dtype=np.float32)
        self.table.fill(self._prompt_slots, kind, score, where[0].numpy(), self._prompt_end)
        at = self._slot_index()
        self._prompt_keys = [layer[self.index][:, at].clone() for layer in self.arena.keys]
        self._prompt_home = self._prompt_end

    def _slot_index(self) -> Tensor:
        return torch.from_numpy(self._prompt_slots).to(self.arena.keys[0].device)

    def _move_prompt(self, end_id: int) -> None:
        """Keep the prompt within the horizon: its keys are turned, always from the originals."""
        if end_id <= self._prompt_end:
            return
        self._prompt_end = end_id
        at, rotary = self._slot_index(), self.model.backbone.rotary
        for layer, keys in zip(self.arena.keys, self._prompt_keys, strict=True):
            layer[self.index][:, at] = rotate_keys(keys, end_id - self._prompt_home, rotary)

    def set_instruction(self, instruction: str, policy: Policy) -> None:
        """Replace the standing instruction; what was ingested stays as it was read."""
        self.instruction = instruction
        self._write_prompt(first=False, policy=policy)
        self._follow_horizon()

    def check_settings(self, slots: int | None, instruction: str | None) -> None:
        """Raise SettingInvalid where ``resize`` and ``set_instruction`` could not both be done."""
        budget = self.table.budget if slots is None else slots
        if not 0 < budget <= self.table.slots:
            raise SettingInvalid(f"a memory has 1 to {self.table.slots} slots, got {budget}")
        prompt = len(self._prompt_ids(self.instruction if instruction is None else instruction))
        if budget < prompt + _MIN_STREAM_SLOTS:
            raise SettingInvalid(
                f"a memory of {budget} slots is too small: the prompt takes {prompt} "
                f"and the stream needs {_MIN_STREAM_SLOTS}, so at least "
                f"{prompt + _MIN_STREAM_SLOTS}"
            )

    def _prompt_ids(self, instruction: str) -> list[int]:
        return self.model.backbone.token_ids(prompt_text(instruction, self.modalities))

    def prompt_before(self, position_id: int) -> Text:
        """The prompt as CS2 reads it: raw, right before a window."""
        where = prompt_positions(position_id, len(self.raw_prompt), self._markers)
        return Text(self.raw_prompt, where)

    # -- the stream -------------------------------------------------------------------------

    @property
    def _earliest_s(self) -> float:
        return self._start_s if self.last_start_s is None else self.last_start_s + WINDOW_S

    def is_next(self, window: RawWindow) -> bool:
        """Whether a window lies after all that were ingested (and after the stream's start)."""
        return window.start_s > self._earliest_s - _TIME_SLACK_S

    def remembers(self, pool: Pool) -> bool:
        """Whether an ingested window is still within the horizon."""
        return self.timeline.id_at(pool.start_s) >= self._prompt_end

    def begin(self, window: RawWindow) -> None:
        """Take note of a closed window's time; the first fixes the markers around the stream."""
        if not self.is_next(window):
            raise WindowOutOfOrder(
                f"a window at {window.start_s} s where the next starts at {self._earliest_s} s or "
                "later: windows are ingested in order, each once"
            )
        found = Modalities(bool(window.grids), window.samples is not None)
        if self._newest_id is None and found != self.modalities and (found.video or found.audio):
            self.modalities = found
            self._write_prompt(first=True)
        self.last_start_s = window.start_s

    def fit(self, selection: Selection) -> Selection:
        """The best of a selection where a window alone would overfill the memory."""
        room = self.table.budget - len(self._prompt_slots)
        if len(selection.keep) <= room:
            return selection
        best = top_k(selection.scores[selection.keep], room)
        return replace(selection, keep=selection.keep[best], states=selection.states[best])

    def append(self, pool: Pool, selection: Selection, policy: Policy) -> int:
        """Write a selection that fits; returns how many older tokens had to leave."""
        window_id = self.timeline.id_at(pool.start_s)
        evicted = self._forget_expired(window_id)
        evicted += self._make_room(len(selection.keep), policy, window_id + _WINDOW_IDS)
        if len(selection.keep):
            self._write(pool, selection, window_id)
            self._newest_id = max(self._newest_id or 0, int(pool.positions.max()))
            self._seen[window_id] = (pool.start_s, Counts(pool.video, pool.audio))
        self._seen = {at: seen for at, seen in self._seen.items() if at in self._windows_held()}
        if pool.grids:
            self.newest_frame_s = pool.grids[-1].time_s
        return evicted

    def _forget_expired(self, window_id: int) -> int:
        oldest = window_id + _WINDOW_IDS - self.model.layout.horizon_ids
        old = expired(self.table.stream_entries(), oldest)
        self.table.evict(old)
        self._move_prompt(oldest)
        return len(old)

    def _follow_horizon(self) -> None:
        if self.last_start_s is not None:
            newest = self.timeline.id_at(self.last_start_s) + _WINDOW_IDS
            self._move_prompt(newest - self.model.layout.horizon_ids)

    def _make_room(self, count: int, policy: Policy, now_id: int) -> int:
        lacking = self.table.used + count - self.table.budget
        if lacking <= 0:
            return 0
        leaving = policy.victims(self.table.stream_entries(), lacking, now_id)
        self.table.evict(leaving)
        return len(leaving)

    def _write(self, pool: Pool, selection: Selection, window_id: int) -> None:
        keep = selection.keep.cpu()
        slots = self.table.take(len(keep))
        writer = RowWriter(self.arena, self.index, slots, self.table.valid)
        where = pool.positions[:, keep]
        self.model.backbone.read(selection.states, where, writer, writer.mask)
        scores = selection.scores.cpu()[keep].float().numpy()
        self.table.fill(slots, pool.modality[keep].numpy(), scores, where[0].numpy(), window_id)

    def resize(self, slots: int, policy: Policy) -> None:
        """Change the budget; tokens leave by the policy where it shrinks."""
        self.table.budget = slots
        self._make_room(0, policy, self.next_text_id())

    # -- what is told about it --------------------------------------------------------------

    def next_text_id(self, pool: Pool | None = None) -> int:
        """Text continues after the newest id of any axis, as in the stock model; after the prompt
        where a long silence has let everything else leave."""
        newest = [self._prompt_end - 1]
        if self._newest_id is not None:
            newest.append(self._newest_id)
        if pool is not None and len(pool):
            newest.append(int(pool.positions.max()))
        return max(newest) + 1

    def _windows_held(self) -> set[int]:
        return set(self.table.stream_entries().window_id.tolist())

    def evidence(self, visible: NDArray[np.int64]) -> tuple[dict[float, Counts], Counts]:
        """Of the visible slots: raw tokens seen by window start, and the tokens held."""
        table = self.table
        held = set(table.window_id[visible][table.kind[visible] != TEXT].tolist())
        seen = {start_s: counts for at, (start_s, counts) in self._seen.items() if at in held}
        kinds = table.kind[visible]
        return seen, Counts(int((kinds == VIDEO).sum()), int((kinds == AUDIO).sum()))

    def state(self) -> MemoryState:
        table = self.table
        times = table.time_id[table.valid & (table.kind != TEXT)]
        return MemoryState(
            slots=table.budget,
            used=table.used,
            prompt=table.count(TEXT),
            video=table.count(VIDEO),
            audio=table.count(AUDIO),
            bytes=self.arena.row_bytes,
            oldest_s=self.timeline.time_at(int(times.min())) if len(times) else None,
            newest_s=self.timeline.time_at(int(times.max())) if len(times) else None,
        )


def total(counts: Iterable[Counts]) -> Counts:
    """The sum by modality."""
    every = list(counts)
    return Counts(sum(c.video for c in every), sum(c.audio for c in every))


def join_spans(starts_s: Iterable[float]) -> tuple[Span, ...]:
    """Windows by their start, neighbours joined into one span."""
    spans: list[Span] = []
    for start_s in sorted(set(starts_s)):
        if spans and start_s - spans[-1].end_s < 1e-6:
            spans[-1] = Span(spans[-1].start_s, start_s + WINDOW_S)
        else:
            spans.append(Span(start_s, start_s + WINDOW_S))
    return tuple(spans)
