"""Daily-Omni (arXiv 2505.17862): 1,197 questions about clips of 30 and 60 s.

``qa.json`` is a list; the clips are ``Videos/ID/ID_video.mp4``. The published script puts the text
before the video, others put it after: every question is asked both ways, and both are reported.
"""

from __future__ import annotations

from pydantic import BaseModel

from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, index_of, without_letters

AFTER, BEFORE = "text after video", "text before video"


class _Question(BaseModel):
    Question: str
    Choice: list[str]
    Answer: str
    video_id: str
    Type: str


def load(folder: Folder, loading: Loading) -> None:
    for number, entry in enumerate(loading.entries(folder.file("qa.json"))):
        with loading.entry(entry.where):
            for order in (AFTER, BEFORE):
                loading.add(_item(folder, entry, number, order))


def _item(folder: Folder, entry: Entry, number: int, order: str) -> Item:
    asked = _Question.model_validate(entry.value)
    options = without_letters(asked.Choice)
    video = asked.video_id
    return Item(
        id=f"{video}/{number}/{order}",
        where=entry.where,
        form="dailyomni",
        kind="choice",
        media=folder.media(f"Videos/{video}/{video}_video.mp4", f"{video}/{video}_video.mp4"),
        question=asked.Question,
        options=options,
        truth=index_of(asked.Answer, options),
        task=f"{asked.Type}, {order}",
        group=order,
        told_before=order == BEFORE,
    )
