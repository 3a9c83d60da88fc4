"""Law 4: bytes constant, slots within the budget, integrity under fuzzing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sieve import Engine, EngineConfig, Model, RowConfig, SieveError, load_model
from tests import tiny

ROWS, SLOTS = 2, 160


class AnyUse(RuleBasedStateMachine):
    """Whatever callers do, in any order."""

    model: Model

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.engine = Engine(self.model, EngineConfig(rows=ROWS, slots=SLOTS, max_branches=3))
        self.at: dict[int, int] = {}
        self.branches: list[int] = []
        self.bytes: int | None = None

    @rule(retention=st.sampled_from([0.05, 0.2, 0.6, 1.0]), slots=st.integers(1, SLOTS))
    def open(self, retention: float, slots: int) -> None:
        try:
            row = self.engine.open(RowConfig(retention=retention, slots=slots))
        except SieveError:
            return
        self.at[row] = 0

    @precondition(lambda self: self.at)
    @rule(data=st.data(), video=st.booleans(), audio=st.booleans(), skip=st.integers(0, 9))
    def ingest(self, data: Any, video: bool, audio: bool, skip: int) -> None:
        row = data.draw(st.sampled_from(sorted(self.at)))
        window = tiny.window(self.at[row] + skip, self.rng, video=video, audio=audio)
        self.engine.ingest(row, window)
        self.at[row] += skip + 1

    @precondition(lambda self: self.at)
    @rule(data=st.data(), text=st.text(max_size=30), steps=st.integers(0, 4))
    def ask(self, data: Any, text: str, steps: int) -> None:
        row = data.draw(st.sampled_from(sorted(self.at)))
        try:
            branch = self.engine.ask(row, text, max_tokens=6).branch
        except SieveError:
            return
        self.branches.append(branch)
        for _ in range(steps):
            if self.engine.step(branch).done:
                return

    @precondition(lambda self: self.branches)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        self.engine.cancel(data.draw(st.sampled_from(self.branches)))

    @precondition(lambda self: self.at)
    @rule(
        data=st.data(),
        slots=st.none() | st.integers(-1, SLOTS + 1),
        instruction=st.none() | st.text(max_size=40),
        retention=st.none() | st.floats(0, 1.5),
    )
    def configure(
        self, data: Any, slots: int | None, instruction: str | None, retention: float | None
    ) -> None:
        row = data.draw(st.sampled_from(sorted(self.at)))
        try:
            self.engine.configure(row, slots=slots, instruction=instruction, retention=retention)
        except SieveError:
            return

    @precondition(lambda self: self.at)
    @rule(data=st.data())
    def close(self, data: Any) -> None:
        row = data.draw(st.sampled_from(sorted(self.at)))
        self.engine.close(row)
        del self.at[row]

    @invariant()
    def is_bounded_and_sound(self) -> None:
        if not hasattr(self, "engine"):
            return
        assert self.engine.check_integrity()
        for row in self.at:
            state = self.engine.memory(row)
            assert state.used <= state.slots <= SLOTS
            assert state.prompt + state.video + state.audio == state.used
            self.bytes = self.bytes or state.bytes
            assert state.bytes == self.bytes


@pytest.mark.parametrize("name", ["tiny", "demo"])
def test_no_sequence_of_calls_grows_the_memory_or_breaks_its_books(
    name: str, tmp_path: Any
) -> None:
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    directory = "demo" if name == "demo" else tiny.write_sieve(tmp_path, shape, ours=tiny.STREAM)
    machine = type("Machine", (AnyUse,), {"model": load_model(directory)})
    case = machine.TestCase
    case.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
    case("runTest").runTest()
