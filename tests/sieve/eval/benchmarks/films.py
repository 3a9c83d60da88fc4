"""Films of the synthetic world and multiple-choice questions about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.render import render_file
from stream.source import SceneSource
from stream.world.scene import COLOURS, SHAPES, SOUNDS, Scene

SECONDS = 8.0
_KINDS = ("now", "first", "exists", "any", "order", "digit", "last_sound")
_OBJECTS = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its options without letters, and the index of the right one."""

    text: str
    options: list[str]
    right: int

    @property
    def letter(self) -> str:
        return "ABCD"[self.right]

    @property
    def lettered(self) -> list[str]:
        return [f"{letter}. {option}" for letter, option in zip("ABCD", self.options, strict=False)]


@dataclass(frozen=True, slots=True)
class Film:
    """A rendered scene, its path named by its seed."""

    path: Path
    seed: int

    @property
    def name(self) -> str:
        return self.path.stem

    def put_at(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.path.read_bytes())

    def asked(self, now_s: float = SECONDS, count: int = 5) -> list[Asked]:
        """Questions about all that was shown before ``now_s``."""
        rng = np.random.default_rng([self.seed, int(now_s)])
        found = Scene(self.seed).questions(now_s, 0.0, rng, _KINDS)
        return [_asked(question.text, question.answer, rng) for question in found][:count]

    def answer(self, kind: str, now_s: float) -> tuple[str, str] | None:
        """A question of that kind at ``now_s`` and its answer, where it can be asked."""
        found = Scene(self.seed).questions(now_s, 0.0, np.random.default_rng(self.seed), [kind])
        return (found[0].text, found[0].answer) if found else None

    def newcomer(self) -> tuple[str, float]:
        """Something that appears on the way, and when."""
        second = Scene(self.seed).segments(0.0, SECONDS)[1]
        return second.things[0].name, second.start_s


def render(folder: Path, seed: int) -> Film:
    film = Film(folder / f"film{seed}.webm", seed)
    render_file(SceneSource(Scene(seed), SECONDS, size=84).items(), film.path)
    return film


def _asked(text: str, answer: str, rng: np.random.Generator) -> Asked:
    others = [name for name in _alike(answer) if name != answer]
    options = [answer, *rng.permutation(others)[:3].tolist()]
    options = rng.permutation(options).tolist()
    return Asked(text, options, options.index(answer))


def _alike(answer: str) -> list[str]:
    for family in (["yes", "no"], _OBJECTS, [*SOUNDS, "none"]):
        if answer in family:
            return family
    return [str(digit) for digit in range(10)]
