"""A run: every item asked, its answer kept, and the score of them all."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.errors import BenchmarkError, QuestionEmpty, QuestionTooLong, SieveError
from sieve.eval.benchmarks.item import Item, LeftOut, Unusable
from sieve.eval.benchmarks.media import Watch
from sieve.eval.benchmarks.offline import offline
from sieve.eval.benchmarks.parse import answer_of
from sieve.eval.benchmarks.prompt import prompt_of
from sieve.eval.benchmarks.results import Answer, Results
from sieve.eval.benchmarks.score import Judged, Score, score
from sieve.eval.benchmarks.settings import Settings
from sieve.eval.benchmarks.streamed import streamed
from sieve.eval.machine import describe_machine
from stream.source import MediaError

POLLED_S = 4.0  # past the true moment a model is asked on
WITHIN_S = 2.0  # of the true moment is right
_MAX_QUESTION_TOKENS = 8192


class Viewer(Protocol):
    """A media file that is watched up to ever later moments, in seconds from where it begins."""

    def answer(self, question: str, moment_s: float | None, max_tokens: int) -> str: ...


Open = Callable[[Item], AbstractContextManager[Viewer]]


@dataclass(frozen=True, slots=True)
class Report:
    """A run at its end, or as far as it came."""

    settings: Settings
    score: Score
    left_out: tuple[LeftOut, ...]
    available: int  # questions that can be asked of the data, of which a limit may take some

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.settings.benchmark,
            "settings": asdict(self.settings),
            "score": self.score.as_json(),
            "available": self.available,
            "left_out": [asdict(one) for one in self.left_out],
            "machine": describe_machine(self.settings.device),
        }


def run(
    items: Sequence[Item],
    model: Model,
    settings: Settings,
    results: Results,
    done: Callable[[int], None],
) -> list[LeftOut]:
    """Ask every item that has no answer in ``results`` yet; returns those that cannot be asked.

    ``done`` is told of items as they are dealt with. Questions about the same media are asked in
    one viewing.
    """
    left_out: list[LeftOut] = []
    waiting = [item for item in items if item.id not in results.answers]
    done(len(items) - len(waiting))
    open_viewer = _opener(model, settings)
    for viewing in viewings(waiting):
        left_out += _watch(viewing, open_viewer, settings, results, done)
    return left_out


def report(
    items: Sequence[Item],
    settings: Settings,
    results: Results,
    left_out: Sequence[LeftOut],
    available: int,
) -> Report:
    """The score of what was answered of ``items``. Raises BenchmarkError where nothing was."""
    judged = [judge(item, results.answers[item.id]) for item in items if item.id in results.answers]
    if not judged:
        first = f"; the first: {left_out[0].where}: {left_out[0].reason}" if left_out else ""
        raise BenchmarkError(f"none of {len(items)} questions could be asked{first}")
    once = tuple(dict.fromkeys(left_out))  # an entry may have become two items
    return Report(settings, score(settings.benchmark, judged), once, available)


def judge(item: Item, answer: Answer) -> Judged:
    """Whether an answer is right; one that could not be read is wrong. Always no is an answer to a
    question for a moment, if a wrong one."""
    if item.kind == "moment":
        right = answer.read is not None and abs(answer.read - item.truth) <= WITHIN_S
        readable = answer.read is not None or answer_of(item, answer.said) is not None
        return Judged(item.task, item.group, right, readable)
    readable = answer.read is not None
    return Judged(item.task, item.group, answer.read == item.truth, readable)


def viewings(items: Iterable[Item]) -> list[list[Item]]:
    """Items that can be asked while watching once, in order of their moments: those about the same
    stretch of a media file. A question that is told before the media, and one that is polled, is a
    viewing of its own."""
    found: dict[tuple[object, ...], list[Item]] = {}
    for item in items:
        alone = item.id if item.told_before or item.kind == "moment" else ""
        found.setdefault((item.media, item.start_s, alone), []).append(item)
    return [sorted(viewing, key=_moment) for viewing in found.values()]


def _moment(item: Item) -> float:
    return math.inf if item.moment_s is None else item.moment_s


def _opener(model: Model, settings: Settings) -> Open:
    """How an item's media is opened in the mode of the run."""

    def watch(item: Item) -> Watch:
        return Watch(item.media, item.start_s, settings.fps, settings.tracks)

    def told(item: Item) -> str:
        return prompt_of(item, settings.prompt) if item.told_before else ""

    if settings.mode == "offline":
        name, most = settings.selector, settings.max_frames or 0
        return lambda item: offline(model, name, watch(item), most, told(item))
    sizes = EngineConfig(
        rows=1, slots=settings.slots or 0, max_question_tokens=_MAX_QUESTION_TOKENS
    )
    engine = Engine(model, sizes)

    def row(item: Item) -> RowConfig:
        return RowConfig(
            retention=settings.retention, selector=settings.selector, instruction=told(item) or None
        )

    return lambda item: streamed(engine, watch(item), row(item))


def _watch(
    viewing: Sequence[Item],
    open_viewer: Open,
    settings: Settings,
    results: Results,
    done: Callable[[int], None],
) -> Iterator[LeftOut]:
    """Ask the items of one viewing; gives out those that cannot be asked. A question may fail
    alone; media that cannot be watched on leave out all that is asked later."""
    waiting = deque(viewing)
    try:
        with open_viewer(viewing[0]) as viewer:
            while waiting:
                try:
                    results.append(ask(waiting[0], viewer, settings))
                except (QuestionEmpty, QuestionTooLong) as error:
                    yield LeftOut(waiting[0].where, _reason(error))
                waiting.popleft()
                done(1)
    except (MediaError, Unusable, SieveError, torch.OutOfMemoryError, MemoryError) as error:
        yield from (LeftOut(item.where, _reason(error)) for item in waiting)
        done(len(waiting))


def _reason(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "too long for the memory there is: fewer --max-frames, or --mode streamed"
    return str(error)


def ask(item: Item, viewer: Viewer, settings: Settings) -> Answer:
    """Put an item to the model, at its moment. Raises MediaError, Unusable, SieveError."""
    question = prompt_of(item, settings.prompt)
    if item.kind == "moment":
        return _poll(item, question, viewer, settings)
    moment_s = None if item.moment_s is None else item.moment_s - item.start_s
    said = viewer.answer(question, moment_s, settings.max_tokens)
    return Answer(item.id, said, answer_of(item, said))


def _poll(item: Item, question: str, viewer: Viewer, settings: Settings) -> Answer:
    """Ask every second whether it is time to speak, until the model says so or it is too late. Of
    one that never does, what it said last, or else what could not be read."""
    assert item.moment_s is not None
    now_s, told = item.moment_s, ""
    while now_s <= item.truth + POLLED_S:
        said = viewer.answer(question, now_s - item.start_s, settings.max_tokens)
        read = answer_of(item, said)
        if read == 1:
            return Answer(item.id, said, round(now_s))
        told = said if read is None or answer_of(item, told or "no") is not None else told
        now_s += 1.0
    return Answer(item.id, told, None)


def write(made: Report, path: Path) -> None:
    path.write_text(json.dumps(made.as_json(), indent=2) + "\n", encoding="utf-8")
