"""StreamingBench (arXiv 2411.03628): 4,500 questions at moments of 900 videos.

``questions_real.json``, ``questions_omni.json``, ``questions_sqa.json`` and
``questions_proactive.json`` are lists of videos, each with its questions. The main setting: the
60 s before ``time_stamp`` are seen. Sequential questions (sqa) come with the earlier ones and their
right answers. Proactive ones are asked every second after ``time_stamp`` whether it is time to
speak; see ``runner``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, Unusable, index_of, lettered, without_letters

SEEN_S = 60.0  # before a question, in the main setting
_TIME = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2})")
_FILES = {
    "questions_real.json": "real-time",
    "questions_omni.json": "omni-source",
    "questions_sqa.json": "contextual",
    "questions_proactive.json": "proactive",
}


class _Video(BaseModel):
    video_path: str
    questions: list[Any]


class _Choice(BaseModel):
    task_type: str
    question: str
    time_stamp: str
    answer: str
    options: list[str]


class _Proactive(BaseModel):
    task_type: str
    question: str
    time_stamp: str
    ground_truth_time_stamp: str
    ground_truth_output: str


def load(folder: Folder, loading: Loading) -> None:
    found = [(place, name) for place in ("", "data/") for name in _FILES]
    there = [(folder.root / (place + name), name) for place, name in found]
    files = [(path, name) for path, name in there if path.is_file()]
    if not files:
        raise BenchmarkError(f"{folder.root} has no {', '.join(_FILES)} (docs/BENCHMARKS.md)")
    for path, name in files:
        _load_file(folder, loading, path, _FILES[name])


def _load_file(folder: Folder, loading: Loading, path: Path, group: str) -> None:
    number = 0
    for entry in loading.entries(path):
        context = ""
        for part in _videos(entry):
            number += 1
            with loading.entry(part.where):
                video = _Video.model_validate(part.value)
                place = _Place(folder, video.video_path, f"{path.stem}/{number}", part.where, group)
                context += _load_video(loading, place, video.questions, context)


def _load_video(loading: Loading, place: _Place, questions: list[Any], context: str) -> str:
    """Adds a video's questions; returns what those after them are told."""
    told = ""
    for number, value in enumerate(questions):
        where = f"{place.where}, questions[{number}]"
        with loading.entry(where):
            here = replace(place, id=f"{place.id}/{number}", where=where)
            if place.group == "proactive":
                loading.add(_proactive(here, _Proactive.model_validate(value)))
                continue
            asked = _Choice.model_validate(value)
            loading.add(_choice(here, asked, context + told))
            told += _told(asked) if place.group == "contextual" else ""
    return told


def _videos(entry: Entry) -> Iterator[Entry]:
    """A list of questions in sequence is published both as it is and wrapped in a list."""
    if not isinstance(entry.value, list):
        yield entry
        return
    for number, value in enumerate(entry.value):
        yield Entry(f"{entry.where}, [{number}]", "", value)


def _told(asked: _Choice) -> str:
    """A question and its answer, as those after it are told them."""
    options = "; ".join(lettered(without_letters(asked.options)))
    return f"At {asked.time_stamp}: {asked.question} {options}. Answer: {asked.answer}\n"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a question stands, and the video it is about."""

    folder: Folder
    video: str
    id: str
    where: str
    group: str

    def media(self) -> Path:
        name = self.video.removeprefix("./")
        short = Path(name).name
        return self.folder.media(name, f"data/{name}", f"videos/{short}", short)


def _choice(place: _Place, asked: _Choice, context: str) -> Item:
    options = without_letters(asked.options)
    moment_s = seconds(asked.time_stamp)
    return Item(
        id=place.id,
        where=place.where,
        form="streamingbench",
        kind="choice",
        media=place.media(),
        question=asked.question,
        options=options,
        truth=index_of(asked.answer, options),
        task=asked.task_type,
        group=place.group,
        start_s=max(0.0, moment_s - SEEN_S),
        moment_s=moment_s,
        context=context,
    )


def _proactive(place: _Place, asked: _Proactive) -> Item:
    start_s, truth_s = seconds(asked.time_stamp), seconds(asked.ground_truth_time_stamp)
    if truth_s < start_s:
        raise Unusable("ground_truth_time_stamp lies before time_stamp")
    return Item(
        id=place.id,
        where=place.where,
        form="streamingbench proactive",
        kind="moment",
        media=place.media(),
        question=asked.question,
        options=(asked.ground_truth_output,),
        truth=int(truth_s),
        task=asked.task_type,
        group=place.group,
        start_s=start_s,
        moment_s=start_s + 1.0,
    )


def seconds(time_stamp: str) -> float:
    """ "HH:MM:SS" (or "MM:SS") as seconds; raises Unusable for anything else."""
    match = _TIME.fullmatch(time_stamp.strip())
    if match is None or int(match.group(2)) > 59 or int(match.group(3)) > 59:
        raise Unusable(f"{time_stamp!r} is no time stamp HH:MM:SS")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)
