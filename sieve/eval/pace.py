"""How long a run will take: measured on a clip, before the run starts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from sieve.eval.arms import ARMS, Budget
from sieve.eval.case import Case
from sieve.eval.run import Job
from sieve.eval.tasks import TASKS
from sieve.eval.trial import streamed
from sieve.model import Model

_WINDOWS = 8  # of the clip that is timed
_SEED = 9_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of one process: ``case_s`` to render a window and look at it for the first time,
    ``cell_s`` to ingest it, ``question_s`` to answer a question."""

    case_s: float
    cell_s: float
    question_s: float

    def of(self, job: Job) -> float:
        """The seconds a job takes."""
        task, cells = TASKS[job.task], len(job.cells)
        asked = task.moments * task.questions * cells
        return job.windows * (self.case_s + self.cell_s * cells) + asked * self.question_s


def measured(model: Model) -> Pace:
    """One clip: rendered and seen for the first time, then put with all its questions and with one.
    ``model`` remembers what its towers have seen."""
    began = time.perf_counter()
    case = TASKS["clips"].made(_SEED, 0, _WINDOWS)
    one = replace(case, asked=case.asked[:1])
    first_s = _seconds(model, one)
    rendered_s = time.perf_counter() - began - first_s
    one_s, all_s = _seconds(model, one), _seconds(model, case)
    question_s = max(0.0, all_s - one_s) / max(1, len(case.asked) - 1)
    return Pace(
        case_s=(rendered_s + max(0.0, first_s - one_s)) / _WINDOWS,
        cell_s=max(0.0, one_s - question_s) / _WINDOWS,
        question_s=question_s,
    )


def _seconds(model: Model, case: Case) -> float:
    began = time.perf_counter()
    for _ in streamed(model, case, ARMS["sieve"], Budget(0.2)):
        pass
    return time.perf_counter() - began
