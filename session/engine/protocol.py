"""What the service needs of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sieve import RowConfig
from sieve.tokens import Begun, Ingested, MemoryState, Query, RawWindow, Step
from sieve.verdict import Verdict


class EngineLike(Protocol):
    """As `sieve.Engine`: synchronous, used by one thread."""

    def open(self, config: RowConfig) -> int: ...

    def configure(
        self,
        row: int,
        *,
        retention: float | None = None,
        selector: str | None = None,
        instruction: str | None = None,
        slots: int | None = None,
    ) -> None: ...

    def ingest(self, row: int, window: RawWindow) -> Ingested: ...

    def ask(
        self,
        row: int,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        open_window: RawWindow | None = None,
        max_tokens: int = 64,
    ) -> Begun: ...

    def judge(self, asked: Sequence[tuple[int, Query]]) -> list[Verdict]: ...

    def step(self, branch: int) -> Step: ...

    def cancel(self, branch: int) -> None: ...

    def close(self, row: int) -> None: ...

    def memory(self, row: int) -> MemoryState: ...

    def check_integrity(self) -> bool: ...
