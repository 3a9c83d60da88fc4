"""WorldSense (arXiv 2502.04326): 3,172 questions about 1,662 videos, both tracks needed.

``worldsense_qa.json`` is an object by video, each with tasks ``task0``, ``task1`` ...; the videos
are ``videos/ID.mp4``.
"""

from __future__ import annotations

from pydantic import BaseModel

from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, Unusable, index_of, without_letters


class _Task(BaseModel):
    task_type: str
    task_domain: str = ""
    question: str
    answer: str
    candidates: list[str]


def load(folder: Folder, loading: Loading) -> None:
    for entry in loading.entries(folder.file("worldsense_qa.json")):
        with loading.entry(entry.where):
            names = _task_names(entry)
            for name in names:
                with loading.entry(f"{entry.where}, {name}"):
                    loading.add(_item(folder, entry, name))


def _task_names(entry: Entry) -> list[str]:
    if not isinstance(entry.value, dict):
        raise Unusable("a video is an object with tasks task0, task1 ...")
    names = [name for name in entry.value if name.startswith("task")]
    if not names:
        raise Unusable("the video has no task0, task1 ...")
    return names


def _item(folder: Folder, entry: Entry, name: str) -> Item:
    task = _Task.model_validate(entry.value[name])
    video = str(entry.value.get("video_id") or entry.key)
    options = without_letters(task.candidates)
    return Item(
        id=f"{video}/{name}",
        where=f"{entry.where}, {name}",
        form="worldsense",
        kind="choice",
        media=folder.media(f"videos/{video}.mp4"),
        question=task.question,
        options=options,
        truth=index_of(task.answer, options),
        task=task.task_type,
        group=str(entry.value.get("domain") or task.task_domain),
    )
