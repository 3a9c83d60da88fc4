"""The engine: streams in, answers out. Synchronous; owned by one thread.

Rows are sessions, branches are questions. A branch works on a snapshot of what its row remembered
when it began: asking leaves the memory untouched, and ingest goes on while answers are written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from sieve.branch import Branch
from sieve.cs2 import kept_count
from sieve.errors import (
    BranchUnknown,
    NoBranchFree,
    QuestionEmpty,
    QuestionTooLong,
    RowUnknown,
    SettingInvalid,
)
from sieve.judge import Judge, View
from sieve.memory import Arena, ArenaShape, BranchCache
from sieve.model import Model
from sieve.policy import Policy, ScoreWithAge
from sieve.pool import Pool, check_window
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, question_text
from sieve.rope import suffix_positions
from sieve.row import Row, RowSettings, join_spans, total
from sieve.select import Method, Selection, Text
from sieve.selectors import default_method, method_of
from sieve.tokens import FARTHEST_S, Begun, Ingested, MemoryState, Query, RawWindow, Step
from sieve.verdict import Verdict

_MOST_CHARACTERS = 32  # that a token could stand for
_STANDING = 4_096  # questions that are judged again and again, whose tokens are kept


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """``rows`` sessions of ``slots`` each; ``look_back`` closed windows are looked at again with
    the question, besides the open one; ``max_question_tokens`` bounds question and history,
    ``max_answer_tokens`` what an answer may ask for."""

    rows: int = 8
    slots: int = 512
    max_branches: int = 16
    max_question_tokens: int = 1024
    max_answer_tokens: int = 1024
    look_back: int = 0


@dataclass(frozen=True, slots=True)
class RowConfig:
    """One session. ``None`` takes the model's retention, its selector, the default instruction, all
    slots. ``selector`` is a name of ``sieve.selectors``, or a method of one's own."""

    start_s: float = 0.0
    retention: float | None = None
    selector: str | Method | None = None
    instruction: str | None = None
    slots: int | None = None


