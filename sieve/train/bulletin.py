"""How a training is going: a bar on a terminal, plain lines elsewhere, a journal always."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

_SMOOTHING = 0.9
_LINES = 40  # of plain text a stage has at most


class Bulletin:
    """``journal`` gets a line of JSON for every event; ``console`` is told in words."""

    def __init__(self, journal: Path, console: Console | None = None) -> None:
        self._journal = journal
        self._console = console or Console()
        self._began = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None
        self._total = 0
        self._means: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int, done: int) -> Iterator[None]:
        """A bar over ``total`` steps of which ``done`` are."""
        self._total, self._means = total, {}
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
        )
        with Progress(*columns, console=self._console) as progress:
            self._bar = progress, progress.add_task(name, total=total, completed=done, loss="")
            try:
                yield
            finally:
                self._bar = None

    def step(self, stage: str, step: int, parts: Mapping[str, float]) -> None:
        """One step was taken; ``parts`` of its loss."""
        for name, value in parts.items():
            before = self._means.get(name, value)
            self._means[name] = _SMOOTHING * before + (1 - _SMOOTHING) * value
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=step, loss=_words(self._means))
        if step % max(1, self._total // _LINES) == 0 or step == self._total:
            self._write({"event": "step", "stage": stage, "step": step, "loss": self._rounded()})
            if self._bar is None:
                self._console.print(f"{stage} {step}/{self._total}  {_words(self._means)}")

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Something else than a step."""
        self._write({"event": event, "text": text, **facts})
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _rounded(self) -> dict[str, float]:
        return {name: round(value, 5) for name, value in self._means.items()}

    def _write(self, facts: Mapping[str, Any]) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        with self._journal.open("a") as file:
            file.write(json.dumps({"seconds": seconds, **facts}) + "\n")


def _words(parts: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in parts.items())
