"""Outcomes: one line of JSON per question that was put, appended as it comes.

A run can be killed at any moment. What is on disk then counts: cells whose every question is there
are done, what is left of others is ignored and done again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sieve.errors import SettingInvalid
from sieve.folder import claim, facts_in, put

Mode = Literal["streamed", "offline"]
Pair = tuple[int, int]  # tokens: video, audio


@dataclass(frozen=True, slots=True)
class Cell:
    """The unit of work: one arm at one budget on one case, in one mode."""

    task: str
    seed: int
    case: int
    arm: str
    budget: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question, its answer and what the answer could rest on.

    ``number`` of the case's ``of`` questions. ``age_s``: from the end of the evidence to the
    question. ``confidence``: probability of the answer's first token. ``kept``, ``seen`` and
    ``dense`` are tokens by modality: held when asked, of all that came, and those of them which
    show or sound something by the world's truth.
    """

    task: str
    seed: int
    case: int
    arm: str
    budget: str
    mode: Mode
    number: int
    of: int
    kind: str
    at_s: float
    age_s: float
    answer: str
    truth: str
    right: bool
    chance: float
    confidence: float
    kept: Pair
    seen: Pair
    dense: Pair

    @property
    def cell(self) -> Cell:
        return Cell(self.task, self.seed, self.case, self.arm, self.budget, self.mode)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An arm that cannot be run, at one budget or (``""``) at any, and the reason."""

    arm: str
    budget: str
    why: str


_PAIRS = ("kept", "seen", "dense")


class Journal:
    """A run's folder: ``run.json``, what is run, ``outcomes.jsonl``, and ``left-out.json``, what
    of it cannot be."""

    def __init__(self, folder: Path) -> None:
        self._setting, self._lines = folder / "run.json", folder / "outcomes.jsonl"
        self._left_out = folder / "left-out.json"

    def begin(self, setting: dict[str, Any]) -> None:
        """Note what is run. Raises SettingInvalid where the folder holds another run."""
        claim(self._setting, setting)

    def setting(self) -> dict[str, Any]:
        """What was run. Raises SettingInvalid for a folder without a run."""
        if not self._setting.exists():
            raise SettingInvalid(f"{self._setting.parent} holds no run: it has no run.json")
        setting = facts_in(self._setting)
        if "model" not in setting:
            raise SettingInvalid(f"{self._setting} does not say which model was run")
        return setting

    def leave_out(self, lines: Iterable[LeftOut]) -> None:
        """Note what cannot be run, beside what was noted before."""
        known = dict.fromkeys([*self.left_out(), *lines])
        put(self._left_out, json.dumps([asdict(line) for line in known], indent=1) + "\n")

    def left_out(self) -> list[LeftOut]:
        if not self._left_out.exists():
            return []
        try:
            return [LeftOut(**line) for line in json.loads(self._left_out.read_bytes())]
        except (ValueError, TypeError) as error:
            raise SettingInvalid(f"{self._left_out} is damaged ({error}): remove it") from error

    def append(self, outcomes: Sequence[Outcome]) -> None:
        """All outcomes of a cell, in one piece."""
        text = "".join(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)
        self._lines.parent.mkdir(parents=True, exist_ok=True)
        with self._lines.open("ab") as file:
            file.write(text.encode())

    def outcomes(self) -> list[Outcome]:
        """The outcomes of finished cells, each question once."""
        latest = {(line.cell, line.number): line for line in self._read()}
        there = Counter(cell for cell, _ in latest)
        return [line for (cell, _), line in latest.items() if there[cell] == line.of]

    def done(self) -> set[Cell]:
        return {outcome.cell for outcome in self.outcomes()}

    def _read(self) -> Iterator[Outcome]:
        """Every line but one that a kill has cut short. Raises SettingInvalid for other damage."""
        if not self._lines.exists():
            return
        with self._lines.open() as file:
            for number, line in enumerate(file, start=1):
                if line.endswith("\n"):
                    yield _parse(line, f"{self._lines}, line {number}")

    def mend(self) -> None:
        """Cut off what a kill has left of a line, so that the next one begins on its own."""
        if not self._lines.exists():
            return
        with self._lines.open("rb+") as file:
            whole = file.read()
            file.truncate(whole.rfind(b"\n") + 1)


def _parse(line: str, where: str) -> Outcome:
    try:
        values = json.loads(line)
        pairs = {name: (int(values[name][0]), int(values[name][1])) for name in _PAIRS}
        return Outcome(**{**values, **pairs})
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SettingInvalid(f"{where}: no outcome of a question: {error}") from error


def by_cell(outcomes: Iterable[Outcome]) -> dict[Cell, list[Outcome]]:
    """Outcomes of each cell, in the order in which they were put."""
    cells: dict[Cell, list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault(outcome.cell, []).append(outcome)
    for found in cells.values():
        found.sort(key=lambda outcome: outcome.number)
    return cells
