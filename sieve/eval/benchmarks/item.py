"""What all benchmarks have in common: a question about a stretch of a media file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["choice", "yes or no", "count", "moment"]

_LABEL = re.compile(r"\s*\(?([A-Z])[.):]\s*")
_MOST_OPTIONS = 26


class Unusable(Exception):
    """An entry that cannot be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question. All times are seconds of the media file.

    ``where``: the file and line it stands in. ``form``: the name of its prompt. ``options``:
    without their letters, empty where there are none. ``truth``: of a choice the index of the right
    option, of yes or no 1 or 0, of a count the number, of a moment the second at which to speak.
    The model sees the media from ``start_s`` up to ``moment_s`` (``None``: its end), when it is
    asked; a question for a moment is asked from ``moment_s`` on, again and again. ``told_before``:
    the question is told before the media. ``context``: what was asked and answered earlier.
    """

    id: str
    where: str
    form: str
    kind: Kind
    media: Path
    question: str
    truth: int
    task: str
    group: str
    options: tuple[str, ...] = ()
    start_s: float = 0.0
    moment_s: float | None = None
    told_before: bool = False
    context: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What could not be asked: the file and line, and why."""

    where: str
    reason: str


def letter(index: int) -> str:
    """0 -> A."""
    return chr(ord("A") + index)


def lettered(options: Sequence[str]) -> list[str]:
    """["red", "blue"] -> ["A. red", "B. blue"]."""
    return [f"{letter(i)}. {option}" for i, option in enumerate(options)]


def without_letters(options: Sequence[str]) -> tuple[str, ...]:
    """The options' own text: "A. red", "(A) red" and "red" are all published.

    Raises Unusable where the letters are not A, B, C ... in order, or where there is no choice.
    """
    if not 2 <= len(options) <= _MOST_OPTIONS:
        raise Unusable(f"a choice has 2 to {_MOST_OPTIONS} options, this one {len(options)}")
    labels = [_LABEL.match(option) for option in options]
    if not all(labels):
        return tuple(option.strip() for option in options)
    found = [label.group(1) for label in labels if label]
    right = [letter(i) for i in range(len(options))]
    if found != right:
        raise Unusable(
            f"the options are lettered {', '.join(found)}; {', '.join(right)} would be right"
        )
    return tuple(_LABEL.sub("", option, count=1).strip() for option in options)


def index_of(answer: str, options: Sequence[str]) -> int:
    """The index of the option with the letter ``answer``; raises Unusable where there is none."""
    letters = [letter(i) for i in range(len(options))]
    said = answer.strip().strip("().").upper()
    if said not in letters:
        raise Unusable(f"the answer {answer!r} is none of {', '.join(letters)}")
    return letters.index(said)
