"""Answers on disk: a line of JSON each, appended as they come, so that a kill loses one at most."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sieve.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to the item ``id``, and what was read out of it (None: nothing). For a moment:
    the second at which the model wished to speak, None: never."""

    id: str
    said: str
    read: int | None


class Results:
    """The file of a run: a first line with its settings, then the answers."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Opens the file or begins it; ``answers`` are those of an earlier start.

        Raises BenchmarkError where it holds a run with other settings, or something else.
        """
        self._path = path
        self.answers: dict[str, Answer] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        lines = text.split("\n")
        whole = lines[:-1]  # what a kill left unfinished has no end of line
        if not whole:
            path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
            return
        self._check(whole[0], settings)
        for number, line in enumerate(whole[1:], start=2):
            answer = self._answer(number, line)
            self.answers[answer.id] = answer
        if lines[-1]:
            path.write_text("\n".join(whole) + "\n", encoding="utf-8")

    def append(self, answer: Answer) -> None:
        self.answers[answer.id] = answer
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(answer)) + "\n")

    def _check(self, line: str, settings: dict[str, Any]) -> None:
        held = self._json(1, line)
        wanted = json.loads(json.dumps(settings))
        names = sorted({name for name in {*held, *wanted} if held.get(name) != wanted.get(name)})
        if names:
            changes = ", ".join(f"{n} {held.get(n)!r}, now {wanted.get(n)!r}" for n in names)
            raise BenchmarkError(
                f"{self._path} holds the answers of another run ({changes}): give another --out, "
                "or delete it"
            )

    def _answer(self, number: int, line: str) -> Answer:
        value = self._json(number, line)
        if value.keys() != {"id", "said", "read"}:
            raise BenchmarkError(f"{self._path}:{number} is no answer of a benchmark run")
        return Answer(**value)

    def _json(self, number: int, line: str) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise BenchmarkError(f"{self._path}:{number} is no line of a benchmark run")
        return value