class Engine:
    """See the module. Bad input raises a SieveError with a clear text before anything changes."""

    def __init__(self, model: Model, config: EngineConfig, policy: Policy | None = None) -> None:
        self.model, self.config = model, config
        self._policy = policy or ScoreWithAge()
        self._arena = Arena(_shape(model, config), model.backbone.dtype, model.backbone.device)
        self._rows: dict[int, Row] = {}
        self._branches: dict[int, Branch] = {}
        self._next_branch = 0
        self._judged_ids = lru_cache(_STANDING)(self._standing_ids)

    # -- rows -------------------------------------------------------------------------------

    @torch.inference_mode()
    def open(self, config: RowConfig) -> int:
        """A new session; returns its row. Raises NoRowFree, SettingInvalid."""
        if not abs(config.start_s) <= FARTHEST_S:
            raise SettingInvalid(
                f"a stream starts at a finite second, at most {FARTHEST_S:.0f} from 0, "
                f"got {config.start_s}"
            )
        settings = RowSettings(
            start_s=config.start_s,
            retention=_share(config.retention, self.model.retention),
            method=self._method(config.selector, default_method(self.model)),
            instruction=config.instruction or DEFAULT_INSTRUCTION,
            slots=self.config.slots if config.slots is None else config.slots,
            look_back=self.config.look_back,
        )
        index = self._arena.take_row()
        try:
            self._rows[index] = Row(self.model, self._arena, index, self._policy, settings)
        except Exception:
            self._arena.give_row(index)
            raise
        return index

    @torch.inference_mode()
    def configure(
        self,
        row: int,
        *,
        retention: float | None = None,
        selector: str | Method | None = None,
        instruction: str | None = None,
        slots: int | None = None,
    ) -> None:
        """Change a running session; ``None`` leaves a setting, an empty instruction is the default
        one. A new selector chooses from the next window on; what is remembered keeps its scores.
        Raises SettingInvalid, having changed nothing."""
        state = self._row(row)
        changed = replace(
            state.settings,
            retention=_share(retention, state.retention),
            method=self._method(selector, state.settings.method),
            instruction=_instruction(instruction, state.settings.instruction),
            slots=state.settings.slots if slots is None else slots,
        )
        state.check_settings(changed.slots, changed.instruction)
        state.configure(changed)

    def retention(self, row: int) -> float:
        """The share of a pool in force for ``row``."""
        return self._row(row).retention

    def selector(self, row: int) -> str:
        """The name of the method that chooses tokens for ``row``."""
        return self._row(row).settings.method.name

    def _method(self, wanted: str | Method | None, otherwise: Method) -> Method:
        if wanted is None:
            return otherwise
        return method_of(self.model, wanted) if isinstance(wanted, str) else wanted

    def close(self, row: int) -> None:
        """End a session and its questions; its slots are wiped."""
        self._row(row)
        for branch in [b.index for b in self._branches.values() if b.row == row]:
            self.cancel(branch)
        del self._rows[row]
        self._arena.give_row(row)

    def memory(self, row: int) -> MemoryState:
        return self._row(row).state()

    # -- windows ----------------------------------------------------------------------------

    @torch.inference_mode()
    def ingest(self, row: int, window: RawWindow) -> Ingested:
        """Sieve a closed window and remember what is kept. Raises WindowOutOfOrder, and
        SettingInvalid or ClipError for arrays that are no window."""
        state = self._row(row)
        check_window(window)
        state.begin(window)
        pool = state.encoder.close_window(window, state.timeline)
        selection = state.fit(self._sieve(state, pool, None))
        evicted = state.append(pool, selection)
        state.recent.append(pool)
        return Ingested(pool.map_of(selection.keep), state.state(), evicted)

    def _sieve(self, state: Row, pool: Pool, after: Text | None) -> Selection:
        count = kept_count(state.retention, len(pool))
        before = state.prompt.before(state.timeline.id_at(pool.start_s))
        return state.settings.method.selector.select(pool, count, before, after)

    # -- questions --------------------------------------------------------------------------

    @torch.inference_mode()
    def ask(
        self,
        row: int,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        open_window: RawWindow | None = None,
        max_tokens: int = 64,
    ) -> Begun:
        """Begin to answer: prefill a branch with what is remembered, what is seen again with the
        question as text, and the question. ``step`` then writes at most ``max_tokens``. An open
        window that was ingested meanwhile is in the memory and not looked at again. Raises
        QuestionEmpty, QuestionTooLong, NoBranchFree, SettingInvalid; the memory is not changed,
        whatever happens."""
        state = self._row(row)
        if not 0 < max_tokens <= self.config.max_answer_tokens:
            raise SettingInvalid(
                f"an answer has 1 to {self.config.max_answer_tokens} tokens, got {max_tokens}"
            )
        ids = self._question_ids(state.modalities, question, history)
        if len(self._branches) >= self.config.max_branches:
            raise NoBranchFree(f"{self.config.max_branches} questions are being answered already")
        pools = [pool for pool in state.recent if state.remembers(pool)]
        if open_window is not None:
            check_window(open_window)
            if state.is_next(open_window):
                pools.append(state.encoder.open_window(open_window, state.timeline))
        looks, text = self._look_again(state, pools, ids)
        return self._begin(state, looks, text, max_tokens)

    def _question_ids(
        self, modalities: Modalities, question: str, history: Sequence[tuple[str, str]]
    ) -> list[int]:
        if not question.strip():
            raise QuestionEmpty("the question is empty: give it some text")
        text = question_text(question.strip(), history, modalities)
        limit = self.config.max_question_tokens
        if len(text) > limit * _MOST_CHARACTERS:  # not worth tokenising
            raise QuestionTooLong(
                f"question and history have {len(text)} characters, at most {limit} tokens are read"
            )
        ids = self.model.backbone.token_ids(text)
        if len(ids) > limit:
            raise QuestionTooLong(
                f"question and history take {len(ids)} tokens, at most {limit} are read"
            )
        return ids

    def _look_again(
        self, state: Row, pools: Sequence[Pool], ids: Sequence[int]
    ) -> tuple[list[tuple[Pool, Selection]], Text]:
        """Sieve recent pools anew with the question after them; the text as the LLM reads it."""
        markers = state.modalities.markers
        first = state.next_text_id(pools[-1] if pools else None)
        text = Text(self.model.backbone.embed(ids), suffix_positions(first, len(ids), markers))
        looks = [(pool, self._sieve(state, pool, text)) for pool in pools if len(pool)]
        if self.model.layout.text_states == "raw" or self.model.cs2 is None:
            return looks, text
        refined = looks[-1][1].after if looks else None
        if refined is None:
            refined = state.refine(text)
        return looks, Text(refined, text.positions)

    def _begin(
        self, state: Row, looks: list[tuple[Pool, Selection]], text: Text, max_tokens: int
    ) -> Begun:
        again = [pool.start_s for pool, _ in looks]
        visible = state.visible(again, max(again, default=None))
        embeds = torch.cat([*(chosen.states for _, chosen in looks), text.embeds])
        seen = [pool.positions[:, chosen.keep.cpu()] for pool, chosen in looks]
        positions = torch.cat([*seen, text.positions], dim=1)
        cache = BranchCache(self._arena, state.index, visible, len(embeds) + max_tokens)
        index = self._next_branch
        branch = Branch(
            index, state.index, self.model.backbone, cache, self.model.stop_ids, max_tokens
        )
        branch.prefill(embeds, positions)
        self._next_branch += 1
        self._branches[index] = branch
        return self._begun(state, index, visible, looks)

    def _begun(
        self,
        state: Row,
        index: int,
        visible: NDArray[np.int64],
        looks: list[tuple[Pool, Selection]],
    ) -> Begun:
        maps = [pool.map_of(chosen.keep) for pool, chosen in looks]
        seen, kept = state.evidence(visible)
        newest = [grid.time_s for look in maps for grid in look.grids]
        spans = [*seen, *(look.start_s for look in maps)]
        past_s = -math.inf if state.last_start_s is None else state.last_start_s
        still_open = [look for look in maps if look.start_s > past_s]
        return Begun(
            branch=index,
            newest_frame_s=max(newest, default=state.newest_frame_s),
            spans=join_spans(spans),
            seen=total([*seen.values(), *(look.seen for look in maps)]),
            kept=total([kept, *(look.kept for look in maps)]),
            retention=state.retention,
            second_look=still_open[0] if still_open else None,
        )

    @torch.inference_mode()
    def judge(self, asked: Sequence[tuple[int, Query]]) -> list[Verdict]:
        """The verdicts of yes-or-no questions, each put to a row, in one pass over the memories of
        all these rows: the first token's probabilities of a branch that was asked the same, without
        history and without a second look. Raises RowUnknown, QuestionEmpty, QuestionTooLong, and
        SettingInvalid for a model that cannot judge or a ``within_s`` that is no length of time;
        nothing is changed, whatever happens."""
        questions: dict[tuple[int, float | None], list[tuple[int, ...]]] = {}
        for row, query in asked:
            _check_length(query.within_s)
            ids = self._judged_ids(self._row(row).modalities, query.text)
            questions.setdefault((row, query.within_s), []).append(ids)
        if not questions:
            return []
        views = [
            View(self._row(row), within_s, tuple(texts))
            for (row, within_s), texts in questions.items()
        ]
        found = dict(zip(questions, map(iter, self._judge.verdicts(views)), strict=True))
        return [next(found[row, query.within_s]) for row, query in asked]

    def _standing_ids(self, modalities: Modalities, question: str) -> tuple[int, ...]:
        return tuple(self._question_ids(modalities, question, ()))

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.model, self._arena)

    @torch.inference_mode()
    def step(self, branch: int) -> Step:
        """One greedy token; after ``done`` the branch is gone. Raises BranchUnknown."""
        if branch not in self._branches:
            raise BranchUnknown(f"no question {branch} is being answered")
        step = self._branches[branch].step()
        if step.done:
            self.cancel(branch)
        return step

    def cancel(self, branch: int) -> None:
        """Forget a branch; one that is gone already is no error."""
        self._branches.pop(branch, None)

    # -- soundness --------------------------------------------------------------------------

    def check_integrity(self) -> bool:
        """Every row's slots add up, rows are taken or free, branches have rows, all K/V finite."""
        rows = len(self._rows) + self._arena.rows_free() == self.config.rows
        tables = all(row.table.is_sound() for row in self._rows.values())
        branches = all(branch.row in self._rows for branch in self._branches.values())
        stored = (*self._arena.keys, *self._arena.values)
        finite = all(bool(torch.isfinite(layer).all()) for layer in stored)
        return rows and tables and branches and finite

    def _row(self, row: int) -> Row:
        if row not in self._rows:
            raise RowUnknown(f"no session on row {row}")
        return self._rows[row]


def _share(wanted: float | None, otherwise: float) -> float:
    share = otherwise if wanted is None else wanted
    if not 0.0 < share <= 1.0:
        raise SettingInvalid(f"retention is a share in (0, 1], got {share}")
    return share


def _check_length(within_s: float | None) -> None:
    if within_s is not None and not 0.0 < within_s <= FARTHEST_S:
        raise SettingInvalid(
            f"a question looks back more than 0 and at most {FARTHEST_S:.0f} s, got {within_s}"
        )


def _instruction(wanted: str | None, otherwise: str) -> str:
    return otherwise if wanted is None else wanted or DEFAULT_INSTRUCTION


def _shape(model: Model, config: EngineConfig) -> ArenaShape:
    text = model.backbone.text_config
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return ArenaShape(
        text.num_hidden_layers, config.rows, text.num_key_value_heads, config.slots, head_dim
    )
