"""MLVU-dev (arXiv 2406.04264): 2,174 multiple-choice questions of seven tasks about long videos.

Two layouts are published. The table ``mlvu_dev.json`` (or ``.jsonl``): ``video_name``,
``question`` with the options inside it, ``answer`` a letter, ``task_type``. And a file a task,
``json/1_plotQA.json`` ...: ``video``, ``question``, ``candidates``, ``answer`` the text of one of
them, ``question_type``; its videos are in ``video/1_plotQA/``. The two tasks that ask for a text
have no options and are no part of M-Avg.
"""

from __future__ import annotations

import re

from pydantic import BaseModel

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, Unusable, index_of, without_letters

_OPTION = re.compile(r"\(([A-Z])\)\s*")
_TASKS = (
    "1_plotQA",
    "2_needle",
    "3_ego",
    "4_count",
    "5_order",
    "6_anomaly_reco",
    "7_topic_reasoning",
)


class _Inline(BaseModel):
    video_name: str
    question: str
    answer: str
    task_type: str


class _Listed(BaseModel):
    video: str
    question: str
    candidates: list[str]
    answer: str
    question_type: str


def load(folder: Folder, loading: Loading) -> None:
    files = [
        f"json/{task}.json" for task in _TASKS if (folder.root / f"json/{task}.json").is_file()
    ]
    if not files:
        _load_table(folder, loading)
    for name in files:
        task = name.removeprefix("json/").removesuffix(".json")
        for number, entry in enumerate(loading.entries(folder.root / name)):
            with loading.entry(entry.where):
                loading.add(_listed(folder, entry, f"{task}/{number}", task))


def _load_table(folder: Folder, loading: Loading) -> None:
    try:
        table = folder.file("mlvu_dev.json", "mlvu_dev.jsonl")
    except BenchmarkError as error:
        raise BenchmarkError(f"{error}, nor json/1_plotQA.json ...") from None
    for number, entry in enumerate(loading.entries(table)):
        with loading.entry(entry.where):
            loading.add(_inline(folder, entry, str(number)))


def _inline(folder: Folder, entry: Entry, item_id: str) -> Item:
    asked = _Inline.model_validate(entry.value)
    question, options = _split(asked.question)
    name = asked.video_name
    return Item(
        id=item_id,
        where=entry.where,
        form="mlvu",
        kind="choice",
        media=folder.media(name, f"video/{name}", f"videos/{name}"),
        question=question,
        options=options,
        truth=index_of(asked.answer, options),
        task=asked.task_type,
        group="",
    )


def _listed(folder: Folder, entry: Entry, item_id: str, task: str) -> Item:
    asked = _Listed.model_validate(entry.value)
    options = without_letters(asked.candidates)
    if asked.answer not in asked.candidates:
        raise Unusable(f"the answer {asked.answer!r} is none of the candidates")
    return Item(
        id=item_id,
        where=entry.where,
        form="mlvu",
        kind="choice",
        media=folder.media(f"video/{task}/{asked.video}"),
        question=asked.question,
        options=options,
        truth=asked.candidates.index(asked.answer),
        task=asked.question_type,
        group="",
    )


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    """A question with "(A) ... (B) ..." inside -> the question and its options."""
    marks = list(_OPTION.finditer(text))
    if not marks:
        raise Unusable("the question has no options (A), (B) ... in it: not multiple-choice")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    options = [
        f"({mark.group(1)}) {text[mark.end() : end].strip()}"
        for mark, end in zip(marks, ends, strict=True)
    ]
    return text[: marks[0].start()].strip(), without_letters(options)
