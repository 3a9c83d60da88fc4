"""The arena, the books of a row, and the two caches over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from sieve import Model
from sieve.errors import NoRowFree
from sieve.memory import Arena, ArenaShape, BranchCache, RowWriter, SlotTable, slots_of
from sieve.tokens import AUDIO, TEXT, VIDEO

SHAPE = ArenaShape(layers=2, rows=3, kv_heads=2, slots=12, head_dim=4)


def arena() -> Arena:
    return Arena(SHAPE, torch.float32, torch.device("cpu"))


def filled(table: SlotTable, kinds: list[int], window_id: int = 0) -> NDArray[np.int64]:
    """Take and fill one slot for each kind; scores and times tell them apart."""
    slots, count = table.take(len(kinds)), len(kinds)
    order = np.arange(count)
    table.fill(
        slots, np.array(kinds, np.uint8), order.astype(np.float32), window_id + order, window_id
    )
    return slots


class Books(RuleBasedStateMachine):
    """A SlotTable beside a dictionary that says what it should hold."""

    @initialize(slots=st.integers(1, 24), data=st.data())
    def start(self, slots: int, data: st.DataObject) -> None:
        self.table = SlotTable(slots, data.draw(st.integers(1, slots)))
        self.held: dict[int, tuple[int, float, int, int]] = {}

    @rule(count=st.integers(0, 8), kind=st.sampled_from([TEXT, VIDEO, AUDIO]), at=st.integers(0, 9))
    def fill(self, count: int, kind: int, at: int) -> None:
        assert self.table.can_take(count) == (len(self.held) + count <= self.table.budget)
        if not self.table.can_take(count):
            return
        slots = self.table.take(count)
        scores = np.arange(count, dtype=np.float32)
        kinds, times = np.full(count, kind, np.uint8), np.arange(count) + 50 * at
        self.table.fill(slots, kinds, scores, times, 50 * at)
        assert not set(slots.tolist()) & set(self.held)
        for index, slot in enumerate(slots.tolist()):
            self.held[slot] = (kind, float(index), 50 * at + index, 50 * at)

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        leaving = (
            data.draw(st.lists(st.sampled_from(sorted(self.held)), unique=True))
            if self.held
            else []
        )
        self.table.evict(np.array(leaving, dtype=np.int64))
        for slot in leaving:
            del self.held[slot]

    @rule(data=st.data())
    def change_the_budget(self, data: st.DataObject) -> None:
        self.table.budget = data.draw(st.integers(max(1, len(self.held)), self.table.slots))

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "table"):
            return
        table, held = self.table, self.held
        assert table.is_sound()
        assert np.flatnonzero(table.valid).tolist() == sorted(held)
        assert table.used == len(held)
        for kind in (TEXT, VIDEO, AUDIO):
            assert table.count(kind) == sum(entry[0] == kind for entry in held.values())
        stream = table.stream_entries()
        told = zip(
            stream.slot, stream.kind, stream.score, stream.time_id, stream.window_id, strict=True
        )
        expected = {slot: entry for slot, entry in held.items() if entry[0] != TEXT}
        assert {int(s): (int(k), float(x), int(t), int(w)) for s, k, x, t, w in told} == expected
        assert slots_of(table).tolist() == sorted(held)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_unsound_books_are_noticed() -> None:
    for spoil in ("valid", "free", "budget", "kind"):
        table = SlotTable(8, 8)
        slots = filled(table, [TEXT, VIDEO])
        assert table.is_sound()
        if spoil == "valid":
            table.valid[slots[0]] = False
        elif spoil == "free":
            table._free.append(int(slots[0]))
        elif spoil == "budget":
            table.budget = 1
        else:
            table.kind[slots[1]] = 9
        assert not table.is_sound(), spoil


def test_a_branch_may_not_see_windows_that_are_looked_at_again_but_always_the_prompt() -> None:
    table = SlotTable(10, 10)
    prompt = filled(table, [TEXT, TEXT], window_id=50)
    early, late = filled(table, [VIDEO, AUDIO], 50), filled(table, [VIDEO], 100)
    gone = filled(table, [VIDEO], 150)
    table.evict(gone)
    assert slots_of(table, [50]).tolist() == sorted([*prompt, *late])
    assert slots_of(table, [50, 100]).tolist() == sorted(prompt)
    assert slots_of(table).tolist() == sorted([*prompt, *early, *late])


def test_rows_are_handed_out_once_and_wiped_when_they_come_back() -> None:
    memory = arena()
    rows = [memory.take_row() for _ in range(3)]
    assert sorted(rows) == [0, 1, 2]
    with pytest.raises(NoRowFree, match="all 3 rows"):
        memory.take_row()
    for layer in (*memory.keys, *memory.values):
        layer.normal_()
    kept = [layer[[rows[0], rows[2]]].clone() for layer in (*memory.keys, *memory.values)]
    memory.give_row(rows[1])
    assert memory.rows_free() == 1
    for layer, before in zip((*memory.keys, *memory.values), kept, strict=True):
        assert not layer[rows[1]].any()
        assert torch.equal(layer[[rows[0], rows[2]]], before)
    assert memory.take_row() == rows[1]


def test_the_bytes_of_a_row_are_those_of_its_tensors() -> None:
    memory = arena()
    total = sum(layer.nbytes for layer in (*memory.keys, *memory.values))
    assert memory.row_bytes * SHAPE.rows == total == 3 * 2 * 2 * 2 * 12 * 4 * 4


@given(seed=st.integers(0, 999), old=st.integers(0, 6), new=st.integers(1, 6))
def test_a_writer_lets_new_tokens_see_what_is_valid_and_each_other_in_order(
    seed: int, old: int, new: int
) -> None:
    mix = np.random.default_rng(seed).permutation(12)
    visible = np.zeros(12, dtype=bool)
    visible[mix[:old]] = True
    slots = mix[old : old + new]
    writer = RowWriter(arena(), 1, slots, visible)
    end = writer.mask.shape[-1]
    assert end == max([*slots, *mix[:old]]) + 1
    for index in range(new):
        seen = set(np.flatnonzero(writer.mask[0, 0, index].numpy()).tolist())
        assert seen == {*mix[:old].tolist(), *slots[: index + 1].tolist()}


def test_a_writer_writes_its_slots_of_its_row_and_nothing_else() -> None:
    memory = arena()
    for layer in (*memory.keys, *memory.values):
        layer.normal_()
    before = [layer.clone() for layer in (*memory.keys, *memory.values)]
    slots, visible = np.array([7, 2]), np.zeros(12, dtype=bool)
    visible[4] = True
    keys, values = torch.randn(2, 1, 2, 2, 4)
    row_keys, row_values = RowWriter(memory, 1, slots, visible).update(keys, values, layer=1)
    assert row_keys.shape == row_values.shape == (1, 2, 8, 4)
    assert torch.equal(row_keys[:, :, slots], keys)
    assert torch.equal(row_values[:, :, slots], values)
    after = [layer.clone() for layer in (*memory.keys, *memory.values)]
    for layer in (1, 3):  # keys and values of layer 1
        assert not torch.equal(after[layer], before[layer])
        after[layer][1][:, slots] = before[layer][1][:, slots]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


@given(
    seed=st.integers(0, 999),
    held=st.integers(0, 10),
    pieces=st.lists(st.integers(1, 4), max_size=4),
)
def test_a_branch_equals_an_ordered_cache_of_the_library(
    seed: int, held: int, pieces: list[int]
) -> None:
    torch.manual_seed(seed)
    memory, ordered = arena(), DynamicCache()
    for layer in (*memory.keys, *memory.values):
        layer.normal_()
    slots = np.sort(np.random.default_rng(seed).permutation(12)[:held])
    branch = BranchCache(memory, 2, slots, sum(pieces))
    for layer in range(SHAPE.layers):
        past = memory.keys[layer][2:3, :, slots], memory.values[layer][2:3, :, slots]
        ordered.update(*past, layer)
    for count in pieces:
        keys, values = torch.randn(2, 1, 2, count, 4)
        for layer in range(SHAPE.layers):
            mine, theirs = branch.update(keys, values, layer), ordered.update(keys, values, layer)
            assert torch.equal(mine[0], theirs[0])
            assert torch.equal(mine[1], theirs[1])


def test_a_branch_is_a_snapshot_that_does_not_follow_its_row() -> None:
    memory = arena()
    branch = BranchCache(memory, 0, np.array([1, 3]), 1)
    for layer in (*memory.keys, *memory.values):
        layer.fill_(7)
    keys, _ = branch.update(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), 0)
    assert keys[0, 0, :, 0].tolist() == [0, 0, 1]


def test_the_mask_of_a_branch_is_all_of_the_past_and_causal_among_the_new() -> None:
    branch = BranchCache(arena(), 0, np.array([1, 3]), 3)
    assert branch.mask(1) is None
    mask = branch.mask(3)
    assert mask is not None
    assert mask[0, 0].int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


@torch.inference_mode()
@settings(max_examples=15)
@given(seed=st.integers(0, 999), evicted=st.integers(0, 4))
def test_slots_in_any_order_and_used_again_read_as_one_ordered_sequence(
    stream_model: Model, seed: int, evicted: int
) -> None:
    """Write 6 tokens, evict some, write 5 into whatever is free: the same as one plain forward
    in which nobody sees what was evicted."""
    backbone = stream_model.backbone
    text = backbone.text_config
    shape = ArenaShape(text.num_hidden_layers, 1, text.num_key_value_heads, 9, text.head_dim)
    memory, table = Arena(shape, torch.float32, backbone.device), SlotTable(9, 9)
    rng = np.random.default_rng(seed)
    table._free = rng.permutation(9).tolist()
    torch.manual_seed(seed)
    embeds, at = torch.randn(11, 64), torch.randint(0, 500, (3, 11))
    lost = rng.permutation(6)[: 2 + evicted]

    def write(first: int, end: int) -> tuple[Tensor, NDArray[np.int64]]:
        slots, count = table.take(end - first), end - first
        writer = RowWriter(memory, 0, slots, table.valid)
        hidden = backbone.read(embeds[first:end], at[:, first:end], writer, writer.mask)
        nothing = np.zeros(count, np.uint8), np.zeros(count, np.float32), np.zeros(count, np.int64)
        table.fill(slots, *nothing, 0)
        return hidden, slots

    _, slots = write(0, 6)
    table.evict(slots[lost])
    hidden, _ = write(6, 11)
    sees = torch.ones(11, 11, dtype=torch.bool).tril()
    sees[6:, torch.from_numpy(lost)] = False
    whole = backbone.read(embeds, at, None, sees[None, None])
    torch.testing.assert_close(hidden, whole[6:], rtol=0, atol=2e-5)
