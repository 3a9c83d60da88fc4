"""Video-MME (arXiv 2405.21075): 2,700 questions about 900 videos, short, medium and long.

``videomme.json`` (or ``.jsonl``) is the published table, one entry a question; the videos are
``data/VIDEOID.mp4``. With and without audio are two runs: ``--tracks both`` and ``--tracks video``.
"""

from __future__ import annotations

from pydantic import BaseModel

from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, index_of, without_letters

_SUFFIXES = (".mp4", ".MP4", ".mkv", ".webm")


class _Question(BaseModel):
    videoID: str  # noqa: N815 - the benchmark's name
    question_id: str
    question: str
    options: list[str]
    answer: str
    duration: str
    task_type: str


def load(folder: Folder, loading: Loading) -> None:
    for entry in loading.entries(folder.file("videomme.json", "videomme.jsonl")):
        with loading.entry(entry.where):
            loading.add(_item(folder, entry))


def _item(folder: Folder, entry: Entry) -> Item:
    asked = _Question.model_validate(entry.value)
    options = without_letters(asked.options)
    return Item(
        id=asked.question_id,
        where=entry.where,
        form="videomme",
        kind="choice",
        media=folder.media(*(f"data/{asked.videoID}{suffix}" for suffix in _SUFFIXES)),
        question=asked.question,
        options=options,
        truth=index_of(asked.answer, options),
        task=asked.task_type,
        group=asked.duration,
    )
