"""OVO-Bench (arXiv 2501.05510): 1,640 annotations, questions at moments of a stream.

``ovo_bench_new.json`` is a list. Nine tasks are multiple-choice, asked at ``realtime`` with
nothing later to be seen. Three wait for evidence: their ``test_info`` lists moments, and at each
the model is asked how often something happened (REC), whether a step is being carried out (SSR), or
whether there is enough to answer by (CRR). Media: the whole videos in ``src_videos/``, or the
published cuts ``chunked_videos/ID.mp4`` and ``ID_I.mp4``, which end at their moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from sieve.eval.benchmarks.entries import Entry, Folder, Loading
from sieve.eval.benchmarks.item import Item, Kind, Unusable, letter, without_letters

GROUPS = {
    "backward": ("EPM", "ASI", "HLD"),
    "realtime": ("OCR", "ACR", "ATR", "STU", "FPD", "OJR"),
    "forward": ("REC", "SSR", "CRR"),
}
_GROUP_OF = {task: group for group, tasks in GROUPS.items() for task in tasks}


class _Annotation(BaseModel):
    id: int | str
    task: str
    video: str


class _Choice(_Annotation):
    realtime: float = Field(gt=0)
    question: str
    options: list[str]
    gt: int


class _Moment(BaseModel):
    realtime: float = Field(gt=0)
    count: int | None = None
    type: int | None = Field(default=None, ge=0, le=1)
    step: str | None = None


class _Forward(_Annotation):
    test_info: list[Any]
    question: str | None = None
    activity: str | None = None


def load(folder: Folder, loading: Loading) -> None:
    for entry in loading.entries(folder.file("ovo_bench_new.json", "ovo_bench.json")):
        with loading.entry(entry.where):
            task = _Annotation.model_validate(entry.value).task
            if task not in _GROUP_OF:
                raise Unusable(f"there is no task {task!r}; tasks are {', '.join(_GROUP_OF)}")
            if _GROUP_OF[task] == "forward":
                _load_forward(folder, loading, entry)
            else:
                loading.add(_choice(folder, entry))


def _choice(folder: Folder, entry: Entry) -> Item:
    asked = _Choice.model_validate(entry.value)
    options = without_letters(asked.options)
    if not 0 <= asked.gt < len(options):
        last = letter(len(options) - 1)
        raise Unusable(f"gt {asked.gt} is no index of the options A to {last}")
    media, moment_s = _media(folder, asked, str(asked.id), asked.realtime)
    return Item(
        id=str(asked.id),
        where=entry.where,
        form="ovobench",
        kind="choice",
        media=media,
        question=asked.question,
        options=options,
        truth=asked.gt,
        task=asked.task,
        group=_GROUP_OF[asked.task],
        moment_s=moment_s,
    )


def _load_forward(folder: Folder, loading: Loading, entry: Entry) -> None:
    asked = _Forward.model_validate(entry.value)
    for number, info in enumerate(asked.test_info):
        where = f"{entry.where}, test_info[{number}]"
        with loading.entry(where):
            loading.add(_forward(folder, asked, _Moment.model_validate(info), number, where))


def _forward(folder: Folder, asked: _Forward, moment: _Moment, number: int, where: str) -> Item:
    fields = {
        "REC": ("activity", asked.activity, "count", moment.count),
        "SSR": ("step", moment.step, "type", moment.type),
        "CRR": ("question", asked.question, "type", moment.type),
    }
    what, question, which, truth = fields[asked.task]
    if question is None or truth is None:
        raise Unusable(f"{asked.task} needs {what} and {which}")
    kind: Kind = "count" if asked.task == "REC" else "yes or no"
    item_id = f"{asked.id}_{number}"
    media, moment_s = _media(folder, asked, item_id, moment.realtime)
    return Item(
        id=item_id,
        where=where,
        form=f"ovobench {asked.task}",
        kind=kind,
        media=media,
        question=question,
        truth=truth,
        task=asked.task,
        group="forward",
        moment_s=moment_s,
    )


def _media(
    folder: Folder, asked: _Annotation, cut: str, realtime_s: float
) -> tuple[Path, float | None]:
    """The media and when to ask in it: a published cut ends at its moment."""
    names = (asked.video, f"src_videos/{asked.video}", f"chunked_videos/{cut}.mp4")
    found = folder.media(*names)
    return found, None if found.parent.name == "chunked_videos" else realtime_s
