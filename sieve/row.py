"""One session on the accelerator: its slots, its prompt, its clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.cs2 import top_k
from sieve.errors import SettingInvalid, WindowOutOfOrder
from sieve.memory import Arena, RowWriter, SlotTable, slots_of
from sieve.model import Model
from sieve.pinned import PinnedPrompt
from sieve.policy import Policy, expired
from sieve.pool import Pool, WindowEncoder
from sieve.prompt import Modalities, prompt_text
from sieve.select import Method, Selection, Text
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


@dataclass(frozen=True, slots=True)
class RowSettings:
    """What a session runs with. All but ``start_s`` and ``look_back`` may change on the way."""

    start_s: float
    retention: float
    method: Method
    instruction: str
    slots: int
    look_back: int


class Row:
    """The state of one stream: prompt and kept tokens in a row of the arena."""

    def __init__(
        self, model: Model, arena: Arena, index: int, policy: Policy, settings: RowSettings
    ) -> None:
        self.model, self.arena, self.index = model, arena, index
        self.table = SlotTable(arena.shape.slots, settings.slots)
        self.settings = settings
        self.modalities = Modalities()
        self.encoder = WindowEncoder(
            model.backbone, model.layout.pixels, attention=settings.method.attention
        )
        self.prompt = PinnedPrompt(model, arena, index)
        self.recent: deque[Pool] = deque(maxlen=settings.look_back)
        self.last_start_s: float | None = None
        self.newest_frame_s: float | None = None
        self._policy = policy
        self._newest_id: int | None = None
        self._seen: dict[int, tuple[float, Counts]] = {}  # by window id, of windows still held
        self.check_settings(settings.slots, settings.instruction)
        self._begin_timeline()

    @property
    def retention(self) -> float:
        return self.settings.retention

    # -- the prompt -------------------------------------------------------------------------

    def _begin_timeline(self) -> None:
        """The prompt begins at the stream's origin, the stream right after it."""
        ids = self._prompt_ids(self.settings.instruction)
        distinct = len(ids) - max(self.modalities.markers - 1, 0)
        start_s = self.settings.start_s
        origin_id = round(start_s * IDS_PER_S)
        self.timeline = Timeline(origin_id + distinct, start_s, self.model.layout.anchor_period_ids)
        self._read_prompt()

    def _read_prompt(self) -> None:
        """Read the prompt anew into its slots; what was ingested stays as it was read."""
        ids = self._prompt_ids(self.settings.instruction)
        self.table.evict(self.prompt.slots)
        self._make_room(len(ids), self._newest_stream_id())
        slots = self.table.take(len(ids))
        where = self.prompt.read(ids, self.modalities.markers, self.timeline.base_id, slots)
        kind = np.full(len(ids), TEXT, dtype=np.uint8)
        score = np.zeros(len(ids), dtype=np.float32)
        self.table.fill(slots, kind, score, where[0].numpy(), self.timeline.base_id)
        if self.last_start_s is not None:
            newest = self.timeline.id_at(self.last_start_s) + _WINDOW_IDS
            self.prompt.move(newest - self.model.layout.horizon_ids)

    def configure(self, settings: RowSettings) -> None:
        """Change settings that ``check_settings`` has passed; tokens leave by the policy where the
        memory shrinks."""
        before, self.settings = self.settings, settings
        self.table.budget = settings.slots
        if settings.method.attention and not before.method.attention:
            self.recent.clear()  # these pools lack what the new method reads
        self.encoder.attention = settings.method.attention
        if settings.instruction != before.instruction:
            self._read_prompt()
        else:
            self._make_room(0, self._newest_stream_id())

    def check_settings(self, slots: int, instruction: str) -> None:
        """Raise SettingInvalid where these two could not both be had."""
        if not 0 < slots <= self.table.slots:
            raise SettingInvalid(f"a memory has 1 to {self.table.slots} slots, got {slots}")
        prompt = len(self._prompt_ids(instruction))
        if slots < prompt + _MIN_STREAM_SLOTS:
            raise SettingInvalid(
                f"a memory of {slots} slots is too small: the prompt takes {prompt} "
                f"and the stream needs {_MIN_STREAM_SLOTS}, so at least "
                f"{prompt + _MIN_STREAM_SLOTS}"
            )

    def _prompt_ids(self, instruction: str) -> list[int]:
        return self.model.backbone.token_ids(prompt_text(instruction, self.modalities))

    # -- the stream -------------------------------------------------------------------------

    @property
    def _earliest_s(self) -> float:
        last = self.last_start_s
        return self.settings.start_s if last is None else last + WINDOW_S

    def is_next(self, window: RawWindow) -> bool:
        """Whether a window lies after all that were ingested (and after the stream's start)."""
        return window.start_s > self._earliest_s - _TIME_SLACK_S

    def remembers(self, pool: Pool) -> bool:
        """Whether an ingested window is still within the horizon."""
        return self.timeline.id_at(pool.start_s) >= self.prompt.end_id

    def begin(self, window: RawWindow) -> None:
        """Take note of a closed window's time; the first fixes the markers around the stream."""
        if not self.is_next(window):
            raise WindowOutOfOrder(
                f"a window at {window.start_s} s where the next starts at {self._earliest_s} s or "
                "later: windows are ingested in order, each once"
            )
        self._mark(Modalities(bool(window.grids), window.samples is not None))
        self.last_start_s = window.start_s

    def _mark(self, found: Modalities) -> None:
        """Have markers for what the stream turns out to hold; sound or pictures may come late."""
        if self._newest_id is None:
            if found.markers and found != self.modalities:
                self.modalities = found
                self._begin_timeline()
        elif (both := self.modalities.joined(found)) != self.modalities:
            self.modalities = both
            self._read_prompt()

    def fit(self, selection: Selection) -> Selection:
        """The best of a selection where a window alone would overfill the memory."""
        room = self.table.budget - len(self.prompt)
        if len(selection.keep) <= room:
            return selection
        best = top_k(selection.scores[selection.keep], room)
        return replace(selection, keep=selection.keep[best], states=selection.states[best])

    def append(self, pool: Pool, selection: Selection) -> int:
        """Write a selection that fits; returns how many older tokens had to leave."""
        window_id = self.timeline.id_at(pool.start_s)
        evicted = self._forget_expired(window_id)
        evicted += self._make_room(len(selection.keep), window_id + _WINDOW_IDS)
        if len(selection.keep):
            self._write(pool, selection, window_id)
            self._newest_id = max(self._newest_stream_id(), int(pool.positions.max()))
            self._seen[window_id] = (pool.start_s, Counts(pool.video, pool.audio))
        held = self._windows_held()
        self._seen = {at: seen for at, seen in self._seen.items() if at in held}
        if pool.grids:
            self.newest_frame_s = pool.grids[-1].time_s
        return evicted

    def _forget_expired(self, window_id: int) -> int:
        oldest = window_id + _WINDOW_IDS - self.model.layout.horizon_ids
        old = expired(self.table.stream_entries(), oldest)
        self.table.evict(old)
        self.prompt.move(oldest)
        return len(old)

    def _make_room(self, count: int, now_id: int) -> int:
        lacking = self.table.used + count - self.table.budget
        if lacking <= 0:
            return 0
        policy = self.settings.method.policy or self._policy
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

    # -- what is told about it --------------------------------------------------------------

    def next_text_id(self, pool: Pool | None = None) -> int:
        """Text continues after the newest id of any axis, as in the stock model; after the prompt
        where a long silence has let everything else leave."""
        newest = self._newest_stream_id()
        if pool is not None and len(pool):
            newest = max(newest, int(pool.positions.max()))
        return newest + 1

    def refine(self, text: Text) -> Tensor:
        """A question's states [n, d] where no window is refined with it: prompt and question
        alone. The model has a sieve."""
        cs2 = self.model.cs2
        assert cs2 is not None
        before = self.prompt.before(int(text.positions.min()))
        where = torch.cat([before.positions, text.positions], dim=1)[:, None]
        states, _ = cs2(torch.cat([before.embeds, text.embeds])[None], where.to(text.embeds.device))
        return states[0, len(before) :]

    def _newest_stream_id(self) -> int:
        last_of_prompt = self.prompt.end_id - 1
        return last_of_prompt if self._newest_id is None else max(last_of_prompt, self._newest_id)

    def visible(self, looked_again: Sequence[float], now_s: float | None) -> NDArray[np.int64]:
        """Slots a question may see at ``now_s``: those within the horizon, without the windows that
        are looked at again."""
        again = [self.timeline.id_at(start_s) for start_s in looked_again]
        if now_s is None:
            return slots_of(self.table, again)
        oldest = self.timeline.id_at(now_s) - self.model.layout.horizon_ids
        return slots_of(self.table, again, oldest)

    def lately(self, within_s: float | None) -> NDArray[np.int64]:
        """Slots of the prompt and of the windows that began in the last ``within_s`` of the stream,
        the newest one always; None: of all."""
        if within_s is None or self.last_start_s is None:
            return slots_of(self.table)
        start_s = self.last_start_s + WINDOW_S - max(within_s, WINDOW_S)
        return slots_of(self.table, oldest_id=self.timeline.id_at(start_s))

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
