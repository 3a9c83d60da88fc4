"""The clips of a run: which are trained on, in which order, what is known of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sieve.errors import TrainingError
from sieve.model import Model
from sieve.tokens import WINDOW_S
from sieve.train.backbone.clips import Clip, LeftOut, Report
from sieve.train.backbone.media import MediaShelf
from sieve.train.backbone.student import Example
from sieve.train.backbone.teacher import Lessons, Teacher, labels
from sieve.train.backbone.tuning import Tuning
from sieve.train.backbone.viewing import Footage
from stream.source import MediaError

_ORDER, _HELD_OUT = 3, 5  # separate streams of random numbers


@dataclass(frozen=True, slots=True)
class Data:
    """``clips`` to learn from. ``labelled``: whether they have answers of their own; else the
    teacher's are learned. ``left_out`` before anything was read."""

    clips: Sequence[Clip]
    labelled: bool
    left_out: Sequence[LeftOut] = ()

    @property
    def digest(self) -> str:
        """The same for the same clips in the same order."""
        return hashlib.sha256(repr(list(self.clips)).encode()).hexdigest()


class Library:
    """Clips by number. What turns out to be unusable is reported once and left out."""

    def __init__(
        self, model: Model, data: Data, tuning: Tuning, folder: Path, report: Report
    ) -> None:
        self.left_out: dict[str, str] = {}  # where: why
        self._model, self._data, self._tuning, self._report = model, data, tuning, report
        self._shelf = MediaShelf(tuning.data.fps, tuning.data.cache_mib << 20)
        self._lessons = Lessons(folder)
        self._trained, self._held_out = _split(len(data.clips), tuning)

    def untaught(self) -> list[int]:
        """Numbers of the clips for which there are no lessons yet."""
        return [n for n in range(len(self._data.clips)) if not self._lessons.holds(n)]

    def teach(self, number: int, teacher: Teacher) -> None:
        """Keep the teacher's lessons of a clip that can be used."""
        footage = self._footage(number)
        if footage is not None:
            self._lessons.put(number, teacher.teach(self._data.clips[number], footage, number))

    def example_at(self, stage: str, place: int) -> Example:
        """The clip at a place of a stage's endless order; where it cannot be used, the next that
        can. Raises TrainingError where none can be used."""
        for at in range(place, place + len(self._trained)):
            epoch, index = divmod(at, len(self._trained))
            rng = np.random.default_rng([self._tuning.seed, _ORDER, seed_of(stage), epoch])
            number = self._trained[int(rng.permutation(len(self._trained))[index])]
            example = self._example(number, stage)
            if example is not None:
                return example
        raise TrainingError("none of the clips can be used")

    def held_out(self, stage: str) -> Iterator[Example]:
        """Examples that are never trained on."""
        for number in self._held_out:
            example = self._example(number, stage)
            if example is not None:
                yield example

    def _example(self, number: int, stage: str) -> Example | None:
        footage = self._footage(number)
        if footage is None:
            return None
        clip = self._data.clips[number]
        if stage == "full":
            return Example(footage, clip.instruction, labels(self._model, clip, footage))
        taught = self._lessons.get(number)
        if not taught.lessons:
            self._leave_out(
                clip, "the teacher was asked nothing about it, and asked nothing itself"
            )
            return None
        return Example(footage, clip.instruction, taught.lessons, taught.saliency)

    def _footage(self, number: int) -> Footage | None:
        clip = self._data.clips[number]
        if clip.where in self.left_out:
            return None
        try:
            footage = self._shelf.read(clip.media)
        except MediaError as error:
            self._leave_out(clip, str(error))
            return None
        longest_s = self._tuning.data.longest_s
        if len(footage.windows) * WINDOW_S >= longest_s + WINDOW_S:
            self._leave_out(clip, f"longer than {longest_s:g} s (setting data.longest_s)")
            return None
        return footage

    def _leave_out(self, clip: Clip, why: str) -> None:
        self.left_out[clip.where] = why
        self._report(LeftOut(clip.where, why))


def seed_of(stage: str) -> int:
    return int.from_bytes(stage.encode()[:6], "little")


def _split(count: int, tuning: Tuning) -> tuple[list[int], list[int]]:
    """Numbers to train on and numbers held out; of two clips or more at least one to train on."""
    order = np.random.default_rng([tuning.seed, _HELD_OUT]).permutation(count).tolist()
    wanted = tuning.data.held_out * count
    held_out = min(round(wanted) or (1 if wanted else 0), count - 1)
    return sorted(order[held_out:]), sorted(order[:held_out][: tuning.data.examined])
